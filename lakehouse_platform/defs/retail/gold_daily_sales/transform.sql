SELECT invoice_date                                                                  AS date,
       country,
       COUNT(DISTINCT invoice_no)                                                    AS invoice_count,
       COUNT(*)                                                                      AS line_count,
       SUM(quantity)                                                                 AS units,
       SUM(CASE WHEN is_cancellation THEN 0 ELSE quantity * unit_price END)          AS gross_revenue,
       SUM(CASE WHEN is_cancellation THEN -(quantity * unit_price) ELSE 0 END)     AS cancelled_revenue,
       SUM(quantity * unit_price)                                                    AS net_revenue,
       COUNT(DISTINCT customer_id)                                                   AS customer_count
FROM silver.order_lines
GROUP BY invoice_date, country

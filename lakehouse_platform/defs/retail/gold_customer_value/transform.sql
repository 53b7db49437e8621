WITH customer AS (
    SELECT customer_id,
           COUNT(DISTINCT CASE WHEN NOT is_cancellation THEN invoice_no END) AS order_count,
           SUM(quantity * unit_price)                                        AS revenue,
           MIN(CASE WHEN NOT is_cancellation THEN invoice_timestamp END)     AS first_order_timestamp,
           MAX(CASE WHEN NOT is_cancellation THEN invoice_timestamp END)     AS last_order_timestamp
    FROM silver.order_lines
    WHERE customer_id IS NOT NULL
    GROUP BY customer_id
)
SELECT customer_id,
       order_count,
       revenue,
       CAST(revenue / NULLIF(order_count, 0) AS DECIMAL(38,3)) AS average_order_value,
       first_order_timestamp,
       last_order_timestamp,
       CASE WHEN order_count = 0 OR revenue <= 0       THEN 'refunded'
            WHEN order_count >= 10 AND revenue >= 5000 THEN 'champion'
            WHEN order_count >= 5                      THEN 'loyal'
            WHEN order_count >= 2                      THEN 'returning'
            ELSE 'single' END                                  AS segment
FROM customer

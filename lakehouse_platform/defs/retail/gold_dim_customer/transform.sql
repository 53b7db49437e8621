SELECT customer_id,
       country
FROM silver.order_lines
WHERE customer_id IS NOT NULL

SELECT line.invoice_date,
       line.invoice_timestamp,
       line.invoice_no,
       line.stock_code,
       CAST(YEAR(line.invoice_date) * 10000 + MONTH(line.invoice_date) * 100 + DAY(line.invoice_date) AS BIGINT) AS date_key,
       COALESCE(product.product_key, -1)    AS product_key,
       COALESCE(customer.customer_key, -1)  AS customer_key,
       line.quantity,
       line.unit_price,
       line.quantity * line.unit_price      AS revenue,
       line.is_cancellation
FROM silver.order_lines AS line
LEFT JOIN gold.dim_product AS product
  ON product.stock_code = line.stock_code
 AND line.invoice_timestamp >= product.effective_date
 AND (product.end_date IS NULL OR line.invoice_timestamp < product.end_date)
LEFT JOIN gold.dim_customer AS customer
  ON customer.customer_id = line.customer_id
 AND line.invoice_timestamp >= customer.effective_date
 AND (customer.end_date IS NULL OR line.invoice_timestamp < customer.end_date)

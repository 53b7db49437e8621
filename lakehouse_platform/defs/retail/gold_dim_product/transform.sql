-- A line at price 0 describes a correction of stock ("damaged", "found"), not the product.
SELECT stock_code,
       description
FROM silver.order_lines
WHERE unit_price > 0 AND description IS NOT NULL

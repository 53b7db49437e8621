SELECT InvoiceNo                       AS invoice_no,
       StockCode                       AS stock_code,
       NULLIF(TRIM(Description), '')   AS description,
       Quantity                        AS quantity,
       InvoiceDate                     AS invoice_timestamp,
       InvoiceDate                     AS invoice_date,
       UnitPrice                       AS unit_price,
       -- The export wrote customer numbers as floats: 17850.0
       NULLIF(REGEXP_REPLACE(CustomerID, '\\.0$', ''), '') AS customer_id,
       Country                         AS country,
       InvoiceNo LIKE 'C%'             AS is_cancellation
FROM bronze.retail_transactions

SELECT CAST(YEAR(date) * 10000 + MONTH(date) * 100 + DAY(date) AS BIGINT) AS date_key,
       date,
       YEAR(date)                                                         AS year,
       QUARTER(date)                                                      AS quarter,
       MONTH(date)                                                        AS month,
       DAY(date)                                                          AS day_of_month,
       WEEKDAY(date) + 1                                                  AS day_of_week,
       WEEKDAY(date) >= 5                                                 AS is_weekend
FROM (SELECT EXPLODE(SEQUENCE(DATE '2009-01-01', DATE '2030-12-31', INTERVAL 1 DAY)) AS date)

SELECT sensor_id,
       DATE_TRUNC('HOUR', reading_timestamp) AS hour,
       COUNT(*)                              AS reading_count,
       MIN(value)                            AS minimum_value,
       AVG(value)                            AS average_value,
       MAX(value)                            AS maximum_value
FROM silver.sensor_readings
GROUP BY sensor_id, DATE_TRUNC('HOUR', reading_timestamp)

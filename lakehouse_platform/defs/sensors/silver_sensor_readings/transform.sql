SELECT sensor_id,
       series_group,
       timestamp AS reading_timestamp,
       value
FROM bronze.sensor_readings

SELECT event_id,
       author   AS user_id,
       op       AS event_type,
       event_ts AS event_timestamp,
       -- Every field that has no column of its own
       MAP_FILTER(FROM_JSON(raw_data, 'MAP<STRING,STRING>'), (k, v) -> k NOT IN ('event_id', 'author', 'op', 'event_ts')) AS properties
FROM bronze.activity_events

SELECT CAST(event_timestamp AS DATE)           AS date,
       user_id,
       COUNT(*)                                AS event_count,
       CAST(COUNT(DISTINCT event_type) AS INT) AS unique_event_types,
       MIN(event_timestamp)                    AS first_event_timestamp,
       MAX(event_timestamp)                    AS last_event_timestamp,
       CURRENT_TIMESTAMP()                     AS aggregation_timestamp
FROM silver.user_events
GROUP BY CAST(event_timestamp AS DATE), user_id

SELECT user_id,
       properties['user_name']                         AS user_name,
       properties['user_email']                        AS user_email,
       COALESCE(properties['user_status'], 'active')   AS user_status
FROM silver.user_events

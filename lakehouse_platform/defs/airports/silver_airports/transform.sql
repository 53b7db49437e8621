SELECT icao,
       iata,
       name,
       city,
       subd,
       country,
       elevation,
       lat,
       lon,
       tz,
       lid
FROM bronze.airport_changes

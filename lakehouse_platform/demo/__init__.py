"""Files to try the platform on: real data sets unpacked, or generated ones of the same shape and dirt. Not here: reading them (ingest)."""

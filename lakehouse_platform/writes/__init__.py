"""Writes any Delta table with DuckDB: append, overwrite, upsert, delete, rearrange. Not here: contracts, refreshes (medallion)."""

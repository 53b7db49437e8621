"""What SQL means and how it runs: Spark SQL in, DuckDB sessions and parquet files out. Not here: commits (delta)."""

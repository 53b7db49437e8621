"""The functions that a query may call, by name: each means on DuckDB exactly what it means in Spark; every other name is refused."""

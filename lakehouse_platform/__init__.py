"""A data lakehouse run by Dagster: a table is a contract, a query and a place in the asset graph."""

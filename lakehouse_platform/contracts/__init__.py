"""Contracts: what an Open Data Contract Standard document says of a table, as typed values."""

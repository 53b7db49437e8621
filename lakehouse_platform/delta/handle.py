"""deltalake's own object of a table, opened as every client of storage is. Not here: what it holds (snapshot.py)."""

from __future__ import annotations

from deltalake import DeltaTable

from lakehouse_platform.storage.options import client_options


def open_handle(location: str, version: int | None = None) -> DeltaTable:
    """A table at a version, or as it is now; what deltalake raises is the caller's to tell."""
    return DeltaTable(location, version=version, storage_options=client_options(location))


def is_table(location: str) -> bool:
    """Whether there is a table; what deltalake raises is the caller's to tell."""
    return DeltaTable.is_deltatable(location, storage_options=client_options(location))

"""deltalake's own object of a table, opened as every client of storage is. Not here: what it holds (snapshot.py)."""

from __future__ import annotations

import re

from deltalake import DeltaTable

from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.options import client_options
from lakehouse_platform.storage.stored import joined

_OF_A_TABLE = re.compile(r"\d{20}\.(json|checkpoint\..*)")


def open_handle(location: str, version: int | None = None) -> DeltaTable:
    """A table at a version, or as it is now; what deltalake raises is the caller's to tell."""
    return DeltaTable(location, version=version, storage_options=client_options(location))


def is_table(location: str) -> bool:
    """Whether there is a table: a log with a commit or a checkpoint."""
    # Not by deltalake's is_deltatable, which holds Python's lock while it waits for an object store.
    return any(_OF_A_TABLE.fullmatch(file.path) for file in storage.listed(joined(location, "_delta_log")))

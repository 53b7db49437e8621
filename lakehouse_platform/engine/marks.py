"""The mark in a file's name of the columns that it was written with. Not here: reading files (scan.py), writing them (duckdb.py).

A reader that is told which columns to expect, in whatever a file looks like, is taken by DuckDB 2.0.0 for one of a single row: it then keeps the
table in memory and streams the handful of keys past it (5 to 8 times the processor time). Files that bear the mark need not be told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from lakehouse_platform.contracts.types import ColumnType

_DIGITS = 12


def columns_mark(columns: Mapping[str, ColumnType]) -> str:
    """The mark of these columns, whatever their order: `s` and hexadecimal digits."""
    text = "\0".join(sorted(f"{name}\0{kind}" for name, kind in columns.items()))
    return f"s{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:_DIGITS]}"


def has_mark(path: str, mark: str) -> bool:
    """Whether a file bears a mark, and so has exactly the columns that it stands for."""
    return f"-{mark}-" in path.rpartition("/")[2]

"""Files as the actions of a commit: what the log says of each. Not here: committing them (commit.py)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote, unquote

from deltalake.transaction import AddAction, CommitProperties, RemoveAction, Transaction

from lakehouse_platform.contracts.types import DATE
from lakehouse_platform.delta.ambiguous import COMMIT_ID
from lakehouse_platform.delta.files import DataFile, Field, WrittenFile
from lakehouse_platform.delta.statistics import statistics_json
from lakehouse_platform.problems import LakehouseError

# What a commit says it did, in its metadata, that only rearranged rows or told of upkeep: readers of a table's past pass over it.
MAINTENANCE = "maintenance"
# Types whose values have one spelling in a path and in the log.
_PARTITION_TYPES = ("string", "date", "int", "bigint", "boolean", "decimal")

# The characters that delta-rs leaves as they are in a path of the log.
_PLAIN_IN_PATHS = "/!$&'()+,-.:;=@_~"


def commit_properties(commit_id: str, transactions: Mapping[str, int] | None, metadata: Mapping[str, Any] | None) -> CommitProperties:
    """What every commit says of itself: its id, cursors, metadata, and that it follows exactly the version that it was derived from."""
    # No retries: delta-rs would lay the commit on top of another's append, and so hide from it what it was not derived from.
    return CommitProperties(
        custom_metadata={**(metadata or {}), COMMIT_ID: commit_id},
        max_commit_retries=0,
        app_transactions=[Transaction(app_id, version, now_ms()) for app_id, version in (transactions or {}).items()],
    )


def add_actions(
    files: Iterable[WrittenFile], columns: Sequence[Field], *, indexed: Sequence[Field], unbounded: Collection[str], data_change: bool = True
) -> list[AddAction]:
    """The actions that put files into a table of these columns. `indexed` columns get statistics, `unbounded` ones no minimum and maximum."""
    modified, dates = now_ms(), {field.name for field in columns if field.type == DATE}
    return [
        AddAction(
            file.path,
            file.size_bytes,
            _partition_values(file, dates),
            modified,
            data_change=data_change,
            stats=statistics_json(file, indexed, unbounded),
        )
        for file in files
    ]


def remove_actions(files: Iterable[DataFile], *, data_change: bool = True) -> list[RemoveAction]:
    """The actions that take files out of a table."""
    return [_remove_action(file, data_change=data_change) for file in files]


def refuse_partition_types(location: str, columns: Sequence[Field], partition_columns: Sequence[str]) -> None:
    """Raise LakehouseError where a table of these columns cannot be partitioned so."""
    types = {field.name: field.type for field in columns}
    for name in partition_columns:
        if name not in types:
            raise LakehouseError(f"{location}: partition column {name!r} is no column of the table")
        if types[name].name not in _PARTITION_TYPES:
            raise LakehouseError(f"{location}: partition column {name!r} is {types[name]}: partition by one of {', '.join(_PARTITION_TYPES)}")


def now_ms() -> int:
    """This instant as the log counts time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _remove_action(file: DataFile, *, data_change: bool) -> RemoveAction:
    # delta-rs encodes the path of an action for the log in its own way; a removal that is spelt otherwise than the file removes nothing.
    if quote(unquote(file.path), safe=_PLAIN_IN_PATHS) != file.path:
        raise LakehouseError(f"{file.path}: another writer spelt this path so that it cannot be removed; rewrite the table with that writer")
    return RemoveAction(
        unquote(file.path), data_change=data_change, deletion_timestamp=now_ms(), size=file.size_bytes, partition_values=dict(file.partition_values)
    )


def _partition_values(file: WrittenFile, dates: Collection[str]) -> dict[str, str | None]:
    for name, value in file.partition_values.items():
        if value == "":
            raise LakehouseError(f"column {name!r}: the log cannot tell an empty partition value from null; give it as null or as another text")
        if name in dates and value is not None and not _is_date(value):
            raise LakehouseError(f"column {name!r}: no reader opens a table with the partition {value}; give a date of the years 0001 to 9999")
    return dict(file.partition_values)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True

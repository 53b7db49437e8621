"""Committing files: the one place that changes a table. Not here: writing the files, and trying again (retry.py)."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote, unquote

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, CommitProperties, RemoveAction, Transaction, create_table_with_add_actions

from lakehouse_platform.contracts.types import DATE
from lakehouse_platform.delta.files import DataFile, Field, Snapshot, WrittenFile, same_columns
from lakehouse_platform.delta.schema import delta_schema
from lakehouse_platform.delta.statistics import statistics_json
from lakehouse_platform.problems import LakehouseError, TransientFault

_CONFIGURATION = {
    "delta.checkpointInterval": "10",
    # commitInfo is not in checkpoints, and delta-rs would remove it with old logs by itself: only our own clean-up may.
    "delta.enableExpiredLogCleanup": "false",
    # Without it, readers leave out the statistics of all columns but the first 32.
    "delta.dataSkippingNumIndexedCols": "-1",
}
# Types whose values have one spelling in a path and in the log.
_PARTITION_TYPES = ("string", "date", "int", "bigint", "boolean", "decimal")

# The characters that delta-rs leaves as they are in a path of the log.
_PLAIN_IN_PATHS = "/!$&'()+,-.:;=@_~"


class CommitConflict(LakehouseError):
    """Another writer committed first: what was derived from the snapshot must be derived anew."""


def create_table(
    location: str,
    columns: Sequence[Field],
    partition_columns: Sequence[str],
    *,
    configuration: Mapping[str, str] | None = None,
    added: Sequence[WrittenFile] = (),
    transactions: Mapping[str, int] | None = None,
    metadata: Mapping[str, Any] | None = None,
    unbounded: Collection[str] = (),
) -> int:
    """Make a table, with its first files, and give back its version, 0. Raises CommitConflict when there is a table already.

    `transactions` are versions by application id; `unbounded` columns get no minimum and maximum in the log.
    """
    location = location.rstrip("/")
    _refuse_partition_types(columns, partition_columns)
    try:
        create_table_with_add_actions(
            location,
            delta_schema(columns),
            _add_actions(added, columns, unbounded),
            mode="error",
            partition_by=list(partition_columns),
            configuration=_CONFIGURATION | dict(configuration or {}),
            commit_properties=commit_properties(transactions, metadata),
        )
    except DeltaError as error:
        if DeltaTable.is_deltatable(location):
            raise CommitConflict(f"{location} is a table already: open it and commit to it") from error
        raise TransientFault(f"{location} could not be made: {error}") from error
    return 0


def commit(
    snapshot: Snapshot,
    *,
    added: Sequence[WrittenFile] = (),
    removed: Sequence[DataFile] = (),
    transactions: Mapping[str, int] | None = None,
    metadata: Mapping[str, Any] | None = None,
    unbounded: Collection[str] = (),
    columns: Sequence[Field] | None = None,
) -> int:
    """Commit files as the version that follows the snapshot, all or nothing, and give back that version.

    `columns` are the table's columns from this commit on, where they are others than before: then all of its files must go in it.
    Raises CommitConflict when any other commit came after the snapshot, also a blind append. A commit without files works.
    """
    changed = columns if columns is not None and not same_columns(columns, snapshot.columns) else None
    if changed is not None:
        _refuse_partition_types(changed, snapshot.partition_columns)
        if {file.path for file in removed} != {file.path for file in snapshot.files}:
            raise LakehouseError(f"{snapshot.location}: files of other columns would stay; columns change only where the whole table is written anew")
    # Overwriting is delta-rs's only way to write another schema and files in one commit. It removes all files of the snapshot itself.
    going = removed if changed is None else ()
    actions: list[AddAction | RemoveAction] = [
        *_add_actions(added, changed or snapshot.columns, unbounded),
        *(_remove_action(file) for file in going),
    ]
    try:
        snapshot.handle.create_write_transaction(
            actions,
            mode="append" if changed is None else "overwrite",
            schema=snapshot.handle.schema() if changed is None else delta_schema(changed),
            partition_by=list(snapshot.partition_columns),
            commit_properties=commit_properties(transactions, metadata),
        )
    except CommitFailedError as error:
        latest = DeltaTable(snapshot.location).version()
        if latest == snapshot.version:
            raise TransientFault(f"{snapshot.location}: a commit to version {latest} failed: {error}") from error
        raise CommitConflict(f"{snapshot.location} is at version {latest}, not at {snapshot.version} any more") from error
    return snapshot.version + 1


def commit_properties(transactions: Mapping[str, int] | None, metadata: Mapping[str, Any] | None) -> CommitProperties:
    """What every commit says of itself: cursors, metadata, and that it follows exactly the version that it was derived from."""
    # No retries: delta-rs would lay the commit on top of another's append, and so hide from it what it was not derived from.
    return CommitProperties(
        custom_metadata=dict(metadata) if metadata else None,
        max_commit_retries=0,
        app_transactions=[Transaction(app_id, version, _now()) for app_id, version in (transactions or {}).items()],
    )


def _add_actions(files: Sequence[WrittenFile], columns: Sequence[Field], unbounded: Collection[str]) -> list[AddAction]:
    modified, dates = _now(), {field.name for field in columns if field.type == DATE}
    return [
        AddAction(
            file.path, file.size_bytes, _partition_values(file, dates), modified, data_change=True, stats=statistics_json(file, columns, unbounded)
        )
        for file in files
    ]


def _remove_action(file: DataFile) -> RemoveAction:
    # delta-rs encodes the path of an action for the log in its own way; a removal that is spelt otherwise than the file removes nothing.
    if quote(unquote(file.path), safe=_PLAIN_IN_PATHS) != file.path:
        raise LakehouseError(f"{file.path}: another writer spelt this path so that it cannot be removed; rewrite the table with that writer")
    return RemoveAction(
        unquote(file.path), data_change=True, deletion_timestamp=_now(), size=file.size_bytes, partition_values=dict(file.partition_values)
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


def _refuse_partition_types(columns: Sequence[Field], partition_columns: Sequence[str]) -> None:
    types = {field.name: field.type for field in columns}
    for name in partition_columns:
        if name not in types:
            raise LakehouseError(f"partition column {name!r} is no column of the table")
        if types[name].name not in _PARTITION_TYPES:
            raise LakehouseError(f"partition column {name!r} is {types[name]}: partition by one of {', '.join(_PARTITION_TYPES)}")


def _now() -> int:
    return time.time_ns() // 1_000_000

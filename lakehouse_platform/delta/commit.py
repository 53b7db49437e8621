"""Committing files: the one place that changes a table's rows. Not here: writing the files, and trying again (retry.py)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from lakehouse_platform.delta.actions import add_actions, commit_properties, refuse_partition_types, remove_actions
from lakehouse_platform.delta.ambiguous import new_commit_id, stands_in_log
from lakehouse_platform.delta.files import DataFile, Field, Snapshot, WrittenFile, same_columns
from lakehouse_platform.delta.handle import is_table
from lakehouse_platform.delta.obligations import refuse_breaches, refuse_forgetting
from lakehouse_platform.delta.opening import committable, open_table
from lakehouse_platform.delta.rebase import Derivation, still_holds
from lakehouse_platform.delta.schema import delta_schema
from lakehouse_platform.delta.statistics import indexed_columns
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.storage.complaints import told
from lakehouse_platform.storage.options import client_options

_CONFIGURATION = {
    "delta.checkpointInterval": "10",
    # commitInfo is not in checkpoints, and delta-rs would remove it with old logs by itself: only our own clean-up may.
    "delta.enableExpiredLogCleanup": "false",
    # Without it, readers leave out the statistics of all columns but the first 32.
    "delta.dataSkippingNumIndexedCols": "-1",
}
# Each costs the opening of the table; whoever meets more commits than this waits (retry.py) rather than runs after them.
_REBASES = 10


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
    refuse_partition_types(location, columns, partition_columns)
    properties = _CONFIGURATION | dict(configuration or {})
    indexed = indexed_columns(columns, partition_columns, properties)
    commit_id = new_commit_id()
    try:
        create_table_with_add_actions(
            location,
            delta_schema(columns),
            add_actions(added, columns, indexed=indexed, unbounded=unbounded),
            mode="error",
            partition_by=list(partition_columns),
            configuration=properties,
            storage_options=client_options(location),
            commit_properties=commit_properties(commit_id, transactions, metadata),
        )
    except (DeltaError, OSError) as error:
        if stands_in_log(location, 0, commit_id, error):
            return 0
        if not _is_there(location, error):
            raise told(location, f"the table could not be made: {error}") from error
        # The second look is for a put that landed meanwhile, as in put_after.
        if not stands_in_log(location, 0, commit_id, error):
            raise CommitConflict(f"{location} is a table already: open it and commit to it") from error
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
    data_change: bool = True,
    derived_from: Derivation = "rows",
    checked: Mapping[str, str] | None = None,
    within: Collection[Mapping[str, str | None]] | None = None,
) -> int:
    """Commit files as a version that follows the snapshot, all or nothing, and give back that version. A commit without files works.

    Raises CommitConflict when another commit came after the snapshot, also a blind append, unless what was derived from the snapshot still holds:
    derived from its rows, over commits that only rearrange them and leave the files that this one removes; derived from the files that it removes
    (`derived_from="files"`), as long as these stand.

    Args:
        snapshot: The version that everything else here was derived from.
        added: Files that were written below the table's location.
        removed: Files of the snapshot that leave the table.
        transactions: Versions by application id.
        metadata: What the commit says of itself, as JSON values.
        unbounded: Columns that get no minimum and maximum in the log.
        columns: The table's columns from this commit on, where they are others than before: then all of its files must go in it.
        data_change: False where the added files hold exactly the rows of the removed ones.
        derived_from: What the commit was derived from, `rows` or `files`.
        checked: The conditions (obligations.py) that every added row was found to keep; a table that demands others refuses the commit.
        within: The partitions that the commit replaces as a whole, by their values: removed and added files must lie in them.
    """
    changed = columns if columns is not None and not same_columns(columns, snapshot.columns) else None
    if changed is not None:
        _refuse_staying(snapshot, removed)
        refuse_forgetting(snapshot)
    if added and data_change:
        # Other writers partition by others, too, and DuckDB's spelling of an instant made a table that nobody could open any more. What is only
        # rearranged keeps the log's spelling.
        refuse_partition_types(snapshot.location, columns or snapshot.columns, snapshot.partition_columns)
    if within is not None:
        _refuse_outside(snapshot, [*added, *removed], within)
    refuse_breaches(snapshot, added, removed, data_change=data_change, checked=checked or {}, replaces=within is not None)
    now = changed or snapshot.columns
    indexed = indexed_columns(now, snapshot.partition_columns, snapshot.configuration)
    # Overwriting is delta-rs's only way to write another schema and files in one commit. It removes all files of the snapshot itself.
    going = removed if changed is None else ()
    actions: list[AddAction | RemoveAction] = [
        *add_actions(added, now, indexed=indexed, unbounded=unbounded, data_change=data_change),
        *remove_actions(going, data_change=data_change),
    ]
    commit_id = new_commit_id()

    def put(handle: DeltaTable) -> None:
        handle.create_write_transaction(
            actions,
            mode="append" if changed is None else "overwrite",
            schema=handle.schema() if changed is None else delta_schema(changed),
            partition_by=list(snapshot.partition_columns),
            commit_properties=commit_properties(commit_id, transactions, metadata),
        )

    going_paths = {file.path for file in removed}

    def holds(versions: range) -> bool:
        return changed is None and still_holds(snapshot.location, versions, going_paths, derived_from)

    return put_after(snapshot, snapshot.handle, put, commit_id, holds)


def put_after(
    snapshot: Snapshot, handle: DeltaTable, put: Callable[[DeltaTable], None], commit_id: str, holds: Callable[[range], bool] | None = None
) -> int:
    """Let `put` commit by a handle as the version that follows the snapshot, or a later one over commits that `holds` allows; gives that version.

    A commit that stands in the log was made, whatever error came of it. Raises CommitConflict, or TransientFault when nothing was committed.
    """
    location, at = snapshot.location, snapshot.version
    handle = committable(location, handle)
    for _ in range(_REBASES):
        try:
            put(handle)
        except (DeltaError, OSError) as error:
            if not stands_in_log(location, at + 1, commit_id, error):
                handle = _newest(snapshot, at, error)
                # A put whose answer never came may land between the two looks. From here on that version is taken, by it or by another's.
                if stands_in_log(location, at + 1, commit_id, error):
                    return at + 1
                if holds is None or not holds(range(at + 1, handle.version() + 1)):
                    raise CommitConflict(f"{location} is at version {handle.version()}, not at {snapshot.version} any more") from error
                at = handle.version()
                continue
        return at + 1
    raise CommitConflict(f"{location} is at version {at}, not at {snapshot.version} any more, and moves faster than this commit could follow")


def _newest(snapshot: Snapshot, at: int, error: DeltaError | OSError) -> DeltaTable:
    """The table after another's commit; raises what `error` means where there was none."""
    location = snapshot.location
    try:
        handle = committable(location, open_table(location))
    except (DeltaError, OSError) as unread:
        raise told(location, f"a commit to version {at} failed ({error}), and the table cannot be opened ({unread})") from error
    if handle.version() > at:
        return handle
    if isinstance(error, CommitFailedError | OSError):
        raise told(location, f"a commit to version {at} failed: {error}") from error
    raise LakehouseError(f"{location}: version {at} takes no such commit: {error}") from error


def _is_there(location: str, error: DeltaError | OSError) -> bool:
    try:
        return is_table(location)
    except (DeltaError, OSError) as unread:
        raise told(location, f"the table could not be made ({error}), and it cannot be opened ({unread})") from error


def _refuse_staying(snapshot: Snapshot, removed: Iterable[DataFile]) -> None:
    if {file.path for file in removed} != {file.path for file in snapshot.files}:
        raise LakehouseError(f"{snapshot.location}: files of other columns would stay; columns change only where the whole table is written anew")


def _refuse_outside(snapshot: Snapshot, files: Iterable[DataFile | WrittenFile], within: Collection[Mapping[str, str | None]]) -> None:
    allowed = {frozenset(partition.items()) for partition in within}
    for file in files:
        if frozenset(file.partition_values.items()) not in allowed:
            lies = ", ".join(f"{name}={value}" for name, value in file.partition_values.items()) or "no partition"
            raise LakehouseError(f"{snapshot.location}: {file.path} lies in {lies}, which this commit must not touch; nothing was committed")

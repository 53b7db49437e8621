"""One write, from the table as it is to its next version: opened, derived, committed by compare-and-swap, derived anew after a lost race.

Not here: what each kind of write derives.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.evolution import add_columns
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined
from lakehouse_platform.writes.change import Change, Options, Written
from lakehouse_platform.writes.conditions import NO_VERSION, conditions_of, lawful
from lakehouse_platform.writes.source import Rows, new_fields

_TRIES = 10


def write(location: str, options: Options, derive: Callable[[Snapshot], Change], rows: Rows | None = None, *, is_anew: bool = False) -> Written:
    """Commit what `derive` makes of the table as it is. Where there is none it is made with the rows' columns; without rows that is an error.

    `is_anew`: the whole table is written, so that its columns may become others in the same commit.
    Raises CommitRetriesExhausted when every try lost to another writer.
    """
    location = location.rstrip("/")

    def attempt() -> Written:
        target = open_snapshot(location) or _not_yet(location, options, rows)
        if _is_known(target, options):
            return Written(target.version, was_known=True)
        _refuse_other_partitions(target, options)
        if rows is not None and not (is_anew and options.get("evolve")):
            target = _with_new_columns(target, new_fields(rows.fields, target.columns), options)
        change = derive(target)
        if change.is_empty and target.version != NO_VERSION and options.get("transaction") is None:
            return Written(target.version)
        refuse_nulls(target, change)
        version = _committed(target, change, options)
        return Written(version, change.rows_added, change.rows_removed, len(change.added), len(change.removed))

    return with_retries(attempt, options.get("tries", _TRIES))


def write_rows(session: Session, target: Snapshot, rows: Rows, options: Options) -> list[WrittenFile]:
    """Write the files of rows in the table's columns, each row held against what the table demands."""
    sql = lawful(target, rows.shaped_as(target), options.get("unbounded", ()))
    return session.write(sql, target.location, target.partition_columns)


def refuse(target: Snapshot, written: Collection[WrittenFile], message: str) -> None:
    """Raise LakehouseError, after the files that were written for a commit that will not be made are deleted."""
    discard(target, written)
    raise LakehouseError(f"{target.location}: {message}; nothing was committed")


def discard(target: Snapshot, written: Collection[WrittenFile]) -> None:
    """Delete files that were written and that no commit has taken."""
    storage.delete(joined(target.location, file.path) for file in written)


def refuse_nulls(target: Snapshot, change: Change) -> None:
    """Raise LakehouseError where a file has a null in a column that may hold none."""
    for field in change.columns or target.columns:
        if field.nullable:
            continue
        for file in change.added:
            nulls = file.statistics.get(field.name, {}).get("null_count", "0")
            if nulls != "0" or file.partition_values.get(field.name, "") is None:
                refuse(target, change.added, f"column {field.name!r} may not be null, and is in {file.rows if nulls == '0' else nulls} rows")


def _committed(target: Snapshot, change: Change, options: Options) -> int:
    transaction, metadata = options.get("transaction"), options.get("metadata")
    transactions = dict([transaction]) if transaction is not None else None
    unbounded = options.get("unbounded", ())
    try:
        if target.version == NO_VERSION:
            return create_table(
                target.location,
                target.columns,
                target.partition_columns,
                configuration=options.get("configuration"),
                added=change.added,
                transactions=transactions,
                metadata=metadata,
                unbounded=unbounded,
            )
        return commit(
            target,
            added=change.added,
            removed=change.removed,
            transactions=transactions,
            metadata=metadata,
            unbounded=unbounded,
            columns=change.columns,
            checked=conditions_of(target),
            within=change.within,
        )
    except LakehouseError as error:
        # Refused or lost for certain: nothing refers to the files. After a fault of storage they may stand in the log all the same.
        if not isinstance(error, TransientFault):
            discard(target, change.added)
        raise


def _with_new_columns(target: Snapshot, fields: Sequence[Field], options: Options) -> Snapshot:
    """The table with the columns that the rows have and it lacks, at its end."""
    if not fields:
        return target
    names = ", ".join(field.name for field in fields)
    if not options.get("evolve"):
        raise LakehouseError(f"{target.location} has no column {names}; leave it out, or let the table evolve")
    add_columns(target, fields)
    evolved = open_snapshot(target.location)
    if evolved is None:
        raise LakehouseError(f"{target.location} got column {names} and is gone; who else writes there?")
    return evolved


def _not_yet(location: str, options: Options, rows: Rows | None) -> Snapshot:
    if rows is None:
        raise LakehouseError(f"{location} is no table; make it with a first append")
    return Snapshot(location, "", NO_VERSION, rows.fields, tuple(options.get("partition_by", ())), options.get("configuration", {}), ())


def _is_known(target: Snapshot, options: Options) -> bool:
    transaction = options.get("transaction")
    if transaction is None or target.version == NO_VERSION:
        return False
    known = target.transaction_version(transaction[0])
    return known is not None and known >= transaction[1]


def _refuse_other_partitions(target: Snapshot, options: Options) -> None:
    wanted = options.get("partition_by")
    if wanted is not None and tuple(wanted) != target.partition_columns:
        raise LakehouseError(
            f"{target.location} is partitioned by {', '.join(target.partition_columns) or 'nothing'}, not by {', '.join(wanted) or 'nothing'}: "
            "write it so, or make another table"
        )

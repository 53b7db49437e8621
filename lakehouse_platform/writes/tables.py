"""Writing any Delta table: append, overwrite, replace partitions, upsert, delete. Not here: how each is derived, and rearranging (optimize.py).

Each write opens the table itself, derives what it adds and removes, and commits that by compare-and-swap. After a lost race all that came from
the table is derived anew. Rows are DuckDB SQL of the session. Options are described at change.Options.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.writes.change import Change, Options, Written
from lakehouse_platform.writes.committing import refuse, write, write_rows
from lakehouse_platform.writes.deletion import plan_delete
from lakehouse_platform.writes.merge import Merge, Upsert, forget_source, keep_source
from lakehouse_platform.writes.partitions import Partitions, parted, values_of, within
from lakehouse_platform.writes.source import rows_of
from lakehouse_platform.writes.upsert import plan_upsert


def append(session: Session, location: str, rows_sql: str, **options: Unpack[Options]) -> Written:
    """Add rows; the table is made where there is none. Without rows nothing is committed, unless there is a transaction to note."""
    rows = rows_of(session, rows_sql, options)

    def derive(target: Snapshot) -> Change:
        added = write_rows(session, target, rows, options)
        return Change(added, rows_added=sum(file.rows for file in added))

    return write(location, options, derive, rows)


def overwrite(session: Session, location: str, rows_sql: str, **options: Unpack[Options]) -> Written:
    """Put rows in the place of all that the table has; with `evolve`, their columns become the table's."""
    rows = rows_of(session, rows_sql, options)

    def derive(target: Snapshot) -> Change:
        columns = rows.fields if options.get("evolve") else target.columns
        added = write_rows(session, replace(target, columns=columns), rows, options)
        return Change(added, target.files, sum(file.rows for file in added), target.rows, columns, values_of(added, target.files))

    return write(location, options, derive, rows, is_anew=True)


def replace_partitions(session: Session, location: str, rows_sql: str, partitions: Partitions, **options: Unpack[Options]) -> Written:
    """Put rows in the place of all that some partitions have. A row of another partition is an error, and nothing is committed.

    `partitions` are values by partition column as the log spells them (None: null), each `{"day": "2024-01-31"}`; a column that is left out may
    have any value. Or they are a Spark SQL predicate over partition columns.
    """
    rows = rows_of(session, rows_sql, options)

    def derive(target: Snapshot) -> Change:
        is_within = within(session, target, partitions)
        added = write_rows(session, target, rows, options)
        _, strange = parted(added, is_within)
        if strange:
            values = ", ".join(f"{name} = {value}" for name, value in strange[0].partition_values.items())
            refuse(target, added, f"{sum(file.rows for file in strange)} rows are of partitions that are not to be replaced, some of {values}")
        removed, _ = parted(target.files, is_within)
        replaced = values_of(added, removed)
        if not isinstance(partitions, str) and all(len(each) == len(target.partition_columns) for each in partitions):
            replaced = list(partitions)
        return Change(added, removed, sum(file.rows for file in added), sum(file.rows or 0 for file in removed), within=replaced)

    return write(location, options, derive, rows)


def upsert(
    session: Session,
    location: str,
    rows_sql: str,
    key: tuple[str, ...] | list[str],
    *,
    update: bool = True,
    insert: bool = True,
    deleted: str | None = None,
    delete_missing: bool = False,
    **options: Unpack[Options],
) -> Written:
    """Give each key of the rows its row: updated where the table has the key, inserted where it has not.

    `update=False` only inserts, `insert=False` only updates. `deleted` names a BOOLEAN column of the rows that is not stored: where it is true, the
    key's row goes. With `delete_missing`, rows of the table whose key is not among the rows go, too. Keys that are null, or that two rows have,
    are an error that names them. The rows are read once, whatever they come from. Files in which no row would differ stay as they are.
    """
    rows = rows_of(session, rows_sql, options, without=[deleted] if deleted is not None else [])
    merge = Merge(tuple(key), update, insert, deleted, delete_missing)
    keep_source(session, rows, merge, location)
    try:
        with session.joins_as_written():
            return write(location, options, lambda target: plan_upsert(Upsert(session, target, rows, merge, options.get("unbounded", ()))), rows)
    finally:
        forget_source(session)


def delete(session: Session, location: str, where: str, **options: Unpack[Options]) -> Written:
    """Take away the rows for which a Spark SQL predicate is true. Files without such a row stay as they are."""
    return write(location, options, lambda target: plan_delete(session, target, where))

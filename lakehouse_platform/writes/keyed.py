"""Replaces the rows of some keys in a table: only files that hold a key whose rows really differ are rewritten. Not here: which keys, which rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse_platform.contracts.types import DOUBLE, STRING
from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.delta.prune import files_within
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan, snapshot_scan, written_as_files
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.problems import LakehouseError

# Keys that lie in clumps, as those of some days do, leave out what is between; so many intervals are found as fast as one. Beyond so many keys,
# hardly a file has none of them. NaN has no place between two doubles.
_INTERVALS, _MOST_KEYS = 1000, 1_000_000


@dataclass(frozen=True)
class KeyedRows:
    """The rows that some keys are to have. `touched` and `rows` are SQL: the keys (None: every key), and all of their rows as stored.

    Of the column `unique` no value may stand in two rows of the whole table. `uncounted` rows of the table are none of its business.
    """

    key: tuple[str, ...]
    touched: str | None
    rows: str
    unique: str | None = None
    uncounted: int = 0


@dataclass(frozen=True)
class Replaced:
    """Files to commit and files to take away for it, how many keys differ, and the files that were read to find out."""

    added: tuple[WrittenFile, ...]
    removed: tuple[DataFile, ...]
    keys: int
    read: tuple[DataFile, ...]


def replace_rows(session: Session, target: Snapshot, wanted: KeyedRows) -> Replaced:
    """Write the files of a commit that gives the keys their rows; nothing where every key has them already."""
    columns = ", ".join(quote(field.name) for field in target.columns)
    session.table("rows_wanted", f"SELECT {columns} FROM ({wanted.rows})")
    with session.joins_as_written():
        return _replaced(session, target, wanted, columns)


def _replaced(session: Session, target: Snapshot, wanted: KeyedRows, columns: str) -> Replaced:
    files = target.files
    if wanted.touched is not None:
        session.table("keys_touched", f"SELECT DISTINCT {names_of(wanted.key)} FROM ({wanted.touched})")
        files = files_with_keys(session, target, wanted.key, "keys_touched")
    stored = snapshot_scan(target, files, with_file=True)
    session.table("rows_known", f"SELECT * FROM ({stored})" if wanted.touched is None else having_keys(f"({stored})", wanted.key, "keys_touched"))
    sides = [f"SELECT {columns} FROM {name}" for name in ("rows_known", "rows_wanted")]
    differing = f"({sides[0]} EXCEPT ALL {sides[1]}) UNION ALL ({sides[1]} EXCEPT ALL {sides[0]})"
    session.table("keys_differing", f"SELECT DISTINCT {names_of(wanted.key)} FROM ({differing})")
    keys = int(session.row("SELECT count(*) FROM keys_differing")[0])
    if not keys:
        return Replaced((), (), 0, files)
    holding = {uri for (uri,) in session.rows(f"SELECT DISTINCT _file FROM ({having_keys('rows_known', wanted.key, 'keys_differing')})")}
    removed = tuple(file for file in files if file.uri in holding)
    kept = having_keys(f"({snapshot_scan(target, removed)})", wanted.key, "keys_differing", join="ANTI")
    rows = f"SELECT {columns} FROM ({kept}) UNION ALL SELECT {columns} FROM ({having_keys('rows_wanted', wanted.key, 'keys_differing')})"
    added = tuple(session.write(rows, target.location, target.partition_columns))
    if wanted.unique is not None:
        refuse_doubles(session, target, added, removed, wanted.unique)
    return Replaced(added, removed, keys, files)


def having_keys(relation: str, key: Sequence[str], keys: str, *, join: str = "SEMI") -> str:
    """SQL of the rows of a relation whose key is in another relation (`join` ANTI: is not); null equals null."""
    condition = " AND ".join(f"having_rows.{quote(name)} IS NOT DISTINCT FROM having_keys.{quote(name)}" for name in key)
    return f"SELECT * FROM {relation} AS having_rows {join} JOIN {keys} AS having_keys ON {condition}"


def files_with_keys(session: Session, snapshot: Snapshot, key: Sequence[str], keys: str) -> tuple[DataFile, ...]:
    """The files that may hold a key of the relation `keys`, by the log alone."""
    (count,) = session.row(f"SELECT count(*) FROM {keys}")
    files = snapshot.files if count else ()
    stored = {field.name: field for field in snapshot.columns}
    for name in key:
        if files and name in stored and not stored[name].type.is_nested:
            intervals = _intervals(session, name, keys, 1 if count > _MOST_KEYS or stored[name].type == DOUBLE else _INTERVALS)
            # Days beyond Python's years come as texts, which have no place among the bounds.
            is_placed = stored[name].type == STRING or not any(isinstance(bound, str) for interval in intervals for bound in interval)
            files = files_within(files, name, intervals, snapshot.columns) if intervals and is_placed else files
    return files


def _intervals(session: Session, column: str, keys: str, number: int) -> list[tuple[Any, Any]]:
    """At most so many closed intervals, in order and apart, in which all values of the column lie; none where one is null."""
    name = quote(column)
    (nulls,) = session.row(f"SELECT count(*) - count({name}) FROM {keys}")
    if nulls:
        return []
    part = "0" if number == 1 else f"ntile({number}) OVER (ORDER BY {name})"
    parts = f"SELECT {name}, {part} AS part FROM (SELECT DISTINCT {name} FROM {keys})"
    return session.rows(f"SELECT min({name}), max({name}) FROM ({parts}) GROUP BY part ORDER BY 1")


def refuse_doubles(session: Session, target: Snapshot, added: Collection[WrittenFile], removed: Collection[DataFile], column: str) -> None:
    """Raise LakehouseError where a value of the column would stand in two rows: the one check that needs the whole table, of a single column."""
    gone = {file.path for file in removed}
    files = [*(file for file in target.files if file.path not in gone), *written_as_files(target.location, added)]
    rows = scan(target.columns, target.partition_columns, files)
    doubles = session.rows(f"SELECT {quote(column)} FROM ({rows}) GROUP BY ALL HAVING count(*) > 1 ORDER BY 1 LIMIT 3")
    if doubles:
        values = ", ".join(str(value) for (value,) in doubles)
        raise LakehouseError(f"{target.location}: two different rows have the same {column}, {values}; nothing was committed")


def names_of(key: Sequence[str]) -> str:
    """SQL of a list of columns."""
    return ", ".join(quote(name) for name in key)

"""Replaces the rows of some keys in a table: only files that hold a key whose rows really differ are rewritten. Not here: which keys, which rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile, same_columns
from lakehouse_platform.delta.prune import files_that_may_hold
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan, snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.checked import counted_rules
from lakehouse_platform.medallion.planned import Planned, commit_planned
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.target import written_as_files
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import stored_fields


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


def commit_keyed(
    session: Session,
    table: Table,
    target: Snapshot,
    wanted: KeyedRows,
    *,
    record: CommitRecord,
    transactions: Mapping[str, int],
    read: Sequence[DataFile] = (),
) -> StepResult:
    """Give the keys their rows in one commit, with the cursors and the record; also when no row differs. Raises CommitConflict."""
    return commit_planned(plan_keyed(session, table, target, wanted, record=record, transactions=transactions, read=read))


def plan_keyed(
    session: Session,
    table: Table,
    target: Snapshot,
    wanted: KeyedRows,
    *,
    record: CommitRecord,
    transactions: Mapping[str, int],
    read: Sequence[DataFile] = (),
) -> Planned:
    """The commit that gives the keys their rows. `read` are the input files that the rows were derived from.

    The record's rows, partitions, changed keys and counts of rules are filled in here.
    """
    fields = stored_fields(table)
    has_other_columns = wanted.touched is None and not same_columns(fields, target.columns)
    replaced = _all_rows(session, table, target, wanted) if has_other_columns else replace_rows(session, target, wanted)
    planned = Planned(table, target, record, replaced.added, replaced.removed, transactions, (*read, *replaced.read), is_anew=has_other_columns)
    update = {
        "partitions": planned.partitions,
        "rows": planned.rows - wanted.uncounted,
        "rules": record.rules or counted_rules(session, table, "SELECT * FROM rows_wanted"),
        "notes": {**record.notes, "keys_changed": replaced.keys},
    }
    return replace(planned, record=record.model_copy(update=update))


def _all_rows(session: Session, table: Table, target: Snapshot, wanted: KeyedRows) -> Replaced:
    """Every row anew, in the contract's columns: files that have others cannot stay beside them."""
    columns = ", ".join(quote(field.name) for field in stored_fields(table))
    session.table("rows_wanted", f"SELECT {columns} FROM ({wanted.rows})")
    added = tuple(session.write("SELECT * FROM rows_wanted", target.location, target.partition_columns))
    if wanted.unique is not None:
        _refuse_doubles(session, replace(target, columns=stored_fields(table)), added, target.files, wanted.unique)
    keys = int(session.row(f"SELECT count(*) FROM (SELECT DISTINCT {_names(wanted.key)} FROM rows_wanted)")[0])
    return Replaced(added, target.files, keys, ())


def replace_rows(session: Session, target: Snapshot, wanted: KeyedRows) -> Replaced:
    """Write the files of a commit that gives the keys their rows; nothing where every key has them already."""
    columns = ", ".join(quote(field.name) for field in target.columns)
    session.table("rows_wanted", f"SELECT {columns} FROM ({wanted.rows})")
    files = target.files
    if wanted.touched is not None:
        session.table("keys_touched", f"SELECT DISTINCT {_names(wanted.key)} FROM ({wanted.touched})")
        files = files_with_keys(session, target, wanted.key, "keys_touched")
    stored = snapshot_scan(target, files, with_file=True)
    session.table("rows_known", f"SELECT * FROM ({stored})" if wanted.touched is None else having_keys(f"({stored})", wanted.key, "keys_touched"))
    sides = [f"SELECT {columns} FROM {name}" for name in ("rows_known", "rows_wanted")]
    differing = f"({sides[0]} EXCEPT ALL {sides[1]}) UNION ALL ({sides[1]} EXCEPT ALL {sides[0]})"
    session.table("keys_differing", f"SELECT DISTINCT {_names(wanted.key)} FROM ({differing})")
    keys = int(session.row("SELECT count(*) FROM keys_differing")[0])
    if not keys:
        return Replaced((), (), 0, files)
    holding = {uri for (uri,) in session.rows(f"SELECT DISTINCT _file FROM ({having_keys('rows_known', wanted.key, 'keys_differing')})")}
    removed = tuple(file for file in files if file.uri in holding)
    kept = having_keys(f"({snapshot_scan(target, removed)})", wanted.key, "keys_differing", join="ANTI")
    rows = f"SELECT {columns} FROM ({kept}) UNION ALL SELECT {columns} FROM ({having_keys('rows_wanted', wanted.key, 'keys_differing')})"
    added = tuple(session.write(rows, target.location, target.partition_columns))
    if wanted.unique is not None:
        _refuse_doubles(session, target, added, removed, wanted.unique)
    return Replaced(added, removed, keys, files)


def having_keys(relation: str, key: Sequence[str], keys: str, *, join: str = "SEMI") -> str:
    """SQL of the rows of a relation whose key is in another relation (`join` ANTI: is not); null equals null."""
    condition = " AND ".join(f"having_rows.{quote(name)} IS NOT DISTINCT FROM having_keys.{quote(name)}" for name in key)
    return f"SELECT * FROM {relation} AS having_rows {join} JOIN {keys} AS having_keys ON {condition}"


def files_with_keys(session: Session, snapshot: Snapshot, key: Sequence[str], keys: str) -> tuple[DataFile, ...]:
    """The files that may hold a key of the relation `keys`, by the log alone."""
    if not session.row(f"SELECT count(*) FROM {keys}")[0]:
        return ()
    stored = {field.name: field for field in snapshot.columns}
    bounds = {}
    for name in key:
        if name not in stored or stored[name].type.is_nested:
            continue
        low, high, nulls = session.row(f"SELECT min({quote(name)}), max({quote(name)}), count(*) - count({quote(name)}) FROM {keys}")
        if not nulls and low is not None:
            bounds[name] = (low, high)
    return files_that_may_hold(snapshot.files, bounds, snapshot.columns)


def _refuse_doubles(session: Session, target: Snapshot, added: Collection[WrittenFile], removed: Collection[DataFile], column: str) -> None:
    """The one check that needs the whole table: it reads a single column."""
    gone = {file.path for file in removed}
    files = [*(file for file in target.files if file.path not in gone), *written_as_files(target.location, added)]
    rows = scan(target.columns, target.partition_columns, files)
    doubles = session.rows(f"SELECT {quote(column)} FROM ({rows}) GROUP BY ALL HAVING count(*) > 1 ORDER BY 1 LIMIT 3")
    if doubles:
        values = ", ".join(str(value) for (value,) in doubles)
        raise LakehouseError(f"{target.location}: two different rows have the same {column}, {values}; nothing was committed")


def _names(key: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in key)

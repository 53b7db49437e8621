"""Plans the commit that gives some keys of a table their rows. Not here: which keys and rows, and how files are rewritten (writes/keyed.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lakehouse_platform.delta.files import DataFile, Snapshot, same_columns
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.checked import counted_rules
from lakehouse_platform.medallion.planned import Planned, commit_planned
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import stored_fields
from lakehouse_platform.writes.keyed import KeyedRows, Replaced, names_of, refuse_doubles, replace_rows


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
    rules = record.rules or counted_rules(session, table, "SELECT * FROM rows_wanted")
    return planned.filled(rows=planned.rows - wanted.uncounted, rules=rules, notes={**record.notes, "keys_changed": replaced.keys})


def _all_rows(session: Session, table: Table, target: Snapshot, wanted: KeyedRows) -> Replaced:
    """Every row anew, in the contract's columns: files that have others cannot stay beside them."""
    columns = ", ".join(quote(field.name) for field in stored_fields(table))
    session.table("rows_wanted", f"SELECT {columns} FROM ({wanted.rows})")
    added = tuple(session.write("SELECT * FROM rows_wanted", target.location, target.partition_columns))
    if wanted.unique is not None:
        refuse_doubles(session, replace(target, columns=stored_fields(table)), added, target.files, wanted.unique)
    keys = int(session.row(f"SELECT count(*) FROM (SELECT DISTINCT {names_of(wanted.key)} FROM rows_wanted)")[0])
    return Replaced(added, target.files, keys, ())

"""Judges a table as it was committed: its rules over many rows, and the rows of touched partitions by pandera. Not here: judging before a commit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse_platform.contracts.model import Reference
from lakehouse_platform.contracts.reading import KEY_RULE
from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.engine.transpile import failing_condition
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.quality.table_rules import measure
from lakehouse_platform.quality.validation import ROWS_AT_ONCE, validate
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.references import referenced_table

VALIDATION = "pandera"


@dataclass(frozen=True)
class Verdict:
    """How the committed table stands to one rule of its contract, or to all that pandera can judge."""

    rule: str
    passed: bool
    measured: Mapping[str, Any]


def verify(lakehouse: Lakehouse, table: Table, partitions: Collection[str] | None) -> Iterator[Verdict]:
    """Judge the partitions that were touched (None: the whole table); rules over a whole table see all of it, but for the key.

    A key that occurs in two partitions is kept out before the commit, so that looking for it need not cost the whole history each time.
    """
    snapshot = lakehouse.snapshot(table.name)
    if snapshot is None:
        return
    files = _files(snapshot, table.partition_column, partitions)
    with lakehouse.session() as session:
        session.view("touched", snapshot_scan(snapshot, files))
        session.view("whole", snapshot_scan(snapshot))
        if table.layer == "gold":
            yield from _row_verdicts(session, table)
        for rule in table.contract.table_rules:
            measured = measure(session, table.contract, rule, "touched" if rule.id == KEY_RULE else "whole")
            must = f"{rule.bound.operator} {' and '.join(f'{operand:g}' for operand in rule.bound.operands)}"
            yield Verdict(rule.id, measured.passed, {"measured": "nothing" if measured.value is None else measured.value, "must": must})
        for reference in table.contract.references:
            yield _reference_verdict(lakehouse, session, table, reference)
        yield _validation(session, table)


def _files(snapshot: Snapshot, column: str | None, partitions: Collection[str] | None) -> tuple[DataFile, ...]:
    if partitions is None or column is None:
        return snapshot.files
    return tuple(file for file in snapshot.files if file.partition_values.get(column) in partitions)


def _row_verdicts(session: Session, table: Table) -> Iterator[Verdict]:
    """Gold is made from rows that were judged: its row rules hold or the query is wrong, and nothing is turned away."""
    types = {column.name: column.type for column in table.contract.columns}
    for rule in table.contract.row_rules:
        count, rows = session.row(f"SELECT count(*) FILTER (WHERE {failing_condition(rule.failing, types)}), count(*) FROM touched")
        yield Verdict(rule.id, count == 0, {"failing_rows": count, "rows": rows})


def _reference_verdict(lakehouse: Lakehouse, session: Session, table: Table, reference: Reference) -> Verdict:
    """Rows that refer to what the other table, as it is now, does not have; all that refer to a table that is not there yet."""
    other = referenced_table(lakehouse.project.tables, table, reference)
    assert other is not None
    referring = " AND ".join(f"{quote(name)} IS NOT NULL" for name in reference.columns)
    missing = f"SELECT * FROM touched WHERE {referring}"
    snapshot = lakehouse.snapshot(other.name)
    if snapshot is not None:
        targets = ", ".join(quote(name) for name in reference.targets)
        pairs = zip(reference.columns, reference.targets, strict=True)
        equal = " AND ".join(f"referring.{quote(own)} = referred.{quote(target)}" for own, target in pairs)
        missing = f"SELECT * FROM ({missing}) AS referring ANTI JOIN (SELECT {targets} FROM ({snapshot_scan(snapshot)})) AS referred ON {equal}"
    names = ", ".join(quote(name) for name in reference.columns)
    rows, values = session.row(f"SELECT count(*), count(DISTINCT struct_pack({_packed(reference)})) FROM (SELECT {names} FROM ({missing}))")
    return Verdict(reference.id, rows == 0, {"failing_rows": rows, "missing_values": values, "refers_to": other.name})


def _packed(reference: Reference) -> str:
    return ", ".join(f"{quote(name)} := {quote(name)}" for name in reference.columns)


def _validation(session: Session, table: Table) -> Verdict:
    columns = ", ".join(quote(column.name) for column in table.contract.columns)
    found = validate(table.contract, session.arrow_reader(f"SELECT {columns} FROM touched", ROWS_AT_ONCE))
    failures = {f"failing_rows {column}_{check}": count for (column, check), count in found.failures.items()}
    return Verdict(VALIDATION, found.passed, {"rows": found.rows, "failing_rows": sum(found.failures.values()), **failures})

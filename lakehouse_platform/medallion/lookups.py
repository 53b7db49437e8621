"""The tables that a silver table looks up: which version a batch reads, what changed in it since, which records find nothing there.

Not here: the SQL of looking up (engine/row_lookups.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.row_lookups import Lookup
from lakehouse_platform.engine.scan import scan, snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.changes import InputChange, changed_rows, increment_of
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import contract_fields


def open_lookups(
    lakehouse: Lakehouse, session: Session, table: Table, lookups: Sequence[Lookup], opened: Sequence[InputChange] = ()
) -> dict[str, str]:
    """Views over the tables as `opened`, or as they are now, by the alias of each lookup. Raises LakehouseError where one has a key twice."""
    known = {change.input: change.upstream for change in opened}
    snapshots = {lookup.input: known[lookup.input] if lookup.input in known else lakehouse.snapshot(lookup.input) for lookup in lookups}
    return {lookup.alias: _view(lakehouse, session, table, lookup, snapshots[lookup.input]) for lookup in lookups}


def lookup_changes(lakehouse: Lakehouse, table: Table, target: Snapshot) -> list[InputChange]:
    """What changed in each table that is looked up since the last batch; a record of these versions is kept in the commit."""
    return [increment_of(lakehouse, target, name) for name in table.inputs[1:]]


def with_lookups(session: Session, table: Table, change: InputChange, lookups: Sequence[InputChange]) -> InputChange:
    """The change of bronze, or everything anew where the table asks for that when what it looks up has other rows than before."""
    if table.attributes.lookup_changes == "keep" or change.kind == "all" or change.upstream is None:
        return change
    changed = [each.input for each in lookups if each.kind == "all" or (each.kind == "files" and _has_other_rows(session, each))]
    if not changed:
        return change
    reason = f"{', '.join(changed)} changed, which it looks up"
    return replace(change, kind="all", added=change.upstream.files, removed=(), to_version=change.upstream.version, reason=reason)


def count_misses(session: Session, lookups: Sequence[Lookup], rows: str) -> dict[str, int]:
    """How many of these rows, with their lookups beside them, found nothing in each table."""
    if not lookups:
        return {}
    counts = ", ".join(f"count(*) FILTER (WHERE {quote(lookup.alias)} IS NULL)" for lookup in lookups)
    found = session.row(f"SELECT {counts} FROM ({rows}) WHERE _decode_failure IS NULL")
    return {lookup.input: int(count) for lookup, count in zip(lookups, found, strict=True)}


def _view(lakehouse: Lakehouse, session: Session, table: Table, lookup: Lookup, snapshot: Snapshot | None) -> str:
    name = f"looked_up_{table.inputs.index(lookup.input)}"
    columns = ", ".join(quote(column) for column in lookup.columns)
    empty = scan(contract_fields(lakehouse.project.tables[lookup.input]), (), ())
    session.view(name, f"SELECT {columns} FROM ({empty if snapshot is None else snapshot_scan(snapshot)})")
    keys = ", ".join(quote(key) for key in lookup.keys)
    doubled = session.rows(f"SELECT {keys} FROM {name} GROUP BY ALL HAVING count(*) > 1 LIMIT 1")
    if doubled:
        raise LakehouseError(f"{table.name}: {lookup.input} has several rows for {_told(lookup.keys, doubled[0])}; a record would become as many")
    return name


def _told(keys: Mapping[str, str], values: Sequence[object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(keys, values, strict=True))


def _has_other_rows(session: Session, change: InputChange) -> bool:
    assert change.upstream is not None
    columns = [field.name for field in change.upstream.columns if not field.name.startswith("_")]
    return bool(session.row(f"SELECT count(*) FROM (SELECT 1 FROM ({changed_rows(change, columns)}) LIMIT 1)")[0])

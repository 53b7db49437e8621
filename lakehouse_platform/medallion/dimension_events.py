"""How an input becomes a dimension's events: change events stay where silver keeps them, rows in sequence go to the dimension's own set.

Not here: the sets themselves (events.py), what follows from events (dimension.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse_platform.contracts.types import TIMESTAMP, ColumnType
from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.lineage import driving_expression
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.engine.transpile import to_duckdb, with_extra_outputs
from lakehouse_platform.medallion.changes import InputChange, came_rows, increment_of
from lakehouse_platform.medallion.checked import typed_rows
from lakehouse_platform.medallion.events import CHANGE_SEQUENCE, append_once, changes_name, event_set, sequence_fields
from lakehouse_platform.medallion.keys import files_with_keys, having_keys
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.versions import encoded
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import CHANGED, EVENT_HASH, OPERATION, POSITION, SILVER_FILLED, contract_fields, mapped_columns

_EVENT_COLUMNS = (OPERATION, CHANGED, POSITION, EVENT_HASH)


@dataclass(frozen=True)
class DimensionEvents:
    """All events of the keys that a change touches. `touched` (None: every key) and `rows` are SQL; `files` are those that hold the events."""

    change: InputChange
    touched: str | None
    rows: str
    sequence: tuple[str, ...]
    files: tuple[DataFile, ...]


def business_key(table: Table) -> tuple[str, ...]:
    """The columns that name the thing whose state or versions a dimension keeps."""
    return table.contract.key if table.refresh is Refresh.SCD1 else table.attributes.business_key


def open_events(lakehouse: Lakehouse, session: Session, table: Table, target: Snapshot) -> DimensionEvents | None:
    """The events of the keys that new input touches, taken into the set where that is the dimension's own; None without new input."""
    upstream = lakehouse.project.tables[table.inputs[0]]
    if upstream.refresh is Refresh.SCD1:
        return _from_changes(lakehouse, session, table, target, upstream)
    return _from_rows(lakehouse, session, table, target, upstream)


def _from_changes(lakehouse: Lakehouse, session: Session, table: Table, target: Snapshot, upstream: Table) -> DimensionEvents | None:
    change = increment_of(lakehouse, target, changes_name(upstream.name))
    if change.kind == "none" or change.upstream is None:
        return None
    key = upstream.contract.key
    files = change.upstream.files
    touched = None
    if change.kind == "files":
        session.table("input_keys", f"SELECT DISTINCT {_names(key)} FROM ({event_set(change.upstream, change.files)})")
        files = files_with_keys(session, change.upstream, key, "input_keys")
        session.table("input_events", having_keys(f"({event_set(change.upstream, files)})", key, "input_keys"))
    else:
        session.table("input_events", event_set(change.upstream))
    _refuse_truncation(session, upstream)
    session.table("events_now", _mapped_changes(table, upstream))
    if change.kind == "files":
        touched = f"SELECT {_names(business_key(table))} FROM events_now"
    return DimensionEvents(change, touched, "SELECT * FROM events_now", CHANGE_SEQUENCE, files)


def _mapped_changes(table: Table, upstream: Table) -> str:
    """SQL of the dimension's events from table `input_events`. A row that the query leaves out is gone for the dimension, as if deleted."""
    schema = _schema(upstream) | {field.name: field.type for field in _EVENT_COLUMNS}
    names = [field.name for field in _EVENT_COLUMNS]
    query = with_extra_outputs(table.query, {name: name for name in names})
    upserts = typed_rows(table, mapped_columns(table), to_duckdb(query, {upstream.name: "input_upserts"}, {upstream.name: schema}), names)
    key = _upstream_key(table, upstream)
    outputs = [f"{quote(key[column.name]) if column.name in key else 'NULL'} AS {quote(column.name)}" for column in mapped_columns(table)]
    gone = f"SELECT {', '.join(outputs)}, 'd' AS _operation, {', '.join(names[1:])} FROM input_events ANTI JOIN upserts USING (_event_hash)"
    return (
        f"WITH input_upserts AS (SELECT * FROM input_events WHERE _operation <> 'd'), upserts AS MATERIALIZED ({upserts}) "
        f"SELECT * FROM upserts UNION ALL {gone}"
    )


def _upstream_key(table: Table, upstream: Table) -> dict[str, str]:
    """The input's key column that each column of the business key is: a delete brings no other column for certain."""
    schema = {upstream.name: _schema(upstream)}
    found = {name: (driving_expression(table.query, name, schema) or "").strip("`") for name in business_key(table)}
    if set(found.values()) != set(upstream.contract.key):
        wanted = ", ".join(upstream.contract.key)
        mend = "select those columns and name them in business_key"
        raise LakehouseError(f"{table.name}: its business key is not the key of {upstream.name}, {wanted}; {mend}")
    return found


def _refuse_truncation(session: Session, upstream: Table) -> None:
    truncations = session.row("SELECT count(*) FROM input_events WHERE _operation = 't'")[0]
    if truncations:
        raise LakehouseError(f"{upstream.name}: {truncations} change events truncate the table, and no dimension follows that; nothing was committed")


def _from_rows(lakehouse: Lakehouse, session: Session, table: Table, target: Snapshot, upstream: Table) -> DimensionEvents | None:
    change = increment_of(lakehouse, target, upstream.name)
    if change.kind == "none" or change.upstream is None:
        return None
    columns = [field.name for field in contract_fields(upstream) if field.name not in SILVER_FILLED or field.name in table.query.text]
    session.view("input_rows", came_rows(change, [*columns, POSITION.name]))
    session.table("events_new", _mapped_rows(lakehouse, table, upstream))
    key = business_key(table)
    _refuse_nulls(session, table, key)
    changes = append_once(session, lakehouse, table, "events_new", key)
    touched, files, rows = None, changes.files, event_set(changes)
    if change.kind == "files":
        touched = f"SELECT {_names(key)} FROM events_new"
        files = files_with_keys(session, changes, key, "events_new")
        rows = having_keys(f"({event_set(changes, files)})", key, f"(SELECT DISTINCT {_names(key)} FROM events_new)")
    session.table("events_now", rows)
    sequence = (CHANGED.name, *(field.name for field in sequence_fields(lakehouse, table)))
    return DimensionEvents(change, touched, "SELECT * FROM events_now", sequence, files)


def _mapped_rows(lakehouse: Lakehouse, table: Table, upstream: Table) -> str:
    """SQL of the events that the rows of view `input_rows` are, each an upsert at the time of its first sequence column."""
    if not table.attributes.sequence_by:
        raise LakehouseError(f"{table.name}: rows of {upstream.name} say nothing of their order; name its columns in sequence_by")
    schema = _schema(upstream) | {POSITION.name: POSITION.type}
    first = table.attributes.sequence_by[0]
    further = {field.name: field.name.removeprefix("_sequence_") for field in sequence_fields(lakehouse, table)}
    query = with_extra_outputs(table.query, {**further, CHANGED.name: f"CAST({first} AS TIMESTAMP)", POSITION.name: POSITION.name})
    carried = [*further, CHANGED.name, POSITION.name]
    rows = typed_rows(table, mapped_columns(table), to_duckdb(query, {upstream.name: "input_rows"}, {upstream.name: schema}), carried)
    sequence_types = {field.name: field.type for field in sequence_fields(lakehouse, table)}
    types = {column.name: column.type for column in mapped_columns(table)} | sequence_types | {CHANGED.name: TIMESTAMP}
    place = "_source_position.source || ':' || CAST(_source_position.row AS VARCHAR)"
    return f"SELECT {_names([*types, POSITION.name])}, 'u' AS _operation, md5({encoded(list(types), types)} || {place}) AS _event_hash FROM ({rows})"


def _refuse_nulls(session: Session, table: Table, key: tuple[str, ...]) -> None:
    for name in (*key, CHANGED.name):
        nulls = session.row(f"SELECT count(*) FROM events_new WHERE {quote(name)} IS NULL")[0]
        if nulls:
            what = table.attributes.sequence_by[0] if name == CHANGED.name else name
            raise LakehouseError(f"{table.name}: {what} is null in {nulls} rows of {table.inputs[0]}; leave such rows out of the query")


def _schema(upstream: Table) -> dict[str, ColumnType]:
    return {field.name: field.type for field in contract_fields(upstream)}


def _names(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(quote(name) for name in names)

"""How an input becomes a dimension's events: change events as silver keeps them, or rows in sequence, each of which is an event.

Not here: the sets of change events (events.py), what follows from events (dimension.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.lineage import columns_read, driving_expression
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import duckdb_type, quote
from lakehouse_platform.engine.transpile import to_duckdb, with_extra_outputs
from lakehouse_platform.medallion.changes import InputChange, changed_rows, everything, increment_of
from lakehouse_platform.medallion.checked import typed_rows
from lakehouse_platform.medallion.events import CHANGE_SEQUENCE, changes_name, event_set
from lakehouse_platform.medallion.grain import affected_rows, files_of_keys, key_grain
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import CHANGED, EVENT_HASH, OPERATION, POSITION, contract_fields, mapped_columns
from lakehouse_platform.writes.keyed import files_with_keys, having_keys

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


def open_events(lakehouse: Lakehouse, session: Session, table: Table, target: Snapshot, *, anew: str | None = None) -> DimensionEvents | None:
    """The events of the keys that new input touches, or of every key where `anew` says why; None without new input, or without any."""
    upstream = lakehouse.project.tables[table.inputs[0]]
    from_changes = upstream.refresh is Refresh.SCD1
    change = increment_of(lakehouse, target, changes_name(upstream.name) if from_changes else upstream.name)
    if anew is not None:
        change = everything(change, anew)
    if change.kind == "none" or change.upstream is None:
        return None
    return _from_changes(session, table, upstream, change) if from_changes else _from_rows(session, table, upstream, change)


def _from_changes(session: Session, table: Table, upstream: Table, change: InputChange) -> DimensionEvents:
    assert change.upstream is not None
    key = upstream.contract.key
    files = change.upstream.files
    touched = None
    if change.kind == "files":
        session.table("input_keys", f"SELECT DISTINCT {_names(key)} FROM ({event_set(change.upstream, change.files)})")
        files = files_with_keys(session, change.upstream, key, "input_keys")
        session.table("input_events", having_keys(f"({event_set(change.upstream, files)})", key, "input_keys"))
    else:
        session.table("input_events", event_set(change.upstream))
    session.table("events_now", _mapped_changes(table, upstream))
    if change.kind == "files":
        # Not the keys of events that are there now: between two snapshots another one may come, and take the only events of a key away.
        key_columns = _upstream_key(table, upstream)
        outputs = ", ".join(
            f"CAST({quote(key_columns[name])} AS {duckdb_type(table.contract.column(name).type)}) AS {quote(name)}" for name in key_columns
        )
        touched = f"SELECT {outputs} FROM input_keys"
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


def _from_rows(session: Session, table: Table, upstream: Table, change: InputChange) -> DimensionEvents:
    """A row that is corrected upstream is a corrected event: of the rows that are gone only the touched keys are taken."""
    assert change.upstream is not None
    schema = _schema(upstream) | {POSITION.name: POSITION.type}
    grain = key_grain(table, business_key(table), {upstream.name: schema})
    if grain is None:
        mend = "compute it from one row, without aggregates"
        raise LakehouseError(f"{table.name}: its business key cannot be told from a row of {upstream.name}; {mend}")
    files, touched = change.upstream.files, None
    rows = f"SELECT {_names(list(schema))} FROM ({snapshot_scan(change.upstream)})"
    if change.kind == "files":
        read = columns_read(table.query, upstream.name, {upstream.name: schema}) | {*table.attributes.sequence_by, POSITION.name}
        known = " AND ".join(f"{quote(name)} IS NOT NULL" for name in grain.names)
        session.table("affected", f"SELECT DISTINCT * FROM (SELECT {grain.outputs} FROM ({changed_rows(change, read)})) WHERE {known}")
        touched = "SELECT * FROM affected"
        files = files_of_keys(session, grain, change.upstream)
        rows = affected_rows(grain, list(schema), snapshot_scan(change.upstream, files))
    session.view("input_rows", rows)
    session.table("events_now", _mapped_rows(table, upstream, schema))
    _refuse_nulls(session, table)
    return DimensionEvents(change, touched, "SELECT * FROM events_now", _sequence(table), files)


def _sequence(table: Table) -> tuple[str, ...]:
    """The first of the sequence's columns is the time of the event."""
    return (CHANGED.name, *(f"_sequence_{name}" for name in table.attributes.sequence_by[1:]))


def _mapped_rows(table: Table, upstream: Table, schema: Mapping[str, ColumnType]) -> str:
    """SQL of the events that the rows of view `input_rows` are, each an upsert at the time of its first sequence column."""
    if not table.attributes.sequence_by:
        raise LakehouseError(f"{table.name}: rows of {upstream.name} say nothing of their order; name its columns in sequence_by")
    first, *further = table.attributes.sequence_by
    extra = {CHANGED.name: f"CAST({first} AS TIMESTAMP)", POSITION.name: POSITION.name} | {f"_sequence_{name}": name for name in further}
    rows = to_duckdb(with_extra_outputs(table.query, extra), {upstream.name: "input_rows"}, {upstream.name: schema})
    return f"SELECT *, 'u' AS _operation FROM ({typed_rows(table, mapped_columns(table), rows, list(extra))})"


def _refuse_nulls(session: Session, table: Table) -> None:
    for name in (*business_key(table), *_sequence(table)):
        nulls = session.row(f"SELECT count(*) FROM events_now WHERE {quote(name)} IS NULL")[0]
        if nulls:
            what = table.attributes.sequence_by[0] if name == CHANGED.name else name.removeprefix("_sequence_")
            raise LakehouseError(f"{table.name}: {what} is null in {nulls} rows of {table.inputs[0]}; leave such rows out of the query")


def _schema(upstream: Table) -> dict[str, ColumnType]:
    return {field.name: field.type for field in contract_fields(upstream)}


def _names(names: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in names)

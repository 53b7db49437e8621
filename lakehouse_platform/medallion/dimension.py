"""Refreshes a dimension, which is a function of its set of events: the versions of the touched keys are computed anew (PROTOCOLS 6).

Not here: the SQL of versions (versions.py), how an input becomes events (dimension_events.py).
"""

from __future__ import annotations

from dataclasses import replace

from lakehouse_platform.contracts.types import BIGINT
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import duckdb_type, quote
from lakehouse_platform.medallion.changes import batch_identity
from lakehouse_platform.medallion.checked import ruled_rows
from lakehouse_platform.medallion.difference import DIFFERENCE, difference
from lakehouse_platform.medallion.dimension_events import DimensionEvents, business_key, open_events
from lakehouse_platform.medallion.events import current_rows
from lakehouse_platform.medallion.keys import plan_keyed
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.planned import Planned, commit_planned
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.stale import ASKED, CODE_CHANGED, is_stale
from lakehouse_platform.medallion.target import ensure_table
from lakehouse_platform.medallion.versions import Versioning, versions
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import mapped_columns, stored_fields, unbounded_columns
from lakehouse_platform.writes.keyed import KeyedRows

UNKNOWN_KEY = -1


def refresh(lakehouse: Lakehouse, table_name: str, *, run_id: str) -> StepResult:
    """Bring a dimension up to its input. Nothing is committed where the input has nothing new."""
    table = lakehouse.project.tables[table_name]
    with lakehouse.session() as session:
        return with_retries(lambda: _increment(lakehouse, session, table, run_id), lakehouse.settings.commit_tries)


def plan_rebuild(lakehouse: Lakehouse, session: Session, table: Table, run_id: str) -> Planned:
    """The commit that computes all of a dimension from its events as they are now, with what it changes as a note."""
    target = ensure_table(lakehouse, table)
    why = CODE_CHANGED if is_stale(lakehouse, table) else ASKED
    events = open_events(lakehouse, session, table, target, anew=why)
    if events is None:
        raise LakehouseError(f"{table.inputs[0]} does not exist yet, so there is nothing to compute {table.name} from")
    planned = _plan(lakehouse, session, table, target, events, run_id=run_id)
    notes = {**planned.record.notes, DIFFERENCE: difference(session, table, target, "SELECT * FROM rows_wanted")}
    return replace(planned, record=planned.record.model_copy(update={"notes": notes}))


def _increment(lakehouse: Lakehouse, session: Session, table: Table, run_id: str) -> StepResult:
    target = ensure_table(lakehouse, table)
    # Versions that two queries made would not fit together: whatever little came, all are computed anew.
    events = open_events(lakehouse, session, table, target, anew=CODE_CHANGED if is_stale(lakehouse, table) else None)
    if events is None:
        return StepResult(table.name, target.version)
    return commit_planned(_plan(lakehouse, session, table, target, events, run_id=run_id))


def _plan(lakehouse: Lakehouse, session: Session, table: Table, target: Snapshot, events: DimensionEvents, *, run_id: str) -> Planned:
    change = events.change
    record = CommitRecord(
        table=table.name,
        step="rebuild" if change.reason else "increment",
        run_id=run_id,
        batch_id=batch_identity(table, [change]),
        code_version=table.code_version,
        inputs={change.input: (change.from_version, change.to_version)},
        rebuilt=change.reason,
    )
    wanted = _versioned(lakehouse, table, events) if table.refresh is Refresh.SCD2 else _latest(table, events)
    cursors = {change.cursor_id: change.to_version}
    return plan_keyed(session, table, target, wanted, record=record, transactions=cursors, read=(*change.files, *events.files))


def _latest(table: Table, events: DimensionEvents) -> KeyedRows:
    names = [column.name for column in mapped_columns(table)]
    rows = current_rows(events.rows, table.contract.key, events.sequence)
    return KeyedRows(table.contract.key, events.touched, ruled_rows(table, rows, names))


def _versioned(lakehouse: Lakehouse, table: Table, events: DimensionEvents) -> KeyedRows:
    names = [field.name for field in stored_fields(table)]
    surrogate = f"{table.entity}_key"
    filled = {surrogate: "_surrogate", "effective_date": "_start", "end_date": "_end", "is_current": "_end IS NULL"}
    outputs = ", ".join(f"{filled.get(name, quote(name))} AS {quote(name)}" for name in names)
    rows = ruled_rows(table, f"SELECT {outputs} FROM ({versions(events.rows, _versioning(lakehouse, table, events))})", names)
    has_unknown = table.attributes.unknown_row
    if has_unknown and events.touched is None:
        rows = f"{rows} UNION ALL {_unknown_row(table)}"
    return KeyedRows(business_key(table), events.touched, rows, unique=surrogate, uncounted=int(has_unknown))


def _versioning(lakehouse: Lakehouse, table: Table, events: DimensionEvents) -> Versioning:
    key = business_key(table)
    columns = {column.name: column.type for column in mapped_columns(table)}
    tracked = table.attributes.track or tuple(name for name in columns if name not in key)
    is_classified = not set(unbounded_columns(table)).isdisjoint(tracked)
    salt = lakehouse.settings.key_salt if is_classified else ""
    return Versioning(key, tracked, columns, table.contract.column("effective_date").type, events.sequence, salt)


def _unknown_row(table: Table) -> str:
    """SQL of the row for facts without a version: it holds since ever and says nothing."""
    time = duckdb_type(table.contract.column("effective_date").type)
    values = {
        f"{table.entity}_key": f"CAST({UNKNOWN_KEY} AS {duckdb_type(BIGINT)})",
        "effective_date": f"CAST('0001-01-01' AS {time})",
        "is_current": "TRUE",
    }
    outputs = (f"{values.get(field.name, f'CAST(NULL AS {duckdb_type(field.type)})')} AS {quote(field.name)}" for field in stored_fields(table))
    return f"SELECT {', '.join(outputs)}"

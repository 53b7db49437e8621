"""Judges rows in quarantine anew, by the present contract and query, and takes those that are valid now into the table, each once (PROTOCOLS 1.5).

Quarantine notes first which rows the replay takes; the table's commit decides. Rows that still fail stay, with their new reasons.
Not here: how rows are claimed (quality/quarantine.py), what is committed of the table (replay_plans.py).
"""

from __future__ import annotations

import hashlib

from lakehouse_platform.contracts.types import BOOLEAN
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import QueryError, Session
from lakehouse_platform.engine.transpile import expression_term
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.changes import InputChange, read_so_far
from lakehouse_platform.medallion.events import opened_changes
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.lookups import lookup_changes
from lakehouse_platform.medallion.planned import commit_planned
from lakehouse_platform.medallion.replay_plans import plan_events, plan_rows
from lakehouse_platform.medallion.replayed_events import append_replayed, finish_events, records_at
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver_batch import SilverRun, open_batch
from lakehouse_platform.medallion.target import ensure_table, refuse_other_columns
from lakehouse_platform.problems import LakehouseError, ProjectError
from lakehouse_platform.quality.quarantine import COLUMNS, claim, open_quarantine, quarantine_name, quarantined_rows, visible_rows
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table


def replay(lakehouse: Lakehouse, table_name: str, where: str | None = None, *, run_id: str) -> StepResult:
    """Replay the rows that a table has turned away, or those of them for which a Spark SQL predicate over quarantine's columns holds.

    The record's notes count the rows that were `replayed` and, in `records_gone`, those that stay as they are because bronze has lost their record.
    """
    table = lakehouse.project.tables[table_name]
    if table.layer != "silver":
        raise LakehouseError(f"{table_name} turns no rows away; silver tables do")
    if lakehouse.project.sources[table.inputs[0]].attributes.has_snapshots:
        # A row of a snapshot says something of its key only beside the other rows of it, and of the snapshots around it.
        raise LakehouseError(f"{table_name} is made from whole snapshots, of which no row counts alone; run `lakehouse rebuild {table_name}`")
    condition = _condition(where)
    with lakehouse.session() as session:
        finish_events(lakehouse, session, table, run_id)
        books.seal(lakehouse, session, table_name)
        result = with_retries(lambda: _attempt(lakehouse, session, table, run_id, condition), lakehouse.settings.commit_tries)
        books.seal(lakehouse, session, table_name)
    return result


def _attempt(lakehouse: Lakehouse, session: Session, table: Table, run_id: str, condition: str) -> StepResult:
    quarantine = open_quarantine(lakehouse.location(quarantine_name(table.name)))
    changes = opened_changes(lakehouse, table)
    target = ensure_table(lakehouse, table)
    change = _read_so_far(lakehouse, table, target)
    batch_id = _identity(table, quarantine, target, condition)
    lookups = tuple(lookup_changes(lakehouse, table, target))
    run = SilverRun(lakehouse, session, table, run_id, quarantine, target, change, lookups, batch_id, changes=changes)
    batch = open_batch(lakehouse, session, table, lookups)
    has_events = table.refresh is Refresh.SCD1
    gone = _choose(run, condition)
    if not session.row("SELECT count(*) FROM chosen")[0]:
        lost = f"; bronze has lost the records of {gone}" if gone else ""
        return StepResult(table.name, target.version, passed_over=f"no row in quarantine is to be replayed{lost}")
    refuse_other_columns(table, target)
    planned, turned_away = (plan_events if has_events else plan_rows)(run, batch, records_gone=gone)
    claim(session, quarantine, batch_id, "chosen", quarantined_rows(turned_away, run_id, batch_id, batch.now))
    result = commit_planned(planned)
    if has_events:
        append_replayed(run)
    return result


def _condition(where: str | None) -> str:
    if where is None:
        return "TRUE"
    columns = ", ".join(field.name for field in COLUMNS)
    try:
        term = expression_term(where, {field.name: field.type for field in COLUMNS})
    except ProjectError as error:
        raise LakehouseError(f"where: {error.problems[0].message}; the columns are {columns}") from error
    if term.type != BOOLEAN:
        raise LakehouseError(f"where: {where!r} is no condition; the columns are {columns}")
    return term.sql


def _read_so_far(lakehouse: Lakehouse, table: Table, target: Snapshot) -> InputChange:
    """Bronze up to the table's cursor, which the replay does not move."""
    source = table.inputs[0]
    read = read_so_far(lakehouse, target, source)
    if read is None:
        raise LakehouseError(f"{table.name} has not read {source} as it is; run `lakehouse materialize {table.name}` first")
    return InputChange("none", source, read, read.version, read.version)


def _choose(run: SilverRun, condition: str) -> int:
    """Leave the rows to replay in table `chosen` and their records in `bronze_rows`; gives how many have no record any more."""
    session, upstream = run.session, run.change.upstream
    assert upstream is not None
    visible = visible_rows(run.quarantine, books.committed_batches(run.lakehouse, session, run.table.name), with_file=True)
    try:
        session.table("wanted", f"SELECT * FROM ({visible}) WHERE coalesce(({condition}), FALSE)")
    except QueryError as error:
        raise LakehouseError(f"where fails on a row in quarantine: {error}") from error
    session.table("bronze_rows", records_at(session, upstream, "wanted"))
    session.table("chosen", "SELECT * FROM wanted SEMI JOIN bronze_rows USING (source_file, source_row)")
    wanted, chosen = session.row("SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM chosen)")
    return int(wanted - chosen)


def _identity(table: Table, quarantine: Snapshot, target: Snapshot, condition: str) -> str:
    """The versions go in: a replay that comes after any other commit is another one.

    That of the quarantine too: a killed one has claimed rows for which a condition that asks for claims, or the time, need not hold again.
    """
    versions = (quarantine.table_id, str(quarantine.version), target.table_id, str(target.version))
    parts = (table.name, "replay", *versions, table.code_version, condition)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

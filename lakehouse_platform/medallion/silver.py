"""Refreshes a silver table from its bronze table: what is new is judged and written, then quarantined, then committed (PROTOCOLS 1).

Not here: judging and writing a batch (silver_write.py), change events (silver_changes.py), full snapshots (silver_snapshots.py), the recompute of
single partitions (silver_backfill.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.blocks import BatchBlocked, close_settled, is_settled, waiting
from lakehouse_platform.medallion.changes import InputChange, increment_of, told_apart
from lakehouse_platform.medallion.events import opened_changes
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.lookups import count_misses, lookup_changes, with_lookups
from lakehouse_platform.medallion.planned import Planned, commit_planned
from lakehouse_platform.medallion.record import CommitRecord, Ruling
from lakehouse_platform.medallion.replayed_events import finish_events
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver_backfill import recompute
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun, open_batch
from lakehouse_platform.medallion.silver_changes import refresh_changes
from lakehouse_platform.medallion.silver_gate import identity, let_through, ruled
from lakehouse_platform.medallion.silver_snapshots import refresh_snapshots
from lakehouse_platform.medallion.silver_write import TURNED_AWAY, Counted, write_batch
from lakehouse_platform.medallion.stale import is_stale
from lakehouse_platform.medallion.target import ensure_table, refuse_other_columns
from lakehouse_platform.quality.gate import Verdict
from lakehouse_platform.quality.quarantine import open_quarantine, quarantine_name, quarantined_rows, replace_batch
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table


def refresh(lakehouse: Lakehouse, table_name: str, *, run_id: str, partitions: Collection[str] | None = None) -> StepResult:
    """Bring a silver table up to its bronze table, or recompute some of its partitions without moving its cursor."""
    table = lakehouse.project.tables[table_name]
    with lakehouse.session() as session:
        _derive(lakehouse, session, table_name, run_id)
        if partitions is not None:
            result = with_retries(lambda: recompute(lakehouse, session, table, run_id, partitions), lakehouse.settings.commit_tries)
        else:
            result = _increments(lakehouse, session, table, run_id)
        _derive(lakehouse, session, table_name, run_id)
    return result


def settle(lakehouse: Lakehouse, table_name: str, ruling: Ruling, *, run_id: str) -> StepResult:
    """Commit a blocked batch as a person rules: with its valid rows, or with none of them. Raises LakehouseError where it does not wait for that.

    Once it is settled so, it may be asked again: nothing is committed.
    """
    table = lakehouse.project.tables[table_name]
    with lakehouse.session() as session:
        _derive(lakehouse, session, table_name, run_id)
        if is_settled(lakehouse, session, table_name, ruling):
            return StepResult(table_name, ensure_table(lakehouse, table).version)
        result, _ = with_retries(lambda: _increment(lakehouse, session, table, run_id, ruling), lakehouse.settings.commit_tries)
        _derive(lakehouse, session, table_name, run_id)
    return result


def _derive(lakehouse: Lakehouse, session: Session, table_name: str, run_id: str) -> None:
    """Make books, decisions and events what the table's own commits say; a run that was killed may have left that to this one."""
    finish_events(lakehouse, session, lakehouse.project.tables[table_name], run_id)
    books.seal(lakehouse, session, table_name)
    close_settled(lakehouse, session, table_name)


def _increments(lakehouse: Lakehouse, session: Session, table: Table, run_id: str) -> StepResult:
    """Increments until nothing is left that one of them put off; the result is the last commit's."""
    tries = lakehouse.settings.commit_tries
    result, is_more = with_retries(lambda: _increment(lakehouse, session, table, run_id), tries)
    while is_more:
        further, is_more = with_retries(lambda: _increment(lakehouse, session, table, run_id), tries)
        result = further if further.record is not None else result
    return result


def _increment(lakehouse: Lakehouse, session: Session, table: Table, run_id: str, ruling: Ruling | None = None) -> tuple[StepResult, bool]:
    """Take in what is new, or the blocked batch alone; also whether this put something off: what came after the batch, or a rebuild for lookups."""
    quarantine = open_quarantine(lakehouse.location(quarantine_name(table.name)))
    changes = opened_changes(lakehouse, table)
    target = ensure_table(lakehouse, table)
    block = waiting(lakehouse, session, table.name, target)
    lookups = tuple(lookup_changes(lakehouse, table, target))
    plain = _additions_only(increment_of(lakehouse, target, table.inputs[0], block.decision.to_version if block is not None else None))
    if lakehouse.project.sources[table.inputs[0]].attributes.has_snapshots:
        plain = told_apart(lakehouse, plain)
    change = with_lookups(session, table, plain, lookups)
    # A rebuild is not judged, so new rows pass the gate before it; the lookups' cursors stay, and the next increment finds the rebuild again.
    is_put_off = change is not plain and plain.kind != "none" and table.attributes.gate_limits is not None
    if is_put_off:
        change = plain
    if change.kind == "none" and ruling is None:
        return StepResult(table.name, target.version), False
    if change.kind != "all":
        refuse_other_columns(table, target)
    batch = open_batch(lakehouse, session, table, lookups)
    batch_id = identity(batch, [change, *lookups])
    if ruling is not None:
        batch = ruled(batch, batch_id, block, ruling)
        batch_id = ruling.committed_id
    elif block is not None and block.decision.batch_id == batch_id:
        raise BatchBlocked(block)
    run = SilverRun(lakehouse, session, table, run_id, quarantine, target, change, () if is_put_off else lookups, batch_id, ruling, changes)
    return _take(run, batch), is_put_off or block is not None


def _take(run: SilverRun, batch: SilverBatch) -> StepResult:
    session, table, change, target = run.session, run.table, run.change, run.target
    assert change.upstream is not None
    session.view("bronze_rows", scan(change.upstream.columns, change.upstream.partition_columns, change.added))
    if batch.source.attributes.has_snapshots:
        return refresh_snapshots(run, batch)
    if table.refresh is Refresh.SCD1:
        return refresh_changes(run, batch)
    counted = write_batch(run, batch, live=() if change.kind == "all" else target.files, read=sum(file.rows or 0 for file in change.added))
    verdict = let_through(run, batch, counted.accounts, TURNED_AWAY)
    replace_batch(session, run.quarantine, run.batch_id, quarantined_rows(TURNED_AWAY, run.run_id, run.batch_id, batch.now))
    return _commit(run, counted, count_misses(session, batch.query.lookups, batch.lookup_rows("bronze_rows")), verdict)


def _additions_only(change: InputChange) -> InputChange:
    """The change, or everything anew where records went from bronze (`on_change: replace`): what they once displaced is not known any more."""
    if not change.removed or change.upstream is None:
        return change
    reason = f"records of {change.input} were replaced"
    return replace(change, kind="all", added=change.upstream.files, removed=(), reason=reason)


def _commit(run: SilverRun, counted: Counted, misses: Mapping[str, int], verdict: Verdict | None) -> StepResult:
    change, table = run.change, run.table
    accounts, removed = counted.accounts, counted.removed
    opened = [change, *(lookup for lookup in run.lookups if lookup.upstream is not None)]
    if change.kind == "all":
        removed = run.target.files
        # A rebuild starts again from nothing: only what differs from the books is booked, so that their sum stays the table's state.
        accounts = accounts - books.total(books.entries(run.lakehouse, run.session, table.name))
    record = CommitRecord(
        table=table.name,
        step="rebuild" if change.reason else "increment",
        run_id=run.run_id,
        batch_id=run.batch_id,
        code_version=table.code_version,
        has_older_code=change.kind != "all" and is_stale(run.lakehouse, table),
        inputs={each.input: (each.from_version, each.to_version) for each in opened},
        accounts=accounts,
        pass_rate=counted.accounts.pass_rate,
        rules=counted.rules,
        rebuilt=change.reason,
        gate=verdict,
        ruling=run.ruling,
        notes={"lookup_misses": dict(misses)} if misses else {},
    )
    cursors = {each.cursor_id: each.to_version for each in opened}
    return commit_planned(Planned(table, run.target, record, counted.added, removed, cursors, change.added, is_anew=change.kind == "all").filled())

"""Refreshes a silver table from its bronze table: what is new is judged and written, then quarantined, then committed (PROTOCOLS 1).

Not here: judging and writing a batch (silver_write.py), change events (silver_changes.py), the recompute of single partitions (silver_backfill.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.changes import InputChange, batch_identity, increment_of
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.lookups import count_misses, lookup_changes, with_lookups
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver_backfill import recompute
from lakehouse_platform.medallion.silver_batch import SilverRun, open_batch
from lakehouse_platform.medallion.silver_changes import refresh_changes
from lakehouse_platform.medallion.silver_write import TURNED_AWAY, Counted, write_batch
from lakehouse_platform.medallion.target import ensure_table, partition_rows
from lakehouse_platform.quality.quarantine import open_quarantine, quarantine_name, quarantined_rows, replace_batch
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import unbounded_columns


def refresh(lakehouse: Lakehouse, table_name: str, *, run_id: str, partitions: Collection[str] | None = None) -> StepResult:
    """Bring a silver table up to its bronze table, or recompute some of its partitions without moving its cursor."""
    table = lakehouse.project.tables[table_name]
    with lakehouse.session() as session:
        books.seal(lakehouse, session, table_name)
        if partitions is not None:
            result = with_retries(lambda: recompute(lakehouse, session, table, run_id, partitions), lakehouse.settings.commit_tries)
        else:
            result = with_retries(lambda: _increment(lakehouse, session, table, run_id), lakehouse.settings.commit_tries)
        books.seal(lakehouse, session, table_name)
    return result


def _increment(lakehouse: Lakehouse, session: Session, table: Table, run_id: str) -> StepResult:
    quarantine = open_quarantine(lakehouse.location(quarantine_name(table.name)))
    target = ensure_table(lakehouse, table)
    lookups = tuple(lookup_changes(lakehouse, table, target))
    change = with_lookups(session, table, _additions_only(increment_of(lakehouse, target, table.inputs[0])), lookups)
    if change.kind == "none":
        return StepResult(table.name, target.version)
    run = SilverRun(lakehouse, session, table, run_id, quarantine, target, change, lookups)
    batch = open_batch(lakehouse, session, table, lookups)
    assert change.upstream is not None
    session.view("bronze_rows", scan(change.upstream.columns, change.upstream.partition_columns, change.added))
    if table.refresh is Refresh.SCD1:
        return refresh_changes(run, batch)
    batch_id = batch_identity(table, [change, *lookups])
    counted = write_batch(run, batch, live=() if change.kind == "all" else target.files, read=sum(file.rows or 0 for file in change.added))
    replace_batch(session, quarantine, batch_id, quarantined_rows(TURNED_AWAY, run_id, batch_id, batch.now))
    return _commit(run, batch_id, counted, count_misses(session, batch.query.lookups, batch.lookup_rows("bronze_rows")))


def _additions_only(change: InputChange) -> InputChange:
    """The change, or everything anew where records went from bronze (`on_change: replace`): what they once displaced is not known any more."""
    if not change.removed or change.upstream is None:
        return change
    reason = f"records of {change.input} were replaced"
    return replace(change, kind="all", added=change.upstream.files, removed=(), reason=reason)


def _commit(run: SilverRun, batch_id: str, counted: Counted, misses: Mapping[str, int]) -> StepResult:
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
        batch_id=batch_id,
        code_version=table.code_version,
        inputs={each.input: (each.from_version, each.to_version) for each in opened},
        accounts=accounts,
        pass_rate=counted.accounts.pass_rate,
        partitions=partition_rows(table, run.target, counted.added, removed),
        rows=run.target.rows - sum(file.rows or 0 for file in removed) + sum(file.rows for file in counted.added),
        rules=counted.rules,
        rebuilt=change.reason,
        notes={"lookup_misses": dict(misses)} if misses else {},
    )
    version = commit(
        run.target,
        added=counted.added,
        removed=removed,
        transactions={each.cursor_id: each.to_version for each in opened},
        metadata=record.as_metadata(),
        unbounded=unbounded_columns(table),
    )
    return StepResult(table.name, version, record, files_read=len(change.added), rows_read=counted.accounts.read)

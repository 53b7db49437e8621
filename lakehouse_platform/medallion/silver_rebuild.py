"""Computes all of a silver table anew from what its cursor has passed in bronze, beside the live one; the cursor stays.

The books get the difference, so that their sum stays the table's state; its quarantine is from then on the rebuild's own batch (PROTOCOLS 1).
Not here: gold and dimensions (gold.py, dimension.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import Snapshot, same_columns
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.changes import InputChange, read_so_far
from lakehouse_platform.medallion.contested import with_partition
from lakehouse_platform.medallion.difference import DIFFERENCE, difference
from lakehouse_platform.medallion.events import current_rows, event_fields, event_hash, opened_changes, rebuild_id
from lakehouse_platform.medallion.keys import plan_keyed
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.lookups import count_misses, lookup_changes
from lakehouse_platform.medallion.planned import Planned, commit_planned, discard
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun, open_batch
from lakehouse_platform.medallion.silver_changes import FRESH_EVENTS, JUDGED, collect_events, count_events, rule_counts
from lakehouse_platform.medallion.silver_write import TURNED_AWAY, write_batch
from lakehouse_platform.medallion.snapshot_files import moments_in, to_compute
from lakehouse_platform.medallion.snapshot_states import go_through, known_rules
from lakehouse_platform.medallion.stale import ASKED, CODE_CHANGED, is_stale
from lakehouse_platform.medallion.target import ensure_table, written_rows
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.quarantine import open_quarantine, quarantine_name, quarantined_rows, replace_batch
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import SILVER_FILLED, stored_fields, unbounded_columns
from lakehouse_platform.writes.keyed import KeyedRows


@dataclass(frozen=True)
class SilverRebuild:
    """A rebuild that is ready to be committed.

    `turned_away` is SQL of the rows for the quarantine; `events`, where the table has a set of them, SQL of all that it is to hold.
    """

    run: SilverRun
    batch: SilverBatch
    planned: Planned
    turned_away: str
    events: str | None = None


def plan_rebuild(lakehouse: Lakehouse, session: Session, table: Table, run_id: str) -> SilverRebuild:
    """Judge and settle all that the table has read of bronze, as it is looked up and decided now. Raises LakehouseError where it has read nothing."""
    quarantine = open_quarantine(lakehouse.location(quarantine_name(table.name)))
    changes = opened_changes(lakehouse, table)
    target = ensure_table(lakehouse, table)
    change = _all_read(lakehouse, table, target)
    lookups = tuple(lookup_changes(lakehouse, table, target))
    batch = open_batch(lakehouse, session, table, lookups)
    batch_id = _identity(table, target, change, lookups)
    run = SilverRun(lakehouse, session, table, run_id, quarantine, target, change, lookups, batch_id, changes=changes)
    assert change.upstream is not None
    session.view("bronze_rows", snapshot_scan(change.upstream))
    if batch.source.attributes.has_snapshots:
        return _of_snapshots(run, batch)
    if table.refresh is Refresh.SCD1:
        return _of_events(run, batch)
    return _of_rows(run, batch)


def commit_rebuild(rebuild: SilverRebuild) -> StepResult:
    """Quarantine, then the set of events, then the table, which decides. Raises CommitConflict."""
    run = rebuild.run
    replace_batch(run.session, run.quarantine, run.batch_id, quarantined_rows(rebuild.turned_away, run.run_id, run.batch_id, rebuild.batch.now))
    if rebuild.events is not None:
        _replace_events(run, rebuild.events)
    return commit_planned(rebuild.planned)


def rebuild_events(lakehouse: Lakehouse, session: Session, table: Table, run_id: str) -> None:
    """Make the set of events what a rebuild of the table makes it, and leave the table as it is. Raises CommitConflict."""
    rebuilt = plan_rebuild(lakehouse, session, table, run_id)
    discard(rebuilt.planned)
    if rebuilt.events is not None:
        _replace_events(rebuilt.run, rebuilt.events)


def _all_read(lakehouse: Lakehouse, table: Table, target: Snapshot) -> InputChange:
    """All of bronze up to the cursor. What came after it is the next increment's, and judged by the gate there."""
    source = table.inputs[0]
    read = read_so_far(lakehouse, target, source)
    if read is None:
        raise LakehouseError(f"{table.name} has not read {source} as it is; run `lakehouse materialize {table.name}` first, which computes it whole")
    why = CODE_CHANGED if is_stale(lakehouse, table) else ASKED
    return InputChange("all", source, read, read.version, read.version, read.files, reason=why)


def _of_rows(run: SilverRun, batch: SilverBatch) -> SilverRebuild:
    session, table, target = run.session, run.table, run.target
    assert run.change.upstream is not None
    counted = write_batch(run, batch, live=(), read=run.change.upstream.rows)
    misses = count_misses(session, batch.query.lookups, batch.lookup_rows("bronze_rows"))
    record, read = _record(run, counted.accounts, counted.rules), run.change.upstream.files
    planned = Planned(table, target, record, counted.added, target.files, _cursors(run), read, is_anew=True)
    planned = planned.filled(notes={"lookup_misses": dict(misses)} if misses else {})
    return SilverRebuild(run, batch, _compared(run, planned, written_rows(table, target.location, counted.added), counted.accounts), TURNED_AWAY)


def _of_events(run: SilverRun, batch: SilverBatch) -> SilverRebuild:
    session = run.session
    session.table("judged_events", batch.judged("bronze_rows"))
    collect_events(session, batch)
    session.table("known_events", "SELECT _event_hash, _source_position FROM batch_events LIMIT 0")
    session.table("rebuilt_events", FRESH_EVENTS)
    return _of_event_set(run, batch, count_events(session), rule_counts(session, batch), JUDGED)


def _of_snapshots(run: SilverRun, batch: SilverBatch) -> SilverRebuild:
    session, change = run.session, run.change
    assert change.upstream is not None
    nothing = replace(run.events, columns=event_fields(run.table), files=())
    moments = moments_in(session, batch.source, change.upstream, {file.uri for file in change.added}, batch.decided.rejected)
    passage = go_through(run, batch, moments, to_compute(moments), nothing)
    names = ", ".join(quote(field.name) for field in event_fields(run.table))
    session.table("rebuilt_events", f"SELECT {names} FROM (SELECT *, {event_hash(run.table)} FROM snapshot_events)")
    return _of_event_set(run, batch, passage.accounts, known_rules(batch, run, passage), "SELECT * FROM turned_away")


def _of_event_set(run: SilverRun, batch: SilverBatch, accounts: Accounts, rules: Mapping[str, int], turned_away: str) -> SilverRebuild:
    """The rebuild whose set of events is table `rebuilt_events`, and whose state follows from it."""
    table, key = run.table, run.table.contract.key
    assert run.change.upstream is not None
    names = ", ".join(quote(field.name) for field in stored_fields(table))
    rows = f"SELECT {names} FROM ({with_partition(batch, current_rows('SELECT * FROM rebuilt_events', key))})"
    record, read = _record(run, accounts, rules), run.change.upstream.files
    planned = plan_keyed(run.session, table, run.target, KeyedRows(key, None, rows), record=record, transactions=_cursors(run), read=read)
    return SilverRebuild(run, batch, _compared(run, planned, "SELECT * FROM rows_wanted", accounts), turned_away, "SELECT * FROM rebuilt_events")


def _record(run: SilverRun, accounts: Accounts, rules: Mapping[str, int]) -> CommitRecord:
    opened = [run.change, *(lookup for lookup in run.lookups if lookup.upstream is not None)]
    return CommitRecord(
        table=run.table.name,
        step="rebuild",
        run_id=run.run_id,
        batch_id=run.batch_id,
        code_version=run.table.code_version,
        inputs={each.input: (each.from_version, each.to_version) for each in opened},
        accounts=accounts - _booked(run),
        pass_rate=accounts.pass_rate,
        rules=rules,
        rebuilt=run.change.reason,
    )


def _compared(run: SilverRun, planned: Planned, rows: str, accounts: Accounts) -> Planned:
    """The plan with what it changes as a note."""
    ends = {"accounts_before": _booked(run).ends, "accounts_after": accounts.ends}
    note = difference(run.session, run.table, run.target, rows) | ends
    return replace(planned, record=planned.record.model_copy(update={"notes": {**planned.record.notes, DIFFERENCE: note}}))


def _booked(run: SilverRun) -> Accounts:
    return books.total(books.entries(run.lakehouse, run.session, run.table.name))


def _cursors(run: SilverRun) -> dict[str, int]:
    """Those of what is looked up: what bronze has beyond the cursor stays for the next increment."""
    return {lookup.cursor_id: lookup.to_version for lookup in run.lookups if lookup.upstream is not None}


def _replace_events(run: SilverRun, events: str) -> None:
    """Make the set of events these, unless it is that already: what is downstream of it would go through all of them again."""
    session, fields, changes = run.session, event_fields(run.table), run.events
    if same_columns(fields, changes.columns):
        names = ", ".join(quote(field.name) for field in fields if field.name != SILVER_FILLED[0])
        sides = [f"SELECT {names} FROM ({rows})" for rows in (snapshot_scan(changes), events)]
        if not session.row(f"SELECT count(*) FROM (({sides[0]} EXCEPT ALL {sides[1]}) UNION ALL ({sides[1]} EXCEPT ALL {sides[0]}))")[0]:
            return
    added = session.write(events, changes.location, ())
    # By compare-and-swap on the set as it was before the table: an increment in between has brought it events that are not among these.
    mark = {rebuild_id(run.target.table_id): run.target.version}
    commit(changes, added=added, removed=changes.files, transactions=mark, columns=fields, unbounded=unbounded_columns(run.table))


def _identity(table: Table, target: Snapshot, change: InputChange, lookups: tuple[InputChange, ...]) -> str:
    """The version that is replaced goes in: rebuilt twice, a table has two batches, and only the later one's rows in quarantine count."""
    parts = (table.name, "rebuild", str(target.version), table.code_version, *(f"{each.cursor_id} {each.to_version}" for each in (change, *lookups)))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

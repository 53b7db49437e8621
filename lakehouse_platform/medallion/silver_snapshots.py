"""Refreshes a silver table from full snapshots: the state as of the last one, and the changes from each to the next as its set of events.

Which snapshots there are decides, not the order in which they came. Not here: judging rows, what follows from a snapshot (snapshot_states.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import Snapshot, same_columns
from lakehouse_platform.delta.prune import files_that_may_hold
from lakehouse_platform.engine.scan import scan, snapshot_scan
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.changes import InputChange
from lakehouse_platform.medallion.contested import with_partition
from lakehouse_platform.medallion.events import current_rows, ensure_changes, event_fields, event_hash, event_set, refuse_other_events
from lakehouse_platform.medallion.keys import commit_keyed
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun
from lakehouse_platform.medallion.silver_gate import let_through
from lakehouse_platform.medallion.snapshot_files import Moment, implausible, moments_in, to_compute
from lakehouse_platform.medallion.snapshot_states import TURNED_AWAY, Passage, go_through, known_rules
from lakehouse_platform.medallion.stale import is_stale
from lakehouse_platform.quality.gate import Judgement, Verdict
from lakehouse_platform.quality.quarantine import quarantined_rows, replace_batch
from lakehouse_platform.tables.storage import stored_fields, unbounded_columns
from lakehouse_platform.writes.keyed import KeyedRows


def refresh_snapshots(run: SilverRun, batch: SilverBatch) -> StepResult:
    """Take new snapshots into the table: quarantine, then the set of events, then the state, which decides. Raises BatchBlocked."""
    session, table, change = run.session, run.table, run.change
    assert change.upstream is not None
    new = {file.uri for file in change.added}
    changes = run.events
    if change.kind != "all":
        refuse_other_events(table, changes)
    moments = moments_in(session, batch.source, change.upstream, new, batch.decided.rejected)
    passage = go_through(run, batch, moments, to_compute(moments), changes)
    verdict = let_through(run, batch, passage.accounts, TURNED_AWAY, _doubt(batch, moments, new))
    replace_batch(session, run.quarantine, run.batch_id, quarantined_rows(TURNED_AWAY, run.run_id, run.batch_id, batch.now))
    _replace_events(run, changes, passage.times)
    record = _record(run, batch, passage, verdict)
    cursors = {each.cursor_id: each.to_version for each in _opened(run)}
    read = tuple(passage.files.values())
    return commit_keyed(session, table, run.target, _present(run, batch, passage), record=record, transactions=cursors, read=read)


def _record(run: SilverRun, batch: SilverBatch, passage: Passage, verdict: Verdict | None) -> CommitRecord:
    accounts = passage.accounts
    if run.change.kind == "all":
        # A rebuild starts again from nothing: only what differs from the books is booked, so that their sum stays the table's state.
        accounts = accounts - books.total(books.entries(run.lakehouse, run.session, run.table.name))
    return CommitRecord(
        table=run.table.name,
        step="rebuild" if run.change.reason else "increment",
        run_id=run.run_id,
        batch_id=run.batch_id,
        code_version=run.table.code_version,
        has_older_code=run.change.kind != "all" and is_stale(run.lakehouse, run.table),
        inputs={each.input: (each.from_version, each.to_version) for each in _opened(run)},
        accounts=accounts,
        pass_rate=passage.accounts.pass_rate,
        rules=known_rules(batch, run, passage),
        rebuilt=run.change.reason,
        gate=verdict,
        ruling=run.ruling,
        notes={"snapshots": len(passage.times), "keys_unclosed": passage.unclosed},
    )


def _opened(run: SilverRun) -> list[InputChange]:
    return [run.change, *(lookup for lookup in run.lookups if lookup.upstream is not None)]


def _doubt(batch: SilverBatch, moments: Sequence[Moment], new: Collection[str]) -> Judgement | None:
    """A verdict against new snapshots with too few rows to be believed, unless a person released them; None without any."""
    share = batch.table.attributes.smallest_snapshot
    small = [pair for pair in implausible(moments, share, new) if not pair[0].batches <= batch.decided.released]
    if not small:
        return None
    named = "; ".join(
        f"{after.source_file} has {after.rows:,} rows, less than {share:.0%} of the {before.rows:,} of {before.source_file}"
        for after, before in small
    )
    reason = f"{named}; what is missing would be closed (a rejected snapshot counts as if it never came, the others are taken)"
    batches = tuple(sorted({batch_id for after, _ in small for batch_id in after.batches}))
    return Judgement(Verdict.BLOCK, sum(after.rows for after, _ in small), None, reason, batches)


def _present(run: SilverRun, batch: SilverBatch, passage: Passage) -> KeyedRows:
    """Every key's row as of the last snapshot; rows that did not change are those that are there."""
    key = run.table.contract.key
    names = ", ".join(quote(field.name) for field in stored_fields(run.table))
    rows = "state" if passage.reaches_now else current_rows(event_set(ensure_changes(run.lakehouse, run.table)), key)
    return KeyedRows(key, None, f"SELECT {names} FROM ({with_partition(batch, rows)})")


def _replace_events(run: SilverRun, changes: Snapshot, times: Sequence[datetime]) -> None:
    """Make table `snapshot_events` all events of these times in the set; where all of bronze is read, all events there are.

    An event that is there already stays where it is: what is downstream would go through all that moves.
    """
    session, fields, is_all = run.session, event_fields(run.table), run.change.kind == "all"
    names = ", ".join(quote(field.name) for field in fields)
    session.table("events_wanted", f"SELECT {names} FROM (SELECT *, {event_hash(run.table)} FROM snapshot_events)")
    can_stay = same_columns(fields, changes.columns)
    holding = changes.files
    if times and not is_all:
        holding = files_that_may_hold(changes.files, {"_change_timestamp": (min(times), max(times))}, changes.columns)
    among = "TRUE" if is_all else f"_change_timestamp IN ({', '.join(literal(time) for time in times) or 'NULL'})"
    there = scan(fields, (), holding if can_stay else (), with_file=True)
    session.table("events_there", f"SELECT * FROM ({there}) WHERE {among}")
    session.table("events_gone", "SELECT * FROM events_there ANTI JOIN events_wanted USING (_event_hash, _source_position)")
    added = session.write("SELECT * FROM events_wanted ANTI JOIN events_there USING (_event_hash, _source_position)", changes.location, ())
    touched = {uri for (uri,) in session.rows("SELECT DISTINCT _file FROM events_gone")}
    removed = tuple(file for file in holding if file.uri in touched or not can_stay)
    if removed and can_stay:
        rows = f"({snapshot_scan(changes, removed, with_file=True)}) ANTI JOIN (SELECT _file, _file_row FROM events_gone) USING (_file, _file_row)"
        added += session.write(f"SELECT {names} FROM {rows}", changes.location, ())
    if added or removed:
        commit(changes, added=added, removed=removed, unbounded=unbounded_columns(run.table), columns=fields if is_all else None)

"""Refreshes a silver table from change events: each key's latest state, in whatever order its events came (PROTOCOLS 6).

The set of valid events is kept beside the table; new ones are appended once, then the touched keys are computed from the set.
Not here: judging rows, versions of dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.contested import with_partition
from lakehouse_platform.medallion.events import changes_name, current_rows, ensure_changes, event_fields, event_hash, event_set, refuse_other_events
from lakehouse_platform.medallion.keys import commit_keyed
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun
from lakehouse_platform.medallion.silver_gate import let_through
from lakehouse_platform.medallion.stale import is_stale
from lakehouse_platform.medallion.unknown_fields import unknown_field_counts
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.quarantine import quarantined_rows, replace_batch
from lakehouse_platform.tables.storage import stored_fields, unbounded_columns
from lakehouse_platform.writes.keyed import KeyedRows, files_with_keys, having_keys

JUDGED = "SELECT * FROM judged_events"
_FIRST = "row_number() OVER (PARTITION BY _event_hash ORDER BY _source_position.source, _source_position.row) = 1"
FRESH_EVENTS = f"SELECT * FROM batch_events QUALIFY {_FIRST}"


def refresh_changes(run: SilverRun, batch: SilverBatch) -> StepResult:
    """Take a batch of change events (view `bronze_rows`) into the table: quarantine, then the set of events, then the state, which decides."""
    lakehouse, session, table, change = run.lakehouse, run.session, run.table, run.change
    session.table("judged_events", batch.judged("bronze_rows"))
    collect_events(session, batch)
    verdict = let_through(run, batch, _judged_events(session), JUDGED)
    replace_batch(session, run.quarantine, run.batch_id, quarantined_rows(JUDGED, run.run_id, run.batch_id, batch.now))
    if change.kind == "all":
        append_events(run, run.events, is_anew=True)
    else:
        append_events(run, forget_events(run, run.events, "SELECT _source_position FROM judged_events", but="batch_events"))
    accounts = count_events(session)
    pass_rate = accounts.pass_rate
    if change.kind == "all":
        # A rebuild starts again from nothing: only what differs from the books is booked, so that their sum stays the table's state.
        accounts = accounts - books.total(books.entries(lakehouse, session, table.name))
    record = CommitRecord(
        table=table.name,
        step="rebuild" if change.reason else "increment",
        run_id=run.run_id,
        batch_id=run.batch_id,
        code_version=table.code_version,
        has_older_code=change.kind != "all" and is_stale(lakehouse, table),
        inputs={change.input: (change.from_version, change.to_version)},
        accounts=accounts,
        pass_rate=pass_rate,
        rules=rule_counts(session, batch),
        rebuilt=change.reason,
        gate=verdict,
        ruling=run.ruling,
    )
    wanted = _state_of_keys(run, batch)
    cursors = {change.cursor_id: change.to_version}
    return commit_keyed(session, table, run.target, wanted, record=record, transactions=cursors, read=change.added)


def _state_of_keys(run: SilverRun, batch: SilverBatch) -> KeyedRows:
    """The state of the keys that the batch touches; of every key where the set was made anew."""
    session, key = run.session, batch.table.contract.key
    changes = ensure_changes(run.lakehouse, batch.table)
    names = ", ".join(quote(field.name) for field in stored_fields(batch.table))
    if run.change.kind == "all":
        return KeyedRows(key, None, f"SELECT {names} FROM ({with_partition(batch, current_rows(event_set(changes), key))})")
    keys = ", ".join(quote(name) for name in key)
    session.table("event_keys", f"SELECT {keys} FROM batch_events UNION SELECT {keys} FROM forgotten_events")
    events = having_keys(f"({event_set(changes, files_with_keys(session, changes, key, 'event_keys'))})", key, "event_keys")
    return KeyedRows(key, "SELECT * FROM event_keys", f"SELECT {names} FROM ({with_partition(batch, current_rows(events, key))})")


def rule_counts(session: Session, batch: SilverBatch) -> dict[str, int]:
    """How many rows of `judged_events` fail each rule that rejects, and of `batch_events` each that warns."""
    unnested = "SELECT unnest(_reasons).rule AS rule FROM judged_events WHERE _outcome IN ('rejected', 'late')"
    counts = dict.fromkeys(batch.rules(), 0) | unknown_field_counts(session, batch)
    counts |= {rule: int(count) for rule, count in session.rows(f"SELECT rule, count(*) FROM ({unnested}) GROUP BY ALL")}
    warned = batch.warnings("batch_events WHERE _operation <> 'd'")
    if warned is not None:
        names = [rule.id for rule in batch.table.contract.warning_rules]
        counts |= {name: int(count) for name, count in zip(names, session.row(warned), strict=True)}
    return counts


def collect_events(session: Session, batch: SilverBatch) -> None:
    """Leave the valid events of table `judged_events` in `batch_events`, each with its hash; FRESH_EVENTS is SQL of each of them once."""
    names = ", ".join([*(quote(column.name) for column in batch.table.contract.columns), "_operation", "_change_timestamp", "_source_position"])
    session.table("batch_events", f"SELECT {names}, {event_hash(batch.table)} FROM judged_events WHERE _outcome = 'valid'")


def append_events(run: SilverRun, changes: Snapshot, *, is_anew: bool = False) -> None:
    """Append the events in `batch_events` to the table's set, each once. Raises CommitConflict when the set moved since `changes`.

    An event that comes again from an earlier place in the source moves there, so that the set does not depend on arrival.
    Where all of bronze is read, the set is made anew from the batch: what another bronze table once held is no event any more.
    """
    session = run.session
    if not is_anew:
        refuse_other_events(run.table, changes)
    outdated = changes.files if is_anew else ()
    know_events(session, changes, () if is_anew else None)
    known = "SELECT _event_hash, min(_source_position) AS _first FROM known_events GROUP BY ALL"
    new = (
        f"SELECT fresh.* FROM ({FRESH_EVENTS}) AS fresh LEFT JOIN ({known}) USING (_event_hash) "
        "WHERE _first IS NULL OR fresh._source_position < _first"
    )
    added = session.write(new, changes.location, ())
    if added or outdated:
        commit(changes, added=added, removed=outdated, unbounded=unbounded_columns(run.table), columns=event_fields(run.table) if is_anew else None)


def know_events(session: Session, changes: Snapshot, files: Sequence[DataFile] | None = None) -> None:
    """Leave in `known_events` where the set has the events of `batch_events` already."""
    stored = snapshot_scan(changes, files)
    session.table("known_events", f"SELECT _event_hash, _source_position FROM ({stored}) SEMI JOIN batch_events USING (_event_hash)")


def forget_events(run: SilverRun, changes: Snapshot, places: str, *, but: str | None = None) -> Snapshot:
    """Take the events out of the set that stand at these places in the source (SQL of `_source_position`), but for those of the relation `but`.

    No row of the table has them: a run that was killed between its two commits put them there under another contract or ruling, or a restore took
    their rows back. Their keys stay in table `forgotten_events`. Gives the set without them; raises CommitConflict when it moved since `changes`.
    """
    refuse_other_events(run.table, changes)
    session, keys = run.session, ", ".join(quote(name) for name in run.table.contract.key)
    others = f" ANTI JOIN {but} USING (_event_hash, _source_position)" if but is not None else ""
    stored = f"({snapshot_scan(changes, with_file=True)}) SEMI JOIN ({places}) USING (_source_position){others}"
    session.table("forgotten_events", f"SELECT {keys}, _file, _file_row FROM {stored}")
    holding = {uri for (uri,) in session.rows("SELECT DISTINCT _file FROM forgotten_events")}
    removed = tuple(file for file in changes.files if file.uri in holding)
    if not removed:
        return changes
    names = ", ".join(quote(field.name) for field in changes.columns)
    kept = f"({snapshot_scan(changes, removed, with_file=True)}) ANTI JOIN forgotten_events USING (_file, _file_row)"
    added = session.write(f"SELECT {names} FROM {kept}", changes.location, ())
    version = commit(changes, added=added, removed=removed, unbounded=unbounded_columns(run.table))
    without = run.lakehouse.snapshot(changes_name(run.table.name), version)
    assert without is not None
    return without


def _judged_events(session: Session) -> Accounts:
    """The rows of table `judged_events` by outcome; which of the valid ones came before is not asked yet."""
    ends = ", ".join(f"count(*) FILTER (WHERE _outcome = '{end}')" for end in ("valid", "rejected", "late", "filtered"))
    read, valid, rejected, late, filtered = session.row(f"SELECT count(*), {ends} FROM judged_events")
    return Accounts(read, valid, 0, rejected, late, filtered)


def count_events(session: Session) -> Accounts:
    """Accounts of table `judged_events`: a valid event is accepted unless it came before, from another place in the source."""
    judged = _judged_events(session)
    # A place that is the batch's own is there because a run before this one was killed between the two commits.
    elsewhere = "SELECT count(DISTINCT _event_hash) FROM known_events ANTI JOIN batch_events USING (_event_hash, _source_position)"
    accepted = session.row(f"SELECT (SELECT count(DISTINCT _event_hash) FROM batch_events) - ({elsewhere})")[0]
    duplicates = judged.accepted - accepted
    return replace(judged, accepted=accepted, duplicates=duplicates, repeated=duplicates)

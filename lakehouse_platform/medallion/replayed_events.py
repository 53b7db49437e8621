"""The set of events after a replay, a restore or a killed rebuild: the table's commits decide and the set follows, at the latest with the next run.

Not here: the replay (replay.py) and the restore (restore.py) themselves.
"""

from __future__ import annotations

from contextlib import suppress

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import Snapshot, same_columns
from lakehouse_platform.delta.prune import files_that_may_hold
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.changes import InputChange, read_so_far
from lakehouse_platform.medallion.events import changes_name, ensure_changes, event_fields, rebuild_id
from lakehouse_platform.medallion.history import Version, versions_backwards, versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.silver_batch import SilverRun, open_batch
from lakehouse_platform.medallion.silver_changes import append_events, collect_events, forget_events
from lakehouse_platform.medallion.silver_rebuild import rebuild_events
from lakehouse_platform.quality.quarantine import claimed_rows, open_quarantine, quarantine_name, visible_rows
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table

_PLACE = "struct_pack(source := source_file, row := source_row) AS _source_position"


def records_at(session: Session, bronze: Snapshot, places: str) -> str:
    """SQL of the records of bronze at the places of a relation, which has `source_file` and `source_row`."""
    low, high = session.row(f"SELECT min(source_file), max(source_file) FROM {places}")
    files = files_that_may_hold(bronze.files, {"source_file": (low, high)}, bronze.columns) if low is not None else ()
    return f"SELECT * FROM ({snapshot_scan(bronze, files)}) SEMI JOIN {places} USING (source_file, source_row)"


def append_replayed(run: SilverRun) -> None:
    """Add the events in `batch_events` to the set, each once."""
    with_retries(lambda: append_events(run, ensure_changes(run.lakehouse, run.table)), run.lakehouse.settings.commit_tries)


def finish_events(lakehouse: Lakehouse, session: Session, table: Table, run_id: str) -> None:
    """Bring the set of events to what a replay or a restore, the table's last commit, made of the table, or to what it was before a killed rebuild.

    Called before and after any other commit.
    """
    if table.refresh is not Refresh.SCD1:
        return
    last = next((version for version in versions_backwards(lakehouse, table.name) if version.record is not None), None)
    if last is None or last.record is None:
        return
    changes = lakehouse.snapshot(changes_name(table.name))
    if last.record.step in ("replay", "restore") or _is_half_rebuilt(lakehouse, lakehouse.snapshot(table.name), changes, table.name):
        # Where a version of bronze was cleaned up, what the table was made from cannot be told any more.
        with suppress(VersionGone):
            with_retries(lambda: _finish(lakehouse, session, table, run_id, last), lakehouse.settings.commit_tries)


def _is_half_rebuilt(lakehouse: Lakehouse, target: Snapshot | None, changes: Snapshot | None, table: str) -> bool:
    """Whether the set is that of a rebuild which the table has not committed: since the version that it was made for, there is nothing but upkeep."""
    marked = changes.transaction_version(rebuild_id(target.table_id)) if target is not None and changes is not None else None
    if target is None or marked is None or not 0 <= marked <= target.version:
        return False
    return all(version.is_upkeep for version in versions_since(lakehouse, table, marked))


def _finish(lakehouse: Lakehouse, session: Session, table: Table, run_id: str, last: Version) -> None:
    record = last.record
    assert record is not None
    quarantine, changes = open_quarantine(lakehouse.location(quarantine_name(table.name))), ensure_changes(lakehouse, table)
    target = lakehouse.snapshot(table.name)
    read = read_so_far(lakehouse, target, table.inputs[0]) if target is not None else None
    if target is None or read is None or not same_columns(event_fields(table), changes.columns):
        # All of bronze is read next, or the table is rebuilt, and the set made anew.
        return
    done = f"restored:{target.table_id}"
    is_half_rebuilt = _is_half_rebuilt(lakehouse, target, changes, table.name)
    if not is_half_rebuilt and changes.transaction_version(done) == last.version:
        return
    change = InputChange("none", table.inputs[0], read, read.version, read.version)
    run = SilverRun(lakehouse, session, table, run_id, quarantine, target, change, changes=changes)
    turned_away = visible_rows(quarantine, books.committed_batches(lakehouse, session, table.name))
    session.table("turned_away", f"SELECT DISTINCT source_file, source_row FROM ({turned_away})")
    # By another contract the records may be other events, or none; the table is stale until it is rebuilt.
    is_of_present_code = record.code_version == table.code_version
    if record.step == "replay" and not is_half_rebuilt:
        if is_of_present_code:
            _collect(run, record.batch_id)
            append_events(run, changes)
        return
    if lakehouse.project.sources[table.inputs[0]].attributes.has_events:
        changes = forget_events(run, changes, f"SELECT {_PLACE} FROM turned_away")
        if is_of_present_code:
            # It may have gone back behind a replay or a rebuild, which took events into the set and out of it.
            _collect(run, None)
            append_events(run, forget_events(run, changes, f"SELECT {_PLACE} FROM ({snapshot_scan(run.upstream)})", but="batch_events"))
    elif is_of_present_code:
        rebuild_events(lakehouse, session, table, run_id)
    if is_of_present_code:
        commit(ensure_changes(lakehouse, table), transactions={done: last.version, rebuild_id(target.table_id): -1})


def _collect(run: SilverRun, replay: str | None) -> None:
    """Leave in `batch_events` the events of the rows that a replay took, or of all that the table has read, but for those that were turned away."""
    session, records = run.session, snapshot_scan(run.upstream)
    if replay is not None:
        session.table("claimed", f"SELECT DISTINCT source_file, source_row FROM ({claimed_rows(run.quarantine, replay)})")
        records = records_at(session, run.upstream, "claimed")
    session.view("records", f"SELECT * FROM ({records}) ANTI JOIN turned_away USING (source_file, source_row)")
    batch = open_batch(run.lakehouse, session, run.table)
    session.table("judged_events", batch.judged("records"))
    collect_events(session, batch)

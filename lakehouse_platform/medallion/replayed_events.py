"""The set of events after a replay: its commit in the table decides, then the set gets the events, again at the next run where a kill came between.

Not here: the replay itself (replay.py).
"""

from __future__ import annotations

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.prune import files_that_may_hold
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.medallion.history import last_record
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun
from lakehouse_platform.medallion.silver_changes import append_events, collect_events
from lakehouse_platform.quality.quarantine import claimed_rows


def records_at(session: Session, bronze: Snapshot, places: str) -> str:
    """SQL of the records of bronze at the places of a relation, which has `source_file` and `source_row`."""
    low, high = session.row(f"SELECT min(source_file), max(source_file) FROM {places}")
    files = files_that_may_hold(bronze.files, {"source_file": (low, high)}, bronze.columns) if low is not None else ()
    return f"SELECT * FROM ({snapshot_scan(bronze, files)}) SEMI JOIN {places} USING (source_file, source_row)"


def append_replayed(run: SilverRun) -> None:
    """Add the events in `batch_events` to the set, each once."""
    with_retries(lambda: append_events(run), run.lakehouse.settings.commit_tries)


def finish_replay(run: SilverRun, batch: SilverBatch) -> None:
    """Add the events of a replay that is the table's last commit, in case that it was killed just after it. Called before any other commit."""
    last = last_record(run.lakehouse, run.table.name)
    if last is None or last.step != "replay" or run.change.upstream is None:
        return
    session = run.session
    session.table("claimed", f"SELECT source_file, source_row FROM ({claimed_rows(run.quarantine, last.batch_id)})")
    session.table("replayed_records", records_at(session, run.change.upstream, "claimed"))
    session.table("judged_events", batch.judged("replayed_records"))
    collect_events(session, batch)
    append_replayed(run)

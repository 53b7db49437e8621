"""Which runs are alive: each holds a lock on a file while it runs, which the operating system frees even after kill -9.

Without it a killed run stays "started" for ever, keeps its pools and holds back the sensors: Dagster's own launcher cannot tell.
Runs of other machines have no file here and are left alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG

# On another machine that keeps its runs in the same database, a run has long started by then.
_STARTING_SECONDS = 60


@contextmanager
def marked_alive(folder: Path, run_id: str) -> Iterator[None]:
    """Hold the run's lock. Steps of one run in several processes share it."""
    folder.mkdir(parents=True, exist_ok=True)
    path, unlocked = folder / run_id, folder / f".{run_id}.{os.getpid()}"
    with unlocked.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        # Only a file that is already locked gets its name, or it would look like a dead run's for a moment.
        unlocked.rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def end_dead_runs(instance: dg.DagsterInstance, folder: Path) -> list[str]:
    """Mark runs whose process is gone as failed and free their pools; gives their ids."""
    ended = _end_unstarted_runs(instance)
    for path in sorted(folder.glob("[!.]*")):
        if _is_locked(path):
            continue
        run = instance.get_run_by_id(path.name)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "The run's process is gone; the next increment takes up what it left.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
        path.unlink(missing_ok=True)
    return ended


def dead_runs(instance: dg.DagsterInstance, folder: Path) -> list[str]:
    """Ids of runs whose process is gone and that nobody has ended yet."""
    gone = [path.name for path in sorted(folder.glob("[!.]*")) if not _is_locked(path)]
    return [run_id for run_id in gone if (run := instance.get_run_by_id(run_id)) is not None and not run.is_finished]


def _end_unstarted_runs(instance: dg.DagsterInstance) -> list[str]:
    """Runs that were about to start when the code server went that should have started them: until they end, others queue for their pools."""
    before = datetime.now(UTC) - timedelta(seconds=_STARTING_SECONDS)
    starting = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING], updated_before=before))
    orphaned = [run for run in starting if _is_orphaned(run)]
    for run in orphaned:
        instance.report_run_failed(run, "The code server that was about to start the run is gone; the next increment takes up what is new.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in orphaned]


def _is_orphaned(run: dg.DagsterRun) -> bool:
    """Whether nobody listens any more at the socket of the run's code server."""
    path = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("socket")
    if path is None:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return True
    return False


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False

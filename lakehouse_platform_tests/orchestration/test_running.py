"""Runs whose process was killed are found out and ended; those that live are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg

from lakehouse_platform.orchestration.running import end_dead_runs, marked_alive

_HOLD = """
import sys, time
from pathlib import Path
from lakehouse_platform.orchestration.running import marked_alive
with marked_alive(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@dg.op
def nothing() -> None:
    """Any op: the run only has to exist."""


@dg.job
def any_job() -> None:
    """A job with a run to kill."""
    nothing()


def started_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus.STARTED)
    assert not run.is_finished
    return run


def test_a_killed_run_is_ended_and_its_pools_are_free(tmp_path: Path) -> None:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        run = started_run(instance)
        instance.event_log_storage.set_concurrency_slots("delta__silver__orders", 1)
        instance.event_log_storage.claim_concurrency_slot("delta__silver__orders", run.run_id, "step")
        process = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path / "running"), run.run_id], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"held\n"

        assert end_dead_runs(instance, tmp_path / "running") == []
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

        assert end_dead_runs(instance, tmp_path / "running") == [run.run_id]
        ended = instance.get_run_by_id(run.run_id)
        assert ended is not None and ended.status is dg.DagsterRunStatus.FAILURE
        assert instance.event_log_storage.get_concurrency_info("delta__silver__orders").active_slot_count == 0
        assert end_dead_runs(instance, tmp_path / "running") == []


def test_a_run_that_ended_leaves_no_mark(tmp_path: Path) -> None:
    with marked_alive(tmp_path, "run"):
        assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert list(tmp_path.iterdir()) == []

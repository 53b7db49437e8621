"""Runs whose process was killed are found out and ended; those that live are left alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import GRPC_INFO_TAG

from lakehouse_platform.orchestration import running
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


@pytest.mark.parametrize("is_there", [True, False])
def test_a_run_whose_code_server_went_before_it_started_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    monkeypatch.setattr(running, "_STARTING_SECONDS", 0)
    # A socket's path may have about a hundred characters.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server, dg.DagsterInstance.ephemeral() as instance:
        server.bind(f"{folder}/code")
        server.listen()
        tags = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": f"{folder}/code"})}
        run = instance.create_run_for_job(any_job, status=dg.DagsterRunStatus.STARTING, tags=tags)
        if not is_there:
            server.close()
        assert end_dead_runs(instance, tmp_path) == ([] if is_there else [run.run_id])
        found = instance.get_run_by_id(run.run_id)
        assert found is not None and found.is_finished is not is_there


def test_a_run_that_ended_leaves_no_mark(tmp_path: Path) -> None:
    with marked_alive(tmp_path, "run"):
        assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert list(tmp_path.iterdir()) == []

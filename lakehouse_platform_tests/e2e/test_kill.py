"""Kills the demo with -9 at random moments and starts it again: the tables and the sums of accounts must be those of an undisturbed run.

LAKEHOUSE_TEST_KILLS sets how many kills (3), LAKEHOUSE_TEST_DATA a folder of real data instead of the generated sample.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from lakehouse_platform_tests.e2e.commands import lakehouse, lakehouse_json, start
from lakehouse_platform_tests.e2e.tables import fingerprint, table_names

KILLS = int(os.environ.get("LAKEHOUSE_TEST_KILLS", "3"))
DATA = os.environ.get("LAKEHOUSE_TEST_DATA") if "LAKEHOUSE_TEST_KILLS" in os.environ else None
ARGUMENTS = ("demo", *(("--data", DATA) if DATA else ()))
ENDS = ("read", "accepted", "duplicates", "rejected", "late", "filtered")
State = tuple[dict[str, tuple[int, int, int]], Counter[tuple[str, str]]]


def state(home: Path) -> State:
    """A fingerprint of every table's rows, and the sums of accounts by table."""
    sums: Counter[tuple[str, str]] = Counter()
    for entry in lakehouse_json(home, "accounts"):
        sums.update({(entry["table"], end): entry[end] for end in ENDS})
    return {name: fingerprint(home, name) for name in table_names(home) if not name.endswith("__quarantine")}, sums


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[State, float]:
    """The state after a run that nobody killed, and how long it took in seconds."""
    home = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    lakehouse(home, *ARGUMENTS)
    return state(home), time.monotonic() - began


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_demo_started_again_ends_with_the_same_tables(undisturbed: tuple[State, float], tmp_path: Path, number: int) -> None:
    (tables, sums), seconds = undisturbed
    # The seed is the test's number: a failure can be run again; stratified, so that few kills still reach every phase.
    moment = (number + random.Random(number).random()) / KILLS * seconds
    process = start(tmp_path, *ARGUMENTS)
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    lakehouse(tmp_path, *ARGUMENTS)
    tables_after, sums_after = state(tmp_path)
    assert sums_after == sums
    assert tables_after.keys() == tables.keys()
    for name, expected in tables.items():
        assert tables_after[name] == expected, f"{name} differs after a kill at {moment:.2f} s of {seconds:.2f} s"
    shutil.rmtree(tmp_path)

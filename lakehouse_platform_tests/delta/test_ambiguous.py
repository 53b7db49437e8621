"""Writes whose end their writer never saw: an error after the put, a process killed at any point. What stands in the log was done, nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from lakehouse_platform.delta import commit as commit_module
from lakehouse_platform.delta.ambiguous import CommitUnknown
from lakehouse_platform.delta.append_only import lift_append_only
from lakehouse_platform.delta.commit import CommitConflict, commit, create_table
from lakehouse_platform.delta.evolution import add_columns
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import open_session
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import local
from lakehouse_platform.writes import tables
from lakehouse_platform_tests.delta.conftest import COLUMNS

Write = Callable[..., list[WrittenFile]]
Ids = Callable[[], list[int]]
LOST = OSError("connection reset by peer")


def opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


def lose_the_answer(patch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception = LOST) -> None:
    """Let a call do what it does, and fail all the same."""
    done = getattr(owner, name)

    def lost(*arguments: Any, **options: Any) -> None:
        done(*arguments, **options)
        raise error

    patch.setattr(owner, name, lost)


@pytest.mark.parametrize("error", [LOST, CommitFailedError("Failed to commit transaction: 0"), DeltaError("the checkpoint could not be written")])
def test_a_commit_that_storage_took_was_made_whatever_the_client_saw(
    error: Exception, table: Snapshot, write: Write, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_answer(monkeypatch, DeltaTable, "create_write_transaction", error)
    assert commit(table, added=write(4), removed=table.files, metadata={"by": "hand"}) == 1
    assert ids() == [4]
    # The id is the writer's own affair.
    assert next(iter(commits(table.location, 0))).metadata == {"by": "hand"}


def test_so_was_a_table_that_was_made(location: str, write: Write, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_the_answer(monkeypatch, commit_module, "create_table_with_add_actions")
    assert create_table(location, COLUMNS, ["day"], added=write(7)) == 0
    assert ids() == [7]
    # Of the second of two that make it, the error is what it says.
    with pytest.raises(CommitConflict, match="is a table already"):
        create_table(location, COLUMNS, ["day"], added=write(8))
    assert ids() == [7]


def test_so_was_a_restore(table: Snapshot, write: Write, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(table, added=write(4))
    for error in (LOST, DeltaError("the checkpoint could not be written")):
        now = opened(table.location)
        with monkeypatch.context() as patch:
            lose_the_answer(patch, DeltaTable, "restore", error)
            assert restore(now, 0) == now.version + 1
        assert ids() == [1, 2, 3]


def test_so_were_columns_and_properties(table: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    alterer = type(table.handle.alter)
    lose_the_answer(monkeypatch, alterer, "add_columns")
    lose_the_answer(monkeypatch, alterer, "set_table_properties")
    assert add_columns(table, [Field("more", COLUMNS[0].type)]) == 1
    assert lift_append_only(table.location, "a test") == 2
    assert [field.name for field in opened(table.location).columns] == ["id", "name", "day", "more"]


def test_a_commit_of_another_is_not_taken_for_its_own(table: Snapshot, write: Write, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(opened(table.location), added=write(4))
    monkeypatch.setattr(DeltaTable, "create_write_transaction", lambda *_, **__: (_ for _ in ()).throw(LOST))
    with pytest.raises(CommitConflict, match="is at version 1, not at 0"):
        commit(table, added=write(5))
    assert ids() == [1, 2, 3, 4]


@pytest.mark.parametrize("fault", [TransientFault("the store does not answer"), LakehouseError("the store takes these credentials no more")])
def test_where_the_log_cannot_be_read_either_nobody_knows_yet(
    fault: LakehouseError, table: Snapshot, write: Write, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        lose_the_answer(patch, DeltaTable, "create_write_transaction")
        patch.setattr(local, "read", lambda _: (_ for _ in ()).throw(fault))
        with pytest.raises(CommitUnknown, match=r"it is unknown whether version 1 was committed \(connection reset by peer\).*Mend: run it again"):
            commit(table, added=write(4), transactions={"app": 1})
    # Who runs again finds it by the transaction's id, on the snapshot that it would commit from.
    assert opened(table.location).transaction_version("app") == 1
    assert ids() == [1, 2, 3, 4]


def test_a_commit_that_the_table_takes_from_nobody_is_no_fault_of_storage(table: Snapshot, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeltaTable, "create_write_transaction", lambda *_, **__: (_ for _ in ()).throw(DeltaError("no such commit")))
    with pytest.raises(LakehouseError, match="version 0 takes no such commit") as raised:
        commit(table, added=write(4))
    assert not isinstance(raised.value, TransientFault)


def test_of_two_who_write_one_transaction_at_once_one_writes_it(table: Snapshot, ids: Ids, tmp_path: Path) -> None:
    rows = "SELECT 7::BIGINT AS id, 'n' AS name, DATE '2024-01-01' AS day"
    for number in range(10):
        begin = Barrier(2)

        def work(home: str, number: int = number, begin: Barrier = begin) -> bool:
            with open_session(Settings(home=tmp_path / home, threads=1)) as session:
                begin.wait()
                return tables.append(session, table.location, rows, transaction=("app", number)).was_known

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(work, ("one", "other"))) == [False, True]
    assert ids() == [1, 2, 3, *[7] * 10]


# A replace of a table's rows by 7, killed at a point; `{point}` is put in.
KILLED = """
import os, signal, sys
from deltalake import DeltaTable
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.settings import Settings
from lakehouse_platform.writes import tables

point, location, home = sys.argv[1:]

def dying(owner, name, before):
    done = getattr(owner, name)
    def die(*arguments, **options):
        if not before:
            done(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, name, die)

match point:
    case "before the files": dying(Session, "write", True)
    case "after the files": dying(Session, "write", False)
    case "after the put": dying(DeltaTable, "create_write_transaction", False)
    case _:
        import threading
        threading.Timer(float(point), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
with open_session(Settings(home=home, threads=1)) as session:
    print("begun", flush=True)
    while True:
        tables.replace_partitions(session, location, "SELECT 7::BIGINT AS id, 'n' AS name, DATE '2024-01-01' AS day", [{"day": "2024-01-01"}])
        print("done", flush=True)
"""
POINTS = {"before the files": 0, "after the files": 0, "after the put": 1, "0.9": None, "1.1": None}


@pytest.mark.parametrize("point", POINTS)
def test_a_writer_that_is_killed_leaves_a_whole_version(point: str, table: Snapshot, write: Write, ids: Ids, tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", KILLED, point, table.location, str(tmp_path)], capture_output=True, text=True, check=False)
    assert child.returncode == -9, child.stderr
    told, version = child.stdout.count("done"), opened(table.location).version
    # At most one version more than it was told of: the one that was being put.
    assert version == POINTS[point] if POINTS[point] is not None else told <= version <= told + 1
    assert ids() == ([7] if version else [1, 2, 3])
    assert [one.version for one in commits(table.location)] == list(range(version + 1))
    # What it left stops nobody.
    assert commit(opened(table.location), added=write(8, day=2)) == version + 1
    assert ids()[-1] == 8

"""Vacuum at its edges: spellings of paths, refusals, kills, restores, an object store. Property 32 has what it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import BIGINT, STRING
from lakehouse_platform.delta import vacuum as vacuum_module
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.damage import DamagedLog
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.delta.tags import add_tag
from lakehouse_platform.delta.vacuum import vacuum
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.storage import files as storage
from lakehouse_platform_tests.delta.aging import Clock
from lakehouse_platform_tests.object_store import bucket, s3  # noqa: F401 -- fixtures

Write = Callable[..., list[WrittenFile]]
LATER = timedelta(hours=169)


def reopened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


def stored(location: str) -> set[str]:
    return {file.path for file in storage.walk(location) if file.path.endswith(".parquet") and "_delta_log" not in file.path}


def replaced(table: Snapshot, write: Write) -> Snapshot:
    """The table with other files than those it was made with."""
    commit(table, added=write(7), removed=table.files)
    return reopened(table.location)


def test_less_than_a_week_needs_a_reason_which_the_commit_keeps(table: Snapshot, write: Write) -> None:
    replaced(table, write)
    with pytest.raises(LakehouseError, match="24 hours of retention are less than 168"):
        vacuum(table.location, retention_hours=24)
    done = vacuum(table.location, retention_hours=24, reason="a test table", now=datetime.now(UTC) + timedelta(hours=25))
    assert (done.files, done.oldest_version_kept, done.version) == (1, 1, 2)
    (told,) = commits(table.location, after=1)
    assert (told.metadata["maintenance"], told.metadata["reason"], told.has_data_change) == ("vacuum", "a test table", False)
    assert vacuum(table.location, now=datetime.now(UTC) + LATER).version == 2, "where nothing goes, nothing is committed"


def test_no_running_writers_file_goes_whatever_is_forced(table: Snapshot, write: Write) -> None:
    replaced(table, write)
    (running,) = write(8)
    done = vacuum(table.location, retention_hours=0, reason="a test table", now=datetime.now(UTC) + timedelta(hours=1))
    assert done.paths == (table.files[0].uri.removeprefix(f"{table.location}/"),)
    assert running.path in stored(table.location)
    # A day later its writer is gone.
    assert vacuum(table.location, retention_hours=0, reason="a test table", now=datetime.now(UTC) + timedelta(hours=25)).paths == (running.path,)


@pytest.mark.parametrize("spelling", ["{location}/{path}", "file://{location}/{path}", "file:{location}/{path}"])
def test_files_that_the_log_names_by_their_whole_path_stay(table: Snapshot, spelling: str) -> None:
    path = table.files[0].uri.removeprefix(f"{table.location}/")
    log = Path(table.location, "_delta_log", f"{0:020}.json")
    log.write_text(log.read_text().replace(f'"path":"{path}"', f'"path":{json.dumps(spelling.format(location=table.location, path=path))}'))
    assert vacuum(table.location, now=datetime.now(UTC) + LATER).files == 0
    assert stored(table.location) == {path}


def test_killed_in_the_middle_the_next_one_deletes_the_rest(
    table: Snapshot, write: Write, ids: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10, 14):
        commit(reopened(table.location), added=write(number), removed=reopened(table.location).files)
    delete = storage.delete

    def killed(paths: Iterable[str]) -> None:
        delete(list(paths)[:2])
        raise TransientFault("the machine went down")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", killed)
        with pytest.raises(TransientFault):
            vacuum(table.location, now=datetime.now(UTC) + LATER)
    assert ids() == [13]
    assert vacuum(table.location, now=datetime.now(UTC) + LATER).files == 2
    assert (ids(), len(stored(table.location))) == ([13], 1)


def test_a_version_that_is_named_while_vacuum_runs_is_spared(table: Snapshot, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(table, write)

    def tagged_meanwhile(*given: Snapshot, **named: object) -> int:
        version = commit(*given, **named)  # type: ignore[arg-type]
        add_tag(table.location, "closing", 0)
        return version

    monkeypatch.setattr(vacuum_module, "commit", tagged_meanwhile)
    vacuum(table.location, now=datetime.now(UTC) + LATER)
    assert storage.exists(table.files[0].uri)


def test_what_a_vacuum_gave_up_is_not_restored_even_before_it_is_deleted(table: Snapshot, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(table, write)
    monkeypatch.setattr(vacuum_module, "_delete", lambda *_: None)
    vacuum(table.location, now=datetime.now(UTC) + LATER)
    assert storage.exists(table.files[0].uri)
    with pytest.raises(VersionGone, match="given up by the vacuum of version 2, which keeps those from 1 on"):
        restore(reopened(table.location), 0)


def test_a_restore_that_came_first_is_seen(table: Snapshot, write: Write, monkeypatch: pytest.MonkeyPatch, ids: Callable[[], list[int]]) -> None:
    after = replaced(table, write)
    calls: list[tuple[Snapshot, ...]] = []

    def overtaken(*given: Snapshot, **named: object) -> int:
        if not calls:
            restore(after, 0)
        calls.append(given)
        return commit(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(vacuum_module, "commit", overtaken)
    vacuum(table.location, now=datetime.now(UTC) + LATER)
    assert ids() == [1, 2, 3]
    assert len(calls) == 2, "planned anew after the restore"


def test_where_a_commit_is_lost_nothing_is_deleted(table: Snapshot, write: Write) -> None:
    clock = Clock(table.location)
    snapshot = table
    for number in range(11):
        commit(snapshot, added=write(20 + number), removed=snapshot.files)
        snapshot = reopened(table.location)
        clock.age(200 if number == 0 else 1)
    for version in (8, 9):
        Path(table.location, "_delta_log", f"{version:020}.json").unlink()
    files = stored(table.location)
    with pytest.raises(DamagedLog, match="version 8 of the log"):
        vacuum(table.location, now=clock.now)
    assert stored(table.location) == files


def test_in_an_object_store(bucket: str, session: Session) -> None:  # noqa: F811
    location = f"{bucket}/lake/table"
    session.reach(location)
    columns = (Field("part", STRING), Field("id", BIGINT))
    rows = "SELECT 'a b/ü%20' AS part, {0}::BIGINT AS id"
    create_table(location, columns, ["part"], added=session.write(rows.format(1), location, ["part"]))
    storage.put(f"{bucket}/lake/outside.parquet", b"x")
    first = reopened(location)
    commit(first, added=session.write(rows.format(2), location, ["part"]), removed=first.files)
    add_tag(location, "first", 0)
    assert vacuum(location, now=datetime.now(UTC) + LATER).files == 0
    storage.delete([f"{location}/_tags/first.json"])
    assert vacuum(location, now=datetime.now(UTC) + LATER).files == 1
    assert session.rows(f"SELECT id FROM ({snapshot_scan(reopened(location))})") == [(2,)]
    assert storage.exists(f"{bucket}/lake/outside.parquet")

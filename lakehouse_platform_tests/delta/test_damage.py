"""Logs that are damaged: what can be told without the damaged file is read round it, and nothing else is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lakehouse_platform.contracts.types import BIGINT
from lakehouse_platform.delta import opening
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.damage import DamagedLog, log_files
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.handle import open_handle
from lakehouse_platform.delta.integrity import log_state
from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.opening import damaged_parts
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.storage import files as storage

NEWEST = 12
CHECKPOINT, PART, POINTER = "{:020d}.checkpoint.parquet", "{:020d}.checkpoint.0000000001.0000000002.parquet", "_last_checkpoint"


class Log:
    """The log of a table, to be damaged."""

    def __init__(self, location: str) -> None:
        self.location = location

    def path(self, name: str) -> str:
        return f"{self.location}/_delta_log/{name}"

    def read(self, name: str) -> bytes:
        content = storage.read(self.path(name))
        assert content is not None
        return content

    def put(self, name: str, content: bytes) -> Log:
        storage.put(self.path(name), content)
        return self

    def remove(self, *names: str) -> Log:
        storage.delete(self.path(name) for name in names)
        return self


def commit_name(version: int) -> str:
    return f"{version:020d}.json"


def made(location: str) -> Log:
    """A table of a file per version, with checkpoints at 4 and 9. No file of it is ever opened."""
    create_table(location, [Field("id", BIGINT)], (), configuration={"delta.checkpointInterval": "5"})
    for version in range(1, NEWEST + 1):
        commit(opened(location), added=[WrittenFile(f"f{version}.parquet", {}, 10, 1, {})], transactions={"app": version})
    log = Log(location)
    assert json.loads(log.read(POINTER))["version"] == 9
    return log


def opened(location: str, version: int | None = None) -> Snapshot:
    snapshot = open_snapshot(location, version)
    assert snapshot is not None
    return snapshot


def is_whole(location: str, version: int | None = None) -> bool:
    snapshot, wanted = opened(location, version), NEWEST if version is None else version
    files = {file.path for file in snapshot.files}
    return (snapshot.version, files, snapshot.transaction_version("app")) == (wanted, {f"f{n}.parquet" for n in range(1, wanted + 1)}, wanted or None)


def cut(log: Log, version: int) -> Log:
    return log.put(CHECKPOINT.format(version), log.read(CHECKPOINT.format(version))[:300])


def flip(log: Log) -> None:
    content = bytearray(log.read(CHECKPOINT.format(9)))
    content[4 : len(content) // 3] = bytes(byte ^ 0x5A for byte in content[4 : len(content) // 3])
    log.put(CHECKPOINT.format(9), bytes(content))


def lose_a_part(log: Log) -> None:
    log.put(PART.format(9), log.read(CHECKPOINT.format(9)))
    log.put(POINTER, b'{"version":9,"size":3,"parts":2}')
    log.remove(CHECKPOINT.format(9))


def lose_all(log: Log) -> None:
    for version in (4, 9):
        cut(log, version)


READ_ROUND: dict[str, tuple[Callable[[Log], object], list[str]]] = {
    "a checkpoint that was cut": (lambda log: cut(log, 9), [CHECKPOINT.format(9), POINTER]),
    "a checkpoint with damaged pages": (flip, [CHECKPOINT.format(9), POINTER]),
    "an empty checkpoint": (lambda log: log.put(CHECKPOINT.format(9), b""), [CHECKPOINT.format(9), POINTER]),
    "all checkpoints cut": (lose_all, [CHECKPOINT.format(9), CHECKPOINT.format(4), POINTER]),
    "a part of a checkpoint is gone": (lose_a_part, [POINTER]),
    "the checkpoint is gone": (lambda log: log.remove(CHECKPOINT.format(9)), [POINTER]),
    "a pointer beyond the log": (lambda log: log.put(POINTER, b'{"version":99,"size":3}'), [POINTER]),
}


@pytest.mark.parametrize("name", READ_ROUND)
def test_a_damaged_checkpoint_is_named_read_round_and_made_anew(name: str, location: str, caplog: pytest.LogCaptureFixture) -> None:
    log = made(location)
    damage, parts = READ_ROUND[name]
    damage(log)
    with caplog.at_level(logging.WARNING):
        snapshot = opened(location)
    paths = [log.path(part) for part in parts]
    assert damaged_parts(location, snapshot.handle) == paths
    assert all(path in caplog.text for path in paths) and "read round" in caplog.text
    assert all(is_whole(location, version) for version in (None, 12, 10, 9, 8, 4, 3, 0))
    # A reader changes nothing; a writer puts it right.
    assert commit(snapshot, added=[WrittenFile("f13.parquet", {}, 10, 1, {})]) == NEWEST + 1
    assert "made anew out of the commits" in caplog.text
    caplog.clear()
    after = opened(location)
    assert (after.version, len(after.files), damaged_parts(location, after.handle)) == (NEWEST + 1, NEWEST + 1, [])
    assert all(is_whole(location, version) for version in (12, 10, 9, 8, 4, 3))
    assert caplog.text == ""
    # delta-rs opens by itself what it could not open before.
    assert [DeltaTable(location, version=version).version() for version in (None, 11, 9, 5)] == [NEWEST + 1, 11, 9, 5]


@pytest.mark.parametrize("content", [b"", b"garbage", b'{"version":9,"si', b'{"version":"x"}', b"[]"])
def test_a_pointer_that_is_none_is_named(content: bytes, location: str, caplog: pytest.LogCaptureFixture) -> None:
    log = made(location)
    log.put(POINTER, content)
    with caplog.at_level(logging.WARNING):
        assert is_whole(location)
    assert f"{log.path(POINTER)} is damaged, and is read round" in caplog.text
    state = log_state(location)
    assert state is not None and state.points_nowhere
    # Until the next checkpoint.
    for _ in range(3):
        commit(opened(location))
    caplog.clear()
    assert opened(location).version == 15
    assert caplog.text == ""


def test_a_damaged_checkpoint_of_an_object_store_is_read_round(bucket: str) -> None:
    log = made(f"{bucket}/table")
    cut(log, 9)
    snapshot = opened(log.location)
    assert is_whole(log.location) and is_whole(log.location, 11)
    assert commit(snapshot, transactions={"app": 13}) == NEWEST + 1
    assert damaged_parts(log.location, opened(log.location).handle) == []
    log.put(commit_name(NEWEST + 1), b'{"commitInfo":{}}\n{"ad')
    with pytest.raises(DamagedLog, match=f"version 13 of the log, {log.path(commit_name(13))}, is damaged"):
        open_snapshot(log.location)


def test_a_restore_of_a_table_with_a_damaged_checkpoint_puts_it_right(location: str) -> None:
    log = made(location)
    cut(log, 9)
    # The files of this table were never written: going back to no file needs none.
    assert restore(opened(location), 0) == NEWEST + 1
    assert (opened(location).files, damaged_parts(location, opened(location).handle)) == ((), [])


REFUSED: dict[str, tuple[Callable[[Log], object], int, str]] = {
    "garbage": (lambda log: log.put(commit_name(12), b"garbage"), 12, "is damaged"),
    "cut": (lambda log: log.put(commit_name(12), log.read(commit_name(12))[:400]), 12, "is damaged"),
    "empty": (lambda log: log.put(commit_name(12), b""), 12, r"is damaged \(it holds no actions\)"),
    "garbage before the newest": (lambda log: log.put(commit_name(11), b"garbage\n"), 11, "is damaged"),
    "no text": (lambda log: log.put(commit_name(11), b"\xff\xfe\n"), 11, "is damaged"),
    "missing": (lambda log: log.remove(commit_name(11)), 11, "is missing"),
    "missing where the checkpoint is cut": (lambda log: cut(log, 9).remove(commit_name(7)), 7, "is missing"),
    "damaged where the checkpoint is cut": (lambda log: cut(log, 9).put(commit_name(7), b"{}{"), 7, "is damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_damaged_or_missing_commit_is_refused_by_its_version(name: str, location: str) -> None:
    log = made(location)
    damage, version, how = REFUSED[name]
    damage(log)
    with pytest.raises(DamagedLog, match=rf"version {version} of the log, .*{version:020d}\.json, {how}.*Mend: put the file back"):
        open_snapshot(location)
    assert is_whole(location, version - 1)
    if how != "is missing":
        with pytest.raises(DamagedLog, match=f"version {version} of the log"):
            list(commits(location))


def test_a_checkpoint_that_cannot_be_made_anew_is_refused_by_its_name(location: str) -> None:
    log = made(location)
    cut(log, 9)
    log.remove(CHECKPOINT.format(4), *(commit_name(version) for version in range(9)))
    with pytest.raises(DamagedLog, match=r"checkpoint 9 of .* cannot be read .* version 0 of the log, .* is missing"):
        open_snapshot(location)
    # What was cleaned up is gone, not damaged; so is what is still to come.
    for version in (4, 99):
        with pytest.raises(VersionGone):
            open_snapshot(location, version)


def test_an_older_commit_that_is_empty_is_found_by_the_look_at_the_log(location: str) -> None:
    log = made(location)
    log.put(commit_name(7), b"")
    state = log_state(location)
    assert state is not None and state.empty == (7,)


def test_a_checkpoint_that_another_makes_meanwhile_is_no_damage(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made(location)
    answers, listings = [DeltaError("503 Service Unavailable")], ["the first"]

    def once_unanswered(place: str, version: int | None = None) -> DeltaTable:
        if answers:
            raise answers.pop()
        return open_handle(place, version)

    def listed(place: str) -> tuple[frozenset[int], dict[int, tuple[str, ...]]]:
        found = log_files(place)
        if listings:
            listings.pop()
            for version in (13, 14):
                commit(opened(place), added=[WrittenFile(f"f{version}.parquet", {}, 10, 1, {})])
        return found

    monkeypatch.setattr(opening, "open_handle", once_unanswered)
    monkeypatch.setattr(opening, "log_files", listed)
    snapshot = opened(location)
    assert json.loads(Log(location).read(POINTER))["version"] == 14
    assert (snapshot.version, damaged_parts(location, snapshot.handle)) == (14, [])


def test_a_log_that_another_cleans_up_meanwhile_is_no_damage(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = made(location)
    answers, listings = [DeltaError("503 Service Unavailable")], ["the first"]

    def once_unanswered(place: str, version: int | None = None) -> DeltaTable:
        if answers:
            raise answers.pop()
        return open_handle(place, version)

    def listed(place: str) -> tuple[frozenset[int], dict[int, tuple[str, ...]]]:
        found = log_files(place)
        if listings:
            listings.pop()
            DeltaTable(place).create_checkpoint()
            log.remove(CHECKPOINT.format(4), CHECKPOINT.format(9), *(commit_name(version) for version in range(NEWEST)))
        return found

    monkeypatch.setattr(opening, "open_handle", once_unanswered)
    monkeypatch.setattr(opening, "log_files", listed)
    assert opened(location).version == NEWEST

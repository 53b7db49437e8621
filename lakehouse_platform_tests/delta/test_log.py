"""History: commits as they were made, and what changed between two versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.delta.log import HistoryGone, changes_between, commits
from lakehouse_platform.delta.snapshot import open_snapshot

Write = Callable[..., list[WrittenFile]]


def reopened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


def paths(files: Iterable[DataFile]) -> set[str]:
    return {file.path for file in files}


def commit_path(table: Snapshot, version: int) -> Path:
    return Path(table.location) / "_delta_log" / f"{version:020}.json"


def test_commits_come_oldest_first_with_their_metadata_as_json_values(table: Snapshot, write: Write) -> None:
    commit(table, added=write(4), metadata={"lakehouse": {"rows": 1, "share": 0.25, "notes": [None, "ü"]}, "by": "hand"})
    commit(reopened(table.location), transactions={"a": 1})
    found = list(commits(table.location))
    assert [(one.version, one.operation, one.has_data_change) for one in found] == [
        (0, "CREATE TABLE", True),
        (1, "WRITE", True),
        (2, "WRITE", False),
    ]
    assert [dict(one.metadata) for one in found] == [{}, {"lakehouse": {"rows": 1, "share": 0.25, "notes": [None, "ü"]}, "by": "hand"}, {}]
    assert found[0].timestamp_ms <= found[1].timestamp_ms <= found[2].timestamp_ms
    assert [one.version for one in commits(table.location, after=1)] == [2]
    assert list(commits(f"{table.location}-not")) == []


def test_a_compaction_changes_no_rows(table: Snapshot, write: Write) -> None:
    commit(table, added=write(4))
    DeltaTable(table.location).optimize.compact()
    assert reopened(table.location).version == 2
    assert [one.has_data_change for one in commits(table.location)] == [True, True, False]
    changes = changes_between(table.location, 1, 2)
    assert (changes.added, changes.removed) == ((), ())
    # What was appended before the compaction is still to be read from the files that were appended.
    assert [file.rows for file in changes_between(table.location, 0, 2).added] == [1]


def test_what_came_and_went_inside_the_range_cancels_out(table: Snapshot, write: Write) -> None:
    commit(table, added=write(4, day=2))
    middle = reopened(table.location)
    passing = [file for file in middle.files if file.path not in paths(table.files)]
    commit(middle, added=write(5, day=3), removed=passing)
    last = reopened(table.location)

    changes = changes_between(table.location, 0, 2)
    assert paths(changes.added) == paths(last.files) - paths(table.files)
    assert changes.removed == ()
    assert paths(changes_between(table.location, 1, 2).removed) == paths(passing)
    assert paths(changes_between(table.location, -1, 2).added) == paths(last.files)
    nothing = changes_between(table.location, 2, 2)
    assert (nothing.added, nothing.removed) == ((), ())


def test_changed_files_can_be_read_and_pruned_like_those_of_a_snapshot(table: Snapshot, write: Write) -> None:
    commit(table, added=write(4, 7), removed=table.files)
    changes = changes_between(table.location, 0, 1)
    assert changes.added == reopened(table.location).files
    (gone,) = changes.removed
    assert (gone.uri, gone.partition_values, gone.size_bytes) == (table.files[0].uri, {"day": "2024-01-01"}, table.files[0].size_bytes)


def test_where_a_commit_is_missing_the_two_versions_are_compared(table: Snapshot, write: Write) -> None:
    snapshot = table
    for number in range(12):
        commit(snapshot, added=write(10 + number), removed=snapshot.files[:1])
        snapshot = reopened(table.location)
    whole = changes_between(table.location, 9, 12)
    tracked = changes_between(table.location, 0, 12)
    for version in range(9):
        commit_path(table, version).unlink()
    assert changes_between(table.location, 9, 12) == whole
    with pytest.raises(HistoryGone, match="no version 0"):
        changes_between(table.location, 0, 12)
    assert len(tracked.removed) == 1


def test_a_missing_commit_between_two_versions_that_open_is_no_loss(table: Snapshot, write: Write) -> None:
    snapshot = table
    for number in range(12):
        commit(snapshot, added=write(10 + number, day=2))
        snapshot = reopened(table.location)
        if number == 4:
            snapshot.handle.create_checkpoint()
    whole = changes_between(table.location, 5, 12)
    commit_path(table, 6).unlink()
    found = changes_between(table.location, 5, 12)
    assert (paths(found.added), paths(found.removed)) == (paths(whole.added), paths(whole.removed))


def test_a_restore_in_between_is_told(table: Snapshot, write: Write) -> None:
    commit(table, added=write(4))
    DeltaTable(table.location).restore(0)
    commit(reopened(table.location), added=write(5))
    with pytest.raises(HistoryGone, match="version 2 restored an earlier one"):
        changes_between(table.location, 1, 3)
    assert [file.rows for file in changes_between(table.location, 2, 3).added] == [1]


def test_files_that_were_vacuumed_are_told(table: Snapshot, write: Write) -> None:
    commit(table, added=write(4), removed=table.files)
    DeltaTable(table.location).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(HistoryGone, match="has been vacuumed"):
        changes_between(table.location, 0, 1)
    assert len(changes_between(table.location, -1, 1).added) == 1


def test_a_table_that_is_gone_is_told(location: str) -> None:
    with pytest.raises(HistoryGone, match="is no table"):
        changes_between(location, 0, 1)


def test_a_commit_without_information_is_a_commit(table: Snapshot) -> None:
    commit_path(table, 1).write_text(json.dumps({"txn": {"appId": "a", "version": 1}}) + "\n", encoding="utf-8")
    last = list(commits(table.location))[-1]
    assert (last.version, last.operation, last.timestamp_ms, last.has_data_change) == (1, "UNKNOWN", 0, False)

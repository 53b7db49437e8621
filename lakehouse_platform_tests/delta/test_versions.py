"""Which versions there are, when they were committed and which can be read still, on disk and in an object store."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse_platform.contracts.types import BIGINT
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.delta.tags import add_tag, pinned_versions, remove_tag
from lakehouse_platform.delta.versions import (
    openable_versions,
    ordered_times,
    readable_versions,
    snapshot_as_of,
    spelled_versions,
    version_at,
    version_called,
)
from lakehouse_platform.engine.duckdb import open_session
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import files as storage
from lakehouse_platform.writes import tables

Write = Callable[..., list[WrittenFile]]


def opened(location: str, version: int | None = None) -> Snapshot:
    snapshot = open_snapshot(location, version)
    assert snapshot is not None
    return snapshot


@pytest.fixture
def long(table: Snapshot, write: Write) -> Snapshot:
    """Versions 0 to 6: 1 to 3 append, 4 replaces all, 5 and 6 append."""
    for number in range(1, 7):
        now = opened(table.location)
        commit(now, added=write(10 + number, day=number), removed=now.files if number == 4 else ())
    return opened(table.location)


def say(location: str, version: int, milliseconds: int) -> None:
    """Let a commit say that it was made at a time."""
    path = Path(location, "_delta_log", f"{version:020}.json")
    actions = [json.loads(line) for line in path.read_text().splitlines()]
    for action in actions:
        if "commitInfo" in action:
            action["commitInfo"]["timestamp"] = milliseconds
    path.write_text("".join(json.dumps(action) + "\n" for action in actions))


def test_commits_of_one_time_or_of_an_earlier_one_count_as_a_millisecond_later() -> None:
    assert ordered_times([(0, 10), (1, 10), (2, 10), (3, 12), (4, 5), (5, 100)]) == {0: 10, 1: 11, 2: 12, 3: 13, 4: 14, 5: 100}
    assert ordered_times([(7, 10), (8, 9)]) == {7: 10, 8: 11}
    assert ordered_times([]) == {}


def test_an_instant_shows_the_last_version_committed_by_then(long: Snapshot) -> None:
    for version, said in enumerate((1_000, 2_000, 2_000, 1_500, 9_000, 9_500, 9_500)):
        say(long.location, version, said)
    for milliseconds, version in ((1_000, 0), (1_999.9, 0), (2_000, 1), (2_001, 2), (2_002, 3), (8_999.999, 3), (9_000, 4), (1e12, 6)):
        assert version_at(long.location, datetime.fromtimestamp(milliseconds / 1000, UTC), name="t") == version, milliseconds
    with pytest.raises(
        VersionGone, match=r"t did not exist at 1970-01-01T00:00:00\.999000\+00:00: its first version is of 1970-01-01T00:00:01\+00:00"
    ):
        version_at(long.location, datetime(1970, 1, 1, 0, 0, 0, 999_000), name="t")  # noqa: DTZ001 -- without a zone it is UTC
    for version in range(3):
        Path(long.location, "_delta_log", f"{version:020}.json").unlink()
    with pytest.raises(
        VersionGone, match=r"its log goes back to 1970-01-01T00:00:01\.500000\+00:00 \(version 3\), not to 1970-01-01T00:00:01\+00:00"
    ):
        version_at(long.location, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), name="t")


def test_a_number_a_tag_and_a_timestamp_are_told_apart(long: Snapshot) -> None:
    add_tag(long.location, "v5", 2)
    assert [version_called(long.location, text, name="t") for text in ("5", "v5", "007")] == [5, 2, 7]
    say(long.location, 0, 1_000)
    assert version_called(long.location, "1970-01-01 00:00:01", name="t") == 0
    assert version_called(long.location, "1970-01-01T02:00:01+02:00", name="t") == 0
    for text in ("", "-1", "5.0", "v6", "../5"):
        with pytest.raises(VersionGone, match="none of its tags, which are v5"):
            version_called(long.location, text, name="t")


def test_what_a_vacuum_and_a_clean_up_of_the_log_leave_is_told(long: Snapshot) -> None:
    assert readable_versions(long) == list(range(7))
    (first,) = opened(long.location, 0).files
    Path(first.uri).unlink()
    assert readable_versions(long) == [4, 5, 6]
    add_tag(long.location, "kept", 5)
    with pytest.raises(
        VersionGone,
        match=r"t: version 2 cannot be read any more: 1 of its 3 files were vacuumed, such as .*; still there: versions 4 to 6 \(tags: kept = 5\)",
    ):
        snapshot_as_of(long, 2, name="t")
    DeltaTable(long.location, version=5).create_checkpoint()
    for version in range(5):
        Path(long.location, "_delta_log", f"{version:020}.json").unlink()
    assert openable_versions(long.location) == [5, 6]
    with pytest.raises(VersionGone, match=r"t: version 4 was cleaned out of its log; still there: versions 5 to 6 \(tags: kept = 5\)"):
        snapshot_as_of(opened(long.location), 4, name="t")
    assert snapshot_as_of(opened(long.location), 5, name="t").version == 5


def test_versions_in_a_sentence() -> None:
    assert [spelled_versions(each) for each in ([], [3], [0, 1, 2], [0, 2, 3, 9])] == ["none", "3", "0 to 2", "0, 2 to 3 and 9"]


def test_a_table_in_an_object_store_has_versions_and_tags_like_any_other(bucket: str, tmp_path: Path) -> None:
    location = f"{bucket}/tables/kept"
    create_table(location, (Field("id", BIGINT),), ())
    with open_session(Settings(home=tmp_path / "home", tables=bucket, threads=1)) as session:
        for number in range(3):
            tables.overwrite(session, location, f"SELECT {number}::BIGINT AS id")
    tag = add_tag(location, "month_end", 2)
    assert add_tag(location, "month_end", 2) == tag
    assert (pinned_versions(location), version_called(location, "month_end", name="t")) == (frozenset({2}), 2)
    now = opened(location)
    assert version_at(location, datetime.now(UTC), name="t") == now.version == 3
    storage.delete(file.uri for file in opened(location, 1).files)
    assert readable_versions(now) == [0, 2, 3]
    with pytest.raises(VersionGone, match=r"still there: versions 0 and 2 to 3 \(tags: month_end = 2\)"):
        snapshot_as_of(now, 1, name="t")
    remove_tag(location, "month_end")
    assert pinned_versions(location) == frozenset()

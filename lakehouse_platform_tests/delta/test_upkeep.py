"""Checkpoints and log clean-up: what is kept opens as before, its commits tell what they told, and the rest is gone from the oldest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import Snapshot, WrittenFile
from lakehouse_platform.delta.inspection import inspect_table
from lakehouse_platform.delta.integrity import log_state
from lakehouse_platform.delta.log import changes_between, commits, identity_of
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.delta.tags import add_tag
from lakehouse_platform.delta.upkeep import checkpoint, clean_log
from lakehouse_platform.delta.versions import readable_versions
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.storage import files as storage

Write = Callable[..., list[WrittenFile]]
MUCH_LATER = timedelta(hours=721)


@pytest.fixture
def grown(table: Snapshot, write: Write) -> Snapshot:
    """The table after 25 commits, with checkpoints at 9 and 19."""
    snapshot = table
    for number in range(25):
        commit(snapshot, added=write(100 + number, day=2 + number % 3), transactions={"reader": number}, metadata={"number": number})
        snapshot = reopened(table.location)
    return snapshot


def reopened(location: str, version: int | None = None) -> Snapshot:
    snapshot = open_snapshot(location, version)
    assert snapshot is not None
    return snapshot


def test_a_checkpoint_is_made_where_there_is_none_and_no_second(grown: Snapshot) -> None:
    assert checkpoint(grown.location) == 25
    path = Path(grown.location, "_delta_log", f"{25:020}.checkpoint.parquet")
    made = path.stat().st_mtime_ns
    assert checkpoint(grown.location) == 25
    assert path.stat().st_mtime_ns == made


def test_the_log_begins_at_the_checkpoint_before_what_is_needed(grown: Snapshot) -> None:
    later = datetime.now(UTC) + MUCH_LATER
    before = [(one.version, one.metadata) for one in commits(grown.location, after=8)]
    identity, files = identity_of(grown.location), {version: reopened(grown.location, version).files for version in range(9, 26)}
    changed = changes_between(grown.location, 12, 25)
    planned = clean_log(grown.location, keep_from_version=13, now=later, dry_run=True)
    done = clean_log(grown.location, keep_from_version=13, now=later)
    assert (done.first_version, done.commits, planned) == (9, 9, done)
    state = log_state(grown.location)
    assert state is not None
    assert (state.first, state.last, state.missing) == (9, 25, ())
    assert [(one.version, one.metadata) for one in commits(grown.location)] == before
    assert {version: reopened(grown.location, version).files for version in files} == files
    assert identity_of(grown.location) == identity
    assert changes_between(grown.location, 12, 25) == changed
    assert reopened(grown.location).transaction_version("reader") == 24
    assert readable_versions(reopened(grown.location)) == list(range(9, 26))
    with pytest.raises(VersionGone):
        open_snapshot(grown.location, 8)
    assert restore(reopened(grown.location), 9) == 26
    assert reopened(grown.location).rows == 12


@pytest.mark.parametrize(("keep_from", "tagged", "hours", "first"), [(24, None, 720, 19), (24, 11, 720, 9), (8, None, 720, 0), (24, None, 2000, 0)])
def test_what_holds_the_log(grown: Snapshot, keep_from: int, tagged: int | None, hours: float, first: int) -> None:
    if tagged is not None:
        add_tag(grown.location, "kept", tagged)
    done = clean_log(grown.location, keep_from_version=keep_from, log_retention_hours=hours, now=datetime.now(UTC) + MUCH_LATER)
    assert done.first_version == first
    assert reopened(grown.location, first).version == first


def test_commits_of_less_than_a_week_stay(grown: Snapshot) -> None:
    with pytest.raises(LakehouseError, match="kept for 168 hours at least"):
        clean_log(grown.location, keep_from_version=25, log_retention_hours=100)
    assert clean_log(grown.location, keep_from_version=25, log_retention_hours=168).commits == 0


def test_killed_in_the_middle_it_leaves_a_whole_log(grown: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    delete, rows = storage.delete, grown.rows

    def killed(paths: Iterable[str]) -> None:
        delete(list(paths)[:7])
        raise TransientFault("the machine went down")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", killed)
        with pytest.raises(TransientFault):
            clean_log(grown.location, keep_from_version=24, now=datetime.now(UTC) + MUCH_LATER)
    state = log_state(grown.location)
    assert state is not None
    assert (state.first, state.missing, reopened(grown.location).rows) == (7, (), rows)
    assert clean_log(grown.location, keep_from_version=24, now=datetime.now(UTC) + MUCH_LATER).first_version == 19


def test_what_a_look_at_a_table_tells(grown: Snapshot) -> None:
    state = inspect_table(grown.location, 10**6)
    assert state is not None
    assert (state.version, state.files, state.rows, state.small) == (25, 26, 28, 25)
    assert dict(state.small_files) == {(("day", f"2024-01-{day:02}"),): count for day, count in ((2, 9), (3, 8), (4, 8))}
    assert (state.versions, state.checkpoint, state.commits_since, state.last_maintained) == (26, 19, 26, None)
    assert inspect_table(f"{grown.location}-not", 1) is None


def _damage(snapshot: Snapshot, *versions: int) -> None:
    for version in versions:
        Path(snapshot.location, "_delta_log", f"{version:020}.checkpoint.parquet").write_bytes(b"rubbish")


def test_a_damaged_newest_checkpoint_is_made_anew_before_the_commits_before_it_go(grown: Snapshot) -> None:
    checkpoint(grown.location)
    _damage(grown, 25, 19)
    done = clean_log(grown.location, keep_from_version=25, now=datetime.now(UTC) + MUCH_LATER)
    assert (done.first_version, done.commits) == (25, 25)
    assert reopened(grown.location).files == grown.files


def test_a_checkpoint_is_written_beside_a_damaged_one(grown: Snapshot) -> None:
    _damage(grown, 19)
    assert checkpoint(grown.location) == 25
    assert Path(grown.location, "_delta_log", f"{25:020}.checkpoint.parquet").exists()


def test_commits_stay_where_the_checkpoint_that_would_tell_their_state_is_damaged(grown: Snapshot) -> None:
    checkpoint(grown.location)
    files = reopened(grown.location, 20).files
    _damage(grown, 19)
    with pytest.raises(LakehouseError, match=rf"{19:020}\.checkpoint\.parquet: damaged.*nothing was removed"):
        clean_log(grown.location, keep_from_version=20, now=datetime.now(UTC) + MUCH_LATER)
    assert reopened(grown.location, 20).files == files

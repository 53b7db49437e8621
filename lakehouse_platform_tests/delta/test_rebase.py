"""Commits and maintenance that meet: a rearrangement costs nobody its work, and hides from nobody a row that changed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse_platform.delta import commit as commit_module
from lakehouse_platform.delta.commit import CommitConflict, commit
from lakehouse_platform.delta.evolution import add_columns
from lakehouse_platform.delta.files import DataFile, Field, Snapshot, WrittenFile
from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.rebase import Derivation, still_holds
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session

Write = Callable[..., list[WrittenFile]]
Ids = Callable[[], list[int]]


def opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


def of_day(snapshot: Snapshot, day: int) -> list[DataFile]:
    return [file for file in snapshot.files if file.partition_values["day"] == f"2024-01-{day:02d}"]


@pytest.fixture
def days(table: Snapshot, write: Write) -> Snapshot:
    """Rows 1, 2, 3 on the first, in two files, and 11 on the second of January."""
    commit(table, added=[*write(1), *write(2, 3), *write(11, day=2)], removed=table.files)
    return opened(table.location)


def rearranged(snapshot: Snapshot, write: Write) -> int:
    """The first of January in one file, as maintenance writes it."""
    return commit(snapshot, added=write(1, 2, 3), removed=of_day(snapshot, 1), data_change=False, derived_from="files")


def test_what_was_derived_holds_over_a_rearrangement(days: Snapshot, write: Write, ids: Ids) -> None:
    rearranged(opened(days.location), write)
    assert commit(days, added=write(12, day=2), removed=of_day(days, 2), transactions={"app": 7}) == 3
    assert ids() == [1, 2, 3, 12]
    assert opened(days.location).transaction_version("app") == 7
    assert [one.has_data_change for one in commits(days.location)] == [True, True, False, True]


def test_not_where_the_rearrangement_took_the_files_that_it_removes(days: Snapshot, write: Write, ids: Ids) -> None:
    rearranged(opened(days.location), write)
    with pytest.raises(CommitConflict, match="is at version 2, not at 1 any more"):
        commit(days, added=write(4), removed=of_day(days, 1))
    assert ids() == [1, 2, 3, 11]


def test_nor_over_rows_that_came_before_or_after_the_rearrangement(days: Snapshot, write: Write, ids: Ids) -> None:
    rearranged(opened(days.location), write)
    commit(opened(days.location), added=write(4, day=3))
    with pytest.raises(CommitConflict, match="is at version 3, not at 1 any more"):
        commit(days, added=write(4, day=3))
    assert ids() == [1, 2, 3, 4, 11]


Between = Callable[[Snapshot, Write], object]
CHANGES: dict[str, Between] = {
    "a commit of a cursor": lambda now, _: commit(now, transactions={"app": 1}),
    "a commit of words alone": lambda now, _: commit(now, metadata={"by": "hand"}),
    "new columns": lambda now, _: add_columns(now, [Field("more", now.columns[0].type)]),
    "a restore": lambda now, _: restore(now, 0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nor_over_a_commit_that_is_more_than_a_rearrangement(name: str, days: Snapshot, write: Write) -> None:
    CHANGES[name](opened(days.location), write)
    with pytest.raises(CommitConflict, match="is at version 2, not at 1 any more"):
        commit(days, added=write(4))


def test_maintenance_holds_over_whatever_leaves_its_files(days: Snapshot, write: Write, ids: Ids) -> None:
    commit(opened(days.location), added=write(4), transactions={"app": 1})
    now = opened(days.location)
    commit(now, added=write(12, day=2), removed=of_day(now, 2))
    commit(opened(days.location), metadata={"by": "hand"})
    assert rearranged(days, write) == 5
    assert ids() == [1, 2, 3, 4, 12]


def test_maintenance_loses_where_one_of_its_files_went(days: Snapshot, write: Write, ids: Ids) -> None:
    now = opened(days.location)
    commit(now, added=write(20), removed=of_day(now, 1)[:1])
    with pytest.raises(CommitConflict):
        rearranged(days, write)
    assert 20 in ids() and len(of_day(opened(days.location), 1)) == 2


def test_maintenance_loses_to_a_commit_that_changes_the_table(days: Snapshot, write: Write) -> None:
    add_columns(opened(days.location), [Field("more", days.columns[0].type)])
    with pytest.raises(CommitConflict):
        rearranged(days, write)


def test_maintenance_loses_to_a_restore_though_its_files_stand(days: Snapshot, write: Write) -> None:
    commit(opened(days.location), added=write(4))
    restore(opened(days.location), days.version)
    assert {file.path for file in opened(days.location).files} == {file.path for file in days.files}
    with pytest.raises(CommitConflict):
        rearranged(days, write)


def test_a_restore_follows_nothing_but_its_snapshot(days: Snapshot, write: Write) -> None:
    rearranged(opened(days.location), write)
    with pytest.raises(CommitConflict):
        restore(days, 0)


def test_other_columns_follow_nothing_but_their_snapshot(days: Snapshot, write: Write, session: Session) -> None:
    rearranged(opened(days.location), write)
    wider = [*days.columns, Field("note", days.columns[1].type)]
    added = session.write("SELECT 1::BIGINT AS id, 'n' AS name, '' AS note, DATE '2024-01-03' AS day", days.location, ["day"])
    with pytest.raises(CommitConflict):
        commit(days, added=added, removed=days.files, columns=wider)


def test_a_commit_runs_after_others_for_so_long(days: Snapshot, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time that maintenance would follow, another has come first."""
    follows: list[int] = []

    def holds(location: str, versions: range, removed: Collection[str], derived_from: Derivation) -> bool:
        follows.append(len(versions))
        answer = still_holds(location, versions, removed, derived_from)
        commit(opened(location), added=write(100 + len(follows), day=3))
        return answer

    commit(opened(days.location), added=write(100, day=3))
    with monkeypatch.context() as patch:
        patch.setattr(commit_module, "still_holds", holds)
        with pytest.raises(CommitConflict, match="moves faster than this commit could follow"):
            rearranged(days, write)
    # Each look is at what came since the last.
    assert follows == [1] * 10
    assert rearranged(days, write) == 13


def test_writers_and_maintenance_at_once_lose_nothing(days: Snapshot, write: Write, ids: Ids) -> None:
    location, tries = days.location, []
    files = {number: write(number, day=3) for number in range(100, 112)}
    whole = {number: write(1, 2, 3) for number in range(6)}

    def add(number: int) -> int:
        return with_retries(lambda: commit(opened(location), added=files[number]), 50)

    def tidy(number: int) -> int:
        def attempt() -> int:
            tries.append(number)
            now = opened(location)
            return commit(now, added=whole[number], removed=of_day(now, 1), data_change=False, derived_from="files")

        return with_retries(attempt, 50)

    with ThreadPoolExecutor(4) as pool:
        done = [*pool.map(add, files), *pool.map(tidy, whole)]
    assert sorted(done) == list(range(2, 20))
    assert ids() == [1, 2, 3, 11, *sorted(files)]
    assert len(of_day(opened(location), 1)) == len(whole[0])

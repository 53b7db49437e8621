"""Tables in an object store: writers that meet, answers that are lost, and how often the store is asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import BIGINT
from lakehouse_platform.delta.commit import CommitConflict, commit, create_table
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.integrity import log_state, missing_files
from lakehouse_platform.delta.log import changes_between, commits
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.problems import TransientFault
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import files
from lakehouse_platform_tests.faulty_store import Fault, FaultyStore

COLUMNS = (Field("writer", BIGINT), Field("number", BIGINT))
WRITERS, APPENDS = 4, 10


@pytest.fixture
def location(bucket: str) -> str:
    return f"{bucket}/tables/t"


@pytest.fixture
def session(location: str, tmp_path: Path) -> Iterator[Session]:
    with open_session(Settings(home=tmp_path / "home", tables=location, threads=1)) as opened:
        yield opened


def opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


def append(session: Session, location: str, writer: int, number: int) -> int:
    def attempt() -> int:
        snapshot = opened(location)
        return commit(snapshot, added=session.write(f"SELECT {writer}::BIGINT AS writer, {number}::BIGINT AS number", location, []))

    return with_retries(attempt, 100, sleep=lambda seconds: time.sleep(min(seconds, 0.2)))


def rows(session: Session, location: str, version: int | None = None) -> list[tuple[int, int]]:
    snapshot = open_snapshot(location, version)
    assert snapshot is not None
    return [(writer, number) for writer, number in session.rows(f"SELECT writer, number FROM ({snapshot_scan(snapshot)}) ORDER BY ALL")]


def write_many(home: str, location: str, writer: int) -> None:
    with open_session(Settings(home=Path(home), tables=location, threads=1)) as session:
        for number in range(APPENDS):
            append(session, location, writer, number)


def test_four_writers_at_once_lose_and_double_nothing(session: Session, location: str, tmp_path: Path) -> None:
    create_table(location, COLUMNS, [])
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda writer: write_many(str(tmp_path / str(writer)), location, writer), range(WRITERS)))
    assert rows(session, location) == [(writer, number) for writer in range(WRITERS) for number in range(APPENDS)]
    state = log_state(location)
    assert state is not None
    assert (state.last, state.missing) == (WRITERS * APPENDS, ())


def test_of_two_who_derived_from_one_version_one_loses(session: Session, location: str) -> None:
    create_table(location, COLUMNS, [])
    first, second = opened(location), opened(location)
    assert commit(first, added=session.write("SELECT 1::BIGINT AS writer, 1::BIGINT AS number", location, [])) == 1
    with pytest.raises(CommitConflict, match=r"is at version 1, not at 0 any more"):
        commit(second, added=session.write("SELECT 2::BIGINT AS writer, 1::BIGINT AS number", location, []))
    with pytest.raises(CommitConflict):
        create_table(location, COLUMNS, [])
    assert rows(session, location) == [(1, 1)]


@pytest.mark.parametrize("status", [500, 503, None])
def test_a_commit_whose_answer_is_lost_is_known_as_ones_own(faulty: FaultyStore, session: Session, location: str, status: int | None) -> None:
    create_table(location, COLUMNS, [])
    fault = faulty.fail(Fault("after", "PUT", r"_delta_log/0+1\.json", status=status))
    assert append(session, location, 1, 1) == 1
    assert fault.hit == 1
    assert append(session, location, 1, 2) == 2
    assert rows(session, location) == [(1, 1), (1, 2)]


def test_a_commit_that_was_sent_twice_is_known_as_ones_own(
    faulty: FaultyStore, session: Session, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client sends again what the store has taken, and finds the name taken: by itself."""
    create_table(location, COLUMNS, [])
    monkeypatch.setenv("LAKEHOUSE_STORE_RETRIES", "3")
    faulty.fail(Fault("after", "PUT", r"_delta_log/0+1\.json", status=500))
    assert append(session, location, 1, 1) == 1
    assert [request.status for request in faulty.seen("PUT", r"_delta_log/0+1\.json")] == [500, 412]
    assert rows(session, location) == [(1, 1)]


@pytest.mark.parametrize("when", ["before", "instead"])
def test_a_commit_that_the_store_never_took_is_no_commit(faulty: FaultyStore, session: Session, location: str, when: str) -> None:
    create_table(location, COLUMNS, [])
    snapshot = opened(location)
    added = session.write("SELECT 1::BIGINT AS writer, 1::BIGINT AS number", location, [])
    faulty.fail(Fault("before" if when == "before" else "instead", "PUT", r"_delta_log/0+1\.json", status=503))
    with pytest.raises(TransientFault):
        commit(snapshot, added=added)
    assert rows(session, location) == []
    assert commit(snapshot, added=added) == 1
    assert rows(session, location) == [(1, 1)]


def test_history_and_what_is_missing(session: Session, location: str) -> None:
    create_table(location, COLUMNS, [])
    for number in range(15):
        append(session, location, 1, number)
    assert [each.version for each in commits(location)] == list(range(16))
    assert len(changes_between(location, 3, 7).added) == 4
    assert rows(session, location, 5) == [(1, number) for number in range(5)]
    assert restore(opened(location), 5) == 16
    assert rows(session, location) == [(1, number) for number in range(5)]
    append(session, location, 2, 0)
    snapshot = opened(location)
    assert missing_files(snapshot) == []
    files.delete([snapshot.files[0].uri])
    assert missing_files(opened(location)) == [snapshot.files[0].path]


def test_files_of_a_version_are_looked_up_in_one_list(session: Session, location: str, faulty: FaultyStore) -> None:
    many = [file for number in range(20) for file in session.write(f"SELECT 1::BIGINT AS writer, {number}::BIGINT AS number", location, [])]
    create_table(location, COLUMNS, [], added=many)
    snapshot = opened(location)
    faulty.requests.clear()
    assert missing_files(snapshot) == []
    assert Counter(request.method for request in faulty.requests) == {"GET": 1}


def test_a_version_that_the_store_keeps_from_being_opened_is_not_gone(session: Session, location: str, faulty: FaultyStore) -> None:
    # Vacuum and log clean-up pass over a tag's version that is gone, and would delete its files.
    create_table(location, COLUMNS, [])
    for number in range(11):
        append(session, location, 0, number)
    checkpoint = r"\.checkpoint\.parquet"
    # The table cannot be opened; the checkpoint can be copied and is whole; then again it cannot be opened.
    faulty.fail(Fault("instead", "GET", checkpoint))
    faulty.fail(Fault("instead", "GET", checkpoint, times=None, skip=1))
    with pytest.raises(TransientFault, match="version 10 cannot be opened"):
        open_snapshot(location, 10)
    faulty.heal()
    assert opened(location).version == 11

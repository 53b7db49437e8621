"""Commits: compare-and-swap against real concurrent writers, transactions, and what is never seen."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from lakehouse_platform.contracts.types import BIGINT, DATE, DOUBLE, STRING, TIMESTAMP
from lakehouse_platform.delta.commit import CommitConflict, commit, create_table
from lakehouse_platform.delta.files import DataFile, Field, Snapshot, WrittenFile
from lakehouse_platform.delta.log import HistoryGone, changes_between, commits
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.problems import LakehouseError

Write = Callable[..., list[WrittenFile]]
Ids = Callable[[], list[int]]


def reopened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


def test_a_commit_adds_and_removes_files_and_nothing_else(table: Snapshot, write: Write, ids: Ids) -> None:
    assert commit(table, added=write(10, day=2)) == 1
    middle = reopened(table.location)
    kept = {file.path for file in middle.files if file.partition_values["day"] == "2024-01-02"}
    assert commit(middle, added=write(4, 5), removed=[file for file in middle.files if file.path not in kept]) == 2
    assert ids() == [4, 5, 10]
    assert kept < {file.path for file in reopened(table.location).files}


def test_a_file_that_is_written_but_not_committed_is_never_seen(table: Snapshot, write: Write, ids: Ids) -> None:
    assert write(99)
    assert ids() == [1, 2, 3]


def test_the_second_of_two_commits_from_one_snapshot_loses(table: Snapshot, write: Write, ids: Ids) -> None:
    other = reopened(table.location)
    commit(other, added=write(4), removed=other.files)
    with pytest.raises(CommitConflict, match="is at version 1, not at 0"):
        commit(table, added=write(5), removed=table.files)
    assert ids() == [4]


def test_a_blind_append_in_between_is_a_conflict_too(table: Snapshot, write: Write, ids: Ids) -> None:
    (appended,) = write(4)
    action = AddAction(appended.path, appended.size_bytes, dict(appended.partition_values), 0, data_change=True, stats='{"numRecords":1}')
    foreign = DeltaTable(table.location)
    foreign.create_write_transaction([action], mode="append", schema=foreign.schema(), partition_by=["day"])
    with pytest.raises(CommitConflict):
        commit(table, added=write(4))
    assert ids() == [1, 2, 3, 4]


def test_no_update_is_lost_between_writers_that_retry(table: Snapshot, ids: Ids, session: Session) -> None:
    """Each writer reads the counter, raises it by one and replaces the file: with a lost update, the counter ends too low."""
    files = {
        number: session.write(f"SELECT {number}::BIGINT AS id, 'c' AS name, DATE '2024-02-01' AS day", table.location, ["day"])
        for number in range(2, 40)
    }
    commit(table, added=session.write("SELECT 1::BIGINT AS id, 'c' AS name, DATE '2024-02-01' AS day", table.location, ["day"]), removed=table.files)

    def raise_counter() -> int:
        snapshot = reopened(table.location)
        (counter,) = snapshot.files
        return commit(snapshot, added=files[counter.maximums["id"] + 1], removed=[counter], transactions={"counter": counter.maximums["id"] + 1})

    def writer(_: int) -> None:
        for _ in range(4):
            with_retries(raise_counter, tries=50, sleep=lambda _: None)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(writer, range(4)))
    assert ids() == [17]
    assert reopened(table.location).transaction_version("counter") == 17
    assert reopened(table.location).version == 17


def test_one_of_two_creators_wins(location: str, write: Write, ids: Ids) -> None:
    columns = (Field("id", BIGINT), Field("name", STRING), Field("day", STRING))
    added = [write(1), write(2)]

    def create(number: int) -> int | None:
        try:
            return create_table(location, columns, ["day"], added=added[number])
        except CommitConflict:
            return None

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(create, range(2)))
    assert sorted(outcomes, key=str) == [0, None]
    assert ids() == [outcomes.index(0) + 1]
    with pytest.raises(CommitConflict, match="is a table already"):
        create_table(location, columns, ["day"])


def test_transactions_and_metadata_come_with_the_commit(table: Snapshot) -> None:
    assert table.transaction_version("input:a") is None
    assert commit(table, transactions={"input:a": 7, "input:b": 0}, metadata={"lakehouse": {"rows": 3}}) == 1
    snapshot = reopened(table.location)
    assert (snapshot.transaction_version("input:a"), snapshot.transaction_version("input:b")) == (7, 0)
    assert table.transaction_version("input:a") is None, "a snapshot stays as it was opened"


def test_every_tenth_commit_writes_a_checkpoint_and_no_log_is_removed(table: Snapshot, write: Write, ids: Ids) -> None:
    snapshot = table
    for number in range(25):
        commit(snapshot, added=write(100 + number), transactions={"n": number})
        snapshot = reopened(table.location)
    log = Path(table.location) / "_delta_log"
    assert len(list(log.glob("*.checkpoint.parquet"))) == 2
    assert len(list(log.glob("*.json"))) == 26
    assert ids() == [1, 2, 3, *range(100, 125)]
    assert snapshot.transaction_version("n") == 24


def test_partition_values_that_need_encoding_can_be_replaced(location: str, session: Session) -> None:
    names = ["a b", "ü/%=:", "x*?[]", "'\"#&+;", "%20", "😀", "__HIVE_DEFAULT_PARTITION__", "..", None]
    values = ", ".join(
        f"({number}::BIGINT, {'NULL' if name is None else chr(39) + name.replace(chr(39), chr(39) * 2) + chr(39)})"
        for number, name in enumerate(names)
    )
    added = session.write(f"SELECT * FROM (VALUES {values}) AS t(id, name)", location, ["name"])
    create_table(location, (Field("id", BIGINT), Field("name", STRING)), ["name"], added=added)
    snapshot = reopened(location)
    assert {file.partition_values["name"] for file in snapshot.files} == set(names)
    assert all(Path(file.uri).exists() for file in snapshot.files)
    commit(snapshot, removed=snapshot.files)
    assert reopened(location).files == ()


def test_a_path_that_cannot_be_removed_is_refused(table: Snapshot) -> None:
    strange = DataFile("day%3D2024-01-01/x.parquet", "", {"day": "2024-01-01"}, 1, 1)
    with pytest.raises(LakehouseError, match="spelt this path"):
        commit(table, removed=[strange])


def test_an_empty_partition_value_is_refused(location: str, session: Session) -> None:
    added = session.write("SELECT 1::BIGINT AS id, '' AS name", location, ["name"])
    with pytest.raises(LakehouseError, match="'name': the log cannot tell an empty partition value from null"):
        create_table(location, (Field("id", BIGINT), Field("name", STRING)), ["name"], added=added)


def test_a_day_that_no_reader_has_is_refused_as_a_partition(table: Snapshot, session: Session, ids: Ids) -> None:
    added = session.write("SELECT 4::BIGINT AS id, 'n' AS name, DATE '10000-01-01' AS day", table.location, ["day"])
    with pytest.raises(LakehouseError, match="column 'day': no reader opens a table with the partition 10000-01-01"):
        commit(table, added=added)
    with pytest.raises(LakehouseError, match="column 'day'"):
        create_table(f"{table.location}_other", table.columns, ["day"], added=added)
    assert ids() == [1, 2, 3]


@pytest.mark.parametrize("column", [Field("at", TIMESTAMP), Field("x", DOUBLE)])
def test_partition_columns_have_one_spelling(location: str, column: Field) -> None:
    with pytest.raises(LakehouseError, match=f"partition column '{column.name}' is {column.type}"):
        create_table(location, [Field("id", BIGINT), column], [column.name])
    with pytest.raises(LakehouseError, match="'nothing' is no column"):
        create_table(location, [Field("id", BIGINT), column], ["nothing"])


def test_a_table_is_stamped_and_can_be_configured(location: str) -> None:
    assert create_table(f"{location}/", (Field("id", BIGINT, nullable=False),), [], configuration={"delta.appendOnly": "true"}) == 0
    snapshot = reopened(location)
    assert snapshot.configuration == {
        "delta.checkpointInterval": "10",
        "delta.enableExpiredLogCleanup": "false",
        "delta.dataSkippingNumIndexedCols": "-1",
        "delta.appendOnly": "true",
    }
    assert snapshot.columns == (Field("id", BIGINT, nullable=False),)


WIDER = (Field("id", STRING), Field("note", STRING), Field("day", DATE))


def rewritten(session: Session, table: Snapshot) -> list[WrittenFile]:
    return session.write("SELECT '7' AS id, 'new' AS note, DATE '2024-01-03' AS day", table.location, ["day"])


def test_a_table_gets_other_columns_with_its_new_files_in_one_commit(table: Snapshot, session: Session) -> None:
    commit(table, transactions={"input:x": 4}, metadata={"lakehouse": {"step": "increment"}})
    before = reopened(table.location)
    changed = commit(before, added=rewritten(session, table), removed=before.files, columns=WIDER, metadata={"lakehouse": {"step": "rebuild"}})
    after = reopened(table.location)
    assert (changed, after.version, after.columns) == (2, 2, WIDER)
    assert session.rows(f"SELECT * FROM ({snapshot_scan(after)})") == [("7", "new", date(2024, 1, 3))]
    assert (after.table_id, after.configuration, after.transaction_version("input:x")) == (before.table_id, before.configuration, 4)
    assert next(iter(commits(table.location, 1))).metadata == {"lakehouse": {"step": "rebuild"}}
    with pytest.raises(HistoryGone, match="other columns"):
        changes_between(table.location, 1, 2)
    assert len(changes_between(table.location, -1, 2).added) == 1
    assert session.rows(f"SELECT count(*) FROM ({snapshot_scan(reopened_at(table.location, 1))})") == [(3,)]


def test_of_a_change_of_columns_and_another_commit_the_second_loses(table: Snapshot, session: Session, write: Write, ids: Ids) -> None:
    other = reopened(table.location)
    commit(other, added=write(4))
    with pytest.raises(CommitConflict, match="is at version 1, not at 0"):
        commit(table, added=rewritten(session, table), removed=table.files, columns=WIDER)
    assert ids() == [1, 2, 3, 4]
    now = reopened(table.location)
    late = reopened(table.location)
    commit(now, added=rewritten(session, table), removed=now.files, columns=WIDER)
    with pytest.raises(CommitConflict):
        commit(late, added=write(5))
    assert reopened(table.location).columns == WIDER


def test_columns_change_only_with_all_of_the_files(table: Snapshot, session: Session) -> None:
    with pytest.raises(LakehouseError, match="files of other columns would stay"):
        commit(table, added=rewritten(session, table), columns=WIDER)
    assert reopened(table.location).version == 0


def test_the_same_columns_in_another_order_are_no_change(table: Snapshot, write: Write, ids: Ids) -> None:
    commit(table, added=write(4), columns=tuple(reversed(table.columns)))
    assert ids() == [1, 2, 3, 4]
    assert reopened(table.location).columns == table.columns


def reopened_at(location: str, version: int) -> Snapshot:
    snapshot = open_snapshot(location, version)
    assert snapshot is not None
    return snapshot

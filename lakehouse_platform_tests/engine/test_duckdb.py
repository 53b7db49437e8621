"""Sessions: their settings, their errors, and the files that a write leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import BIGINT, DATE, INT, STRING, TIMESTAMP
from lakehouse_platform.engine.duckdb import QueryError, Session, memory_session, open_session
from lakehouse_platform.settings import Settings


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with open_session(Settings(home=tmp_path / "home", memory_limit_bytes=300_000_000, threads=1)) as opened:
        yield opened


def test_settings_hold(session: Session) -> None:
    names = ("threads", "TimeZone", "ieee_floating_point_ops", "autoinstall_known_extensions", "autoload_known_extensions")
    found = session.row("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    assert found == (1, "UTC", False, False, False)
    assert session.row("SELECT TIMESTAMPTZ '2024-01-01 00:00:00'") == (datetime(2024, 1, 1, tzinfo=UTC),)


def test_sessions_spill_into_folders_of_their_own_that_go_with_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, memory_limit_bytes=25_000_000, threads=1)
    with open_session(settings) as first, open_session(settings) as second:
        for session in (first, second):
            session.table("big", "SELECT i, md5(i::VARCHAR) AS text FROM range(1_000_000) AS t(i)")
        folders = list(settings.scratch.iterdir())
        assert len(folders) == 2
        assert all(any(folder.iterdir()) for folder in folders)
        assert first.row("SELECT count(DISTINCT i) FROM big") == (1_000_000,)
    assert list(settings.scratch.iterdir()) == []


@pytest.mark.parametrize("expression", ["1 / 0", "1.5::DOUBLE / 0", "1::DECIMAL(5,2) / 0", "1 // 0", "1 % 0", "2147483647::INTEGER + 1::INTEGER"])
def test_what_fails_in_ansi_mode_fails(session: Session, expression: str) -> None:
    with pytest.raises(QueryError):
        session.rows(f"SELECT {expression}")


def test_errors_carry_duckdbs_message(session: Session) -> None:
    for call in (
        session.execute,
        session.rows,
        session.row,
        session.describe,
        lambda sql: session.arrow_reader(sql, 10),
        lambda sql: session.view("v", sql),
    ):
        with pytest.raises(QueryError, match="nothing"):
            call("SELECT nothing")
    with pytest.raises(QueryError, match="must give one row gave 2"):
        session.row("SELECT unnest([1, 2])")


def test_describe_names_the_column_that_no_table_can_hold(session: Session) -> None:
    assert session.describe("SELECT 1 AS a, 'x' AS b, now() AS c") == {"a": INT, "b": STRING, "c": TIMESTAMP}
    with pytest.raises(QueryError, match="column 'total': DuckDB's type HUGEINT"):
        session.describe("SELECT sum(1) AS total")


def test_views_and_tables_take_each_others_place(session: Session) -> None:
    session.view("v", "SELECT 1 AS a")
    session.table("v", "SELECT 2 AS a")
    session.table("v", "SELECT a + 1 AS a FROM v")
    assert session.rows("FROM v") == [(3,)]
    session.view("v", "SELECT 4 AS a")
    assert session.rows("FROM v") == [(4,)]
    session.drop("v")
    session.drop("v")
    with pytest.raises(QueryError):
        session.rows("FROM v")


def test_rows_stream_in_batches(session: Session) -> None:
    reader = session.arrow_reader("SELECT i FROM range(5000) AS t(i)", 2048)
    assert sum(batch.num_rows for batch in reader) == 5000


def test_a_partitioned_write_tells_of_every_file(session: Session, tmp_path: Path) -> None:
    location = str(tmp_path / "t")
    query = "SELECT i AS id, CASE WHEN i % 3 = 0 THEN NULL ELSE 'p q' END AS part, DATE '2024-01-01' + (i % 2)::INTEGER AS day FROM range(12) AS t(i)"
    files = session.write(query, location, ["part", "day"])
    assert {(file.partition_values["part"], file.partition_values["day"], file.rows) for file in files} == {
        ("p q", "2024-01-01", 4),
        ("p q", "2024-01-02", 4),
        (None, "2024-01-01", 2),
        (None, "2024-01-02", 2),
    }
    for file in files:
        path = Path(location) / file.path
        assert path.stat().st_size == file.size_bytes
        assert session.describe(f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)") == {"id": BIGINT}
        assert file.statistics["id"]["null_count"] == "0"


def test_writes_into_one_place_keep_each_others_files(session: Session, tmp_path: Path) -> None:
    location = str(tmp_path / "t")
    written = [session.write("SELECT 1 AS id, DATE '2024-01-01' AS day", location, parts) for parts in ([], [], ["day"], ["day"])]
    paths = [Path(location) / file.path for files in written for file in files]
    assert len(set(paths)) == 4
    assert all(path.exists() for path in paths)


@pytest.mark.parametrize("partition_columns", [[], ["day"]])
def test_no_rows_leave_no_files(session: Session, tmp_path: Path, partition_columns: list[str]) -> None:
    location = tmp_path / "t"
    assert session.write("SELECT 1 AS id, DATE '2024-01-01' AS day WHERE false", str(location), partition_columns) == []
    assert [path for path in location.rglob("*") if path.is_file()] == []


def test_columns_are_told_by_their_own_names(session: Session, tmp_path: Path) -> None:
    query = """SELECT 1 AS "a.b", 2 AS "c""d", {'x': 1} AS s, {'x': {'"."': 1}} AS "e"".""f", MAP {'k': 1} AS m"""
    (file,) = session.write(query, str(tmp_path / "t"), [])
    assert set(file.statistics) == {"a.b", 'c"d', "s", 'e"."f', "m"}
    assert file.statistics['c"d']["max"] == "2"


@pytest.mark.parametrize("partition_columns", [[], ["part"]])
def test_writes_that_fail_midway_end_and_leave_the_session_working(session: Session, tmp_path: Path, partition_columns: list[str]) -> None:
    """With DuckDB's asynchronous writing, one of these soon waits for ever."""
    for failing in (150_000, 10, 199_999, 61_440) * 8:
        query = f"SELECT CASE WHEN i = {failing} THEN ('x' || i)::BIGINT ELSE i END AS id, i % 3 AS part FROM range(200_000) AS t(i)"
        with pytest.raises(QueryError, match=f"x{failing}"):
            session.write(query, str(tmp_path / "t"), partition_columns)
    assert session.row("SELECT current_setting('preserve_insertion_order')") == (True,)


def test_a_column_that_no_table_can_hold_is_not_written(session: Session, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="column 'at': DuckDB's type TIMESTAMP "):
        session.write("SELECT TIMESTAMP '2024-01-01 00:00:00' AS at", str(tmp_path / "t"), [])
    assert not (tmp_path / "t").exists()


def test_sorted_rows_stay_sorted_in_a_file(session: Session, tmp_path: Path) -> None:
    (file,) = session.write("SELECT (hash(i) % 100000)::BIGINT AS id FROM range(300000) AS t(i) ORDER BY 1", str(tmp_path), [])
    query = f"SELECT id, lag(id) OVER (ORDER BY file_row_number) AS before FROM read_parquet('{tmp_path / file.path}')"
    (out_of_order,) = session.row(f"SELECT count(*) FROM ({query}) WHERE id < before")
    assert out_of_order < 5


def test_a_memory_session_checks_sql_without_settings() -> None:
    with memory_session() as session:
        assert session.describe("SELECT DATE '2024-01-01' AS day") == {"day": DATE}

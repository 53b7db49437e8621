"""Scans: exactly the columns and rows of a table's files, with DuckDB reading no more of them than it must."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import BIGINT, DATE, INT, STRING, STRING_MAP, TIMESTAMP, decimal, struct
from lakehouse_platform.delta.commit import create_table
from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.scan import scan, snapshot_scan, written_as_files
from lakehouse_platform.settings import Settings

COLUMNS = (
    Field("id", BIGINT),
    Field("at", TIMESTAMP),
    Field("price", decimal(18, 3)),
    Field("tags", STRING_MAP),
    Field("place", struct(source=STRING, row=BIGINT)),
    Field("day", DATE),
    Field("kind", STRING),
)
QUERY = """
    SELECT i AS id, TIMESTAMPTZ '2024-01-01 00:00:00.5+00' AS "at", (i / 10)::DECIMAL(18,3) AS price, MAP {'k': i::VARCHAR} AS tags,
        {'source': 'f', 'row': i} AS place, CASE WHEN i % 3 > 0 THEN DATE '2024-01-01' + (i % 3)::INTEGER END AS day,
        ['a b/%=ü', '007', NULL][1 + i % 3] AS kind
    FROM range(12) AS t(i)
"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with open_session(Settings(home=tmp_path / "home", threads=1)) as opened:
        yield opened


def make(session: Session, location: Path, partition_columns: list[str]) -> Snapshot:
    create_table(str(location), COLUMNS, partition_columns, added=session.write(QUERY, str(location), partition_columns))
    snapshot = open_snapshot(str(location))
    assert snapshot is not None
    return snapshot


@pytest.mark.parametrize("partition_columns", [[], ["day"], ["kind", "day"]])
def test_a_scan_gives_the_rows_that_were_written(session: Session, tmp_path: Path, partition_columns: list[str]) -> None:
    snapshot = make(session, tmp_path / "t", partition_columns)
    relation = snapshot_scan(snapshot)
    assert session.describe(relation) == {field.name: field.type for field in COLUMNS}
    assert session.rows(f"SELECT * FROM ({relation}) ORDER BY id") == session.rows(f"SELECT * FROM ({QUERY}) ORDER BY id")


def test_some_files_give_their_rows_with_file_and_row_number(session: Session, tmp_path: Path) -> None:
    snapshot = make(session, tmp_path / "t", ["day"])
    file = next(file for file in snapshot.files if file.partition_values["day"] == "2024-01-02")
    rows = session.rows(f"SELECT id, _file, _file_row FROM ({snapshot_scan(snapshot, [file], with_file=True)}) ORDER BY _file_row")
    assert rows == [(number, file.uri, row) for row, number in enumerate([1, 4, 7, 10])]


@pytest.mark.parametrize("with_file", [False, True])
def test_no_files_give_a_typed_relation_without_rows(session: Session, with_file: bool) -> None:
    relation = scan(COLUMNS, ["day"], [], with_file=with_file)
    more = {"_file": STRING, "_file_row": BIGINT} if with_file else {}
    assert session.describe(relation) == {field.name: field.type for field in COLUMNS} | more
    assert session.rows(relation) == []


def test_values_that_the_path_does_not_spell_come_from_the_log(session: Session, tmp_path: Path) -> None:
    snapshot = make(session, tmp_path / "t", ["kind", "day"])
    expected = session.rows(f"SELECT * FROM ({snapshot_scan(snapshot)}) ORDER BY id")
    moved = []
    for number, file in enumerate(snapshot.files):
        # One file stays, others lie where another writer might put them: without folders, or with folders of other values.
        folder = tmp_path / "t" / ("plain" if number % 2 else "kind=other/day=1999-01-01")
        folder.mkdir(parents=True, exist_ok=True)
        uri = str(folder / f"{number}.parquet") if number else file.uri
        moved.append(replace(file, uri=str(Path(file.uri).rename(uri))))
    relation = snapshot_scan(snapshot, moved, with_file=True)
    assert session.rows(f"SELECT * EXCLUDE (_file, _file_row) FROM ({relation}) ORDER BY id") == expected
    assert {uri for (uri,) in session.rows(f"SELECT DISTINCT _file FROM ({relation})")} == {file.uri for file in moved}


def test_folders_above_the_table_do_not_become_columns(session: Session, tmp_path: Path) -> None:
    for partition_columns in ([], ["day"]):
        snapshot = make(session, tmp_path / "id=99" / "kind=x" / f"t{len(partition_columns)}", partition_columns)
        assert session.rows(f"SELECT sum(id), count(DISTINCT kind) FROM ({snapshot_scan(snapshot)})") == [(66, 2)]


def test_partition_values_are_read_as_their_type(session: Session, tmp_path: Path) -> None:
    uri = str(tmp_path / "x.parquet")
    session.execute(f"COPY (SELECT 1::BIGINT AS id) TO '{uri}' (FORMAT parquet)")
    columns = (Field("id", BIGINT), Field("at", TIMESTAMP), Field("n", INT), Field("price", decimal(5, 2)), Field("name", STRING))
    values = {"at": "2024-01-01 10:00:00.500000", "n": "7", "price": "1.50", "name": "007"}
    relation = scan(columns, list(values), [DataFile("x.parquet", uri, values, 1, 1)])
    assert session.describe(relation) == {field.name: field.type for field in columns}
    assert session.row(f'SELECT "at", n, name FROM ({relation})') == (datetime(2024, 1, 1, 10, 0, 0, 500000, tzinfo=UTC), 7, "007")


def test_filters_and_columns_reach_the_files(session: Session, tmp_path: Path) -> None:
    snapshot = make(session, tmp_path / "t", ["day"])
    session.view("v", snapshot_scan(snapshot))
    ((_, plan),) = session.rows(f"EXPLAIN SELECT id FROM v WHERE id = 4 AND day = {date(2024, 1, 2).isoformat()!r}::DATE")
    words = " ".join(plan.split())
    assert "Scanning Files: 1/3" in words
    assert "Filters: id = 4" in words
    assert "tags" not in words


def test_files_that_were_written_with_the_tables_columns_are_read_with_their_true_sizes(session: Session, tmp_path: Path) -> None:
    """DuckDB takes a reader that is told its columns for one row, and then keeps the table of a join in memory instead of the few keys."""
    snapshot = make(session, tmp_path / "t", ["day"])
    (plan,) = session.rows(f"EXPLAIN SELECT id FROM ({snapshot_scan(snapshot)})")
    assert "schema =" not in snapshot_scan(snapshot)
    assert "~12 rows" in plan[1]


def test_a_file_that_lacks_a_column_has_nulls_there_beside_files_that_have_it(session: Session, tmp_path: Path) -> None:
    snapshot = make(session, tmp_path / "t", [])
    wider = replace(snapshot, columns=(*snapshot.columns, Field("more", BIGINT)))
    added = session.write(f"SELECT *, 7::BIGINT AS more FROM ({QUERY})", snapshot.location, [])
    files = (*snapshot.files, *written_as_files(snapshot.location, added))
    relation = snapshot_scan(replace(wider, files=files))
    assert session.row(f"SELECT count(*), count(more), sum(more) FROM ({relation})") == (24, 12, 84)

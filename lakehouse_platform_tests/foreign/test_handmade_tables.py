"""Tables whose log is written by hand, or by delta-rs: files that differ from each other, lie elsewhere, come back, or are told of carelessly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake  # noqa: TID251 -- as another writer

from lakehouse_platform.delta.snapshot import open_foreign
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.foreign import foreign_scan
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings

ID_AND_NAME = {"id": "long", "name": "string"}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with open_session(Settings(home=tmp_path / "home", threads=1)) as opened:
        yield opened


class Foreign:
    """A table whose commits are written as another writer would."""

    def __init__(self, session: Session, folder: Path, types: Mapping[str, Any], **metadata: Any) -> None:
        self.session, self.folder = session, folder
        (folder / "_delta_log").mkdir(parents=True)
        ids = metadata.pop("ids", {})
        fields = [{"name": name, "type": kind, "nullable": True, "metadata": ids.get(name, {})} for name, kind in types.items()]
        said = {"id": "x", "format": {"provider": "parquet", "options": {}}, "partitionColumns": [], "configuration": {}}
        said |= {"schemaString": json.dumps({"type": "struct", "fields": fields})} | metadata
        self.versions = 0
        self.commit({"protocol": {"minReaderVersion": 2 if ids else 1, "minWriterVersion": 5 if ids else 2}}, {"metaData": said})

    def commit(self, *actions: dict[str, Any]) -> None:
        path = self.folder / "_delta_log" / f"{self.versions:020}.json"
        path.write_text("\n".join(json.dumps(action) for action in actions), encoding="utf-8")
        self.versions += 1

    def write(self, query: str, path: Path | str, options: str = "") -> None:
        """A parquet file of a query, at a path of the table or elsewhere; nothing is committed."""
        where = self.folder / path
        where.parent.mkdir(parents=True, exist_ok=True)
        self.session.execute(f"COPY ({query}) TO {literal(str(where))} (FORMAT parquet{options})")

    def add(self, path: str, **values: str | None) -> None:
        self.commit({"add": added(path, **values)})

    def rows(self, what: str = "*", then: str = "ORDER BY ALL") -> list[tuple[Any, ...]]:
        snapshot = open_foreign(str(self.folder))
        assert snapshot is not None
        return self.session.rows(f"SELECT {what} FROM ({foreign_scan(self.session, snapshot, f'read_{self.versions}')}) {then}")


def added(path: str, **values: str | None) -> dict[str, Any]:
    return {"path": path, "partitionValues": values, "size": 9, "modificationTime": 1, "dataChange": True}


def test_files_may_have_columns_in_another_order_case_and_type_and_lack_or_have_others(session: Session, tmp_path: Path) -> None:
    part = {"type": "struct", "fields": [{"name": name, "type": "long", "nullable": True, "metadata": {}} for name in ("a", "b")]}
    items = {"type": "array", "elementType": part, "containsNull": True}
    table = Foreign(session, tmp_path / "t", ID_AND_NAME | {"s": part, "l": items, "price": "decimal(9,2)"})
    table.write("SELECT 'x' AS NAME, 1::SMALLINT AS Id, 7 AS extra", "1.parquet")
    table.write("SELECT {'b': 2::INTEGER} AS s, 2::BIGINT AS id, [{'b': 3}, NULL] AS l", "2.parquet")
    table.write("SELECT 3 AS id, 'z' AS name, {'B': 5, 'A': 4, 'c': 6} AS s, [{'a': 1}] AS l, 1.5::DECIMAL(4,1) AS price", "3.parquet")
    for path in ("1.parquet", "2.parquet", "3.parquet"):
        table.add(path)
    assert table.rows("id, name, s, l, price::VARCHAR") == [
        (1, "x", None, None, None),
        (2, None, {"a": None, "b": 2}, [{"a": None, "b": 3}, None], None),
        (3, "z", {"a": 4, "b": 5}, [{"a": 1, "b": None}], "1.50"),
    ]


def test_files_may_lie_outside_the_table(session: Session, tmp_path: Path) -> None:
    table = Foreign(session, tmp_path / "t", ID_AND_NAME)
    for number, spelling in enumerate(("{}", "file:{}", "file://{}")):
        place = tmp_path / "other place" / f"{number}.parquet"
        table.write(f"SELECT {number}::BIGINT AS id, 'x' AS name", place)
        table.add(spelling.format(place).replace(" ", "%20"))
    assert table.rows("id") == [(0,), (1,), (2,)]


def test_a_file_that_went_and_came_back_counts_once(session: Session, tmp_path: Path) -> None:
    table = Foreign(session, tmp_path / "t", ID_AND_NAME)
    for number in (1, 2):
        table.write(f"SELECT {number}::BIGINT AS id, 'x' AS name", f"{number}.parquet")
        table.add(f"{number}.parquet")
    for number in (1, 2):
        table.commit({"remove": {"path": f"{number}.parquet", "deletionTimestamp": 1, "dataChange": True}})
    assert table.rows("id") == []
    table.add("1.parquet")
    table.commit({"add": added("1.parquet") | {"dataChange": False, "tags": {"x": "y"}}}, {"domainMetadata": domain("d")}, {"txn": txn()})
    assert table.rows("id") == [(1,)]


def domain(name: str) -> dict[str, Any]:
    return {"domain": name, "configuration": "{}", "removed": False}


def txn() -> dict[str, Any]:
    return {"appId": "a", "version": 3, "lastUpdated": 1}


@pytest.mark.parametrize("name", ["a*b.parquet", "a?b.parquet", "[ab].parquet", "a b.parquet", "a%2520b.parquet", "{a,b}.parquet", "ü'\"😀.parquet"])
def test_a_file_is_read_whatever_the_characters_of_its_name(session: Session, tmp_path: Path, name: str) -> None:
    table = Foreign(session, tmp_path / "a [t]able*", ID_AND_NAME)
    table.write("SELECT 1::BIGINT AS id, 'x' AS name", name.replace("%25", "%"))
    # What a pattern would find, too.
    for other in ("axb", "a", "b", "aab"):
        table.write("SELECT 2::BIGINT AS id, 'y' AS name", f"{other}.parquet")
    table.add(name.replace(" ", "%20"))
    assert table.rows("id, name") == [(1, "x")]


def test_the_log_says_a_files_partition_whatever_its_path_or_content_says(session: Session, tmp_path: Path) -> None:
    table = Foreign(session, tmp_path / "t", {"id": "long", "day": "date", "kind": "string"}, partitionColumns=["day", "kind"])
    table.write("SELECT 1::BIGINT AS id, DATE '1999-01-01' AS day", "day=2000-01-01/kind=x/1.parquet")
    table.add("day=2000-01-01/kind=x/1.parquet", day="2024-01-31", kind="y")
    table.write("SELECT 2::BIGINT AS id", "2.parquet")
    table.add("2.parquet", day="2024-02-01", kind="")
    table.write("SELECT 3::BIGINT AS id", "day=2024-02-02/kind=__HIVE_DEFAULT_PARTITION__/3.parquet")
    table.add("day=2024-02-02/kind=__HIVE_DEFAULT_PARTITION__/3.parquet", day="2024-02-02", kind=None)
    rows = [(1, "2024-01-31", "y"), (2, "2024-02-01", None), (3, "2024-02-02", None)]
    assert table.rows("id, day::VARCHAR, kind") == rows
    assert table.rows("id", "WHERE day >= DATE '2024-02-01' AND kind IS NULL ORDER BY id") == [(2,), (3,)]


def test_a_table_of_partition_columns_and_columns_that_no_file_has_counts_its_rows(session: Session, tmp_path: Path) -> None:
    table = Foreign(session, tmp_path / "t", {"day": "date", "late": "string"}, partitionColumns=["day"])
    table.write("SELECT 1 AS gone FROM range(3)", "1.parquet")
    table.add("1.parquet", day="2024-01-31")
    assert table.rows("day::VARCHAR, late, count(*)", "GROUP BY ALL") == [("2024-01-31", None, 3)]


def test_a_file_may_have_no_rows(session: Session, tmp_path: Path) -> None:
    table = Foreign(session, tmp_path / "t", ID_AND_NAME)
    table.write("SELECT 1::BIGINT AS id WHERE false", "1.parquet")
    table.add("1.parquet")
    assert table.rows() == []


@pytest.mark.parametrize("name", ["_file", "file_row_number", "filename", "_file_row"])
def test_a_column_may_be_called_as_the_reader_calls_its_own(session: Session, tmp_path: Path, name: str) -> None:
    table = Foreign(session, tmp_path / "t", {name: "string", "day": "date"}, partitionColumns=["day"])
    table.write(f"SELECT 'mine' AS {name}", "day=2024-01-31/1.parquet")
    table.add("day=2024-01-31/1.parquet", day="2024-01-31")
    assert table.rows(f"{name}, day::VARCHAR") == [("mine", "2024-01-31")]


@pytest.mark.parametrize(("file_ids", "told"), [("{id: 1, name: 2}", None), ("{id: 2, name: 1}", "by id"), ("{id: 1, name: 7}", "by id")])
def test_columns_that_are_found_by_id_must_have_their_names(session: Session, tmp_path: Path, file_ids: str, told: str | None) -> None:
    ids = {name: {"delta.columnMapping.id": place, "delta.columnMapping.physicalName": name} for place, name in enumerate(ID_AND_NAME, start=1)}
    table = Foreign(session, tmp_path / "t", ID_AND_NAME, ids=ids, configuration={"delta.columnMapping.mode": "id"})
    table.write("SELECT 1::BIGINT AS id, 'x' AS name", "1.parquet", f", FIELD_IDS {file_ids}")
    table.add("1.parquet")
    if told is None:
        assert table.rows() == [(1, "x")]
        return
    with pytest.raises(LakehouseError, match=f"uses columnMapping {told}"):
        table.rows()


def test_rows_that_delta_rs_leaves_out_of_its_bounds_are_found(session: Session, tmp_path: Path) -> None:
    numbers = [1.0, float("nan"), 3.0]
    rows = {"id": [1, 2, 3], "x": numbers, "f": pa.array(numbers, pa.float32()), "s": [{"x": number} for number in numbers]}
    write_deltalake(str(tmp_path / "t"), pa.table(rows))
    snapshot = open_foreign(str(tmp_path / "t"))
    assert snapshot is not None
    relation = foreign_scan(session, snapshot, "numbers")
    for condition in ("x > 5", "x = 'NaN'::DOUBLE", "f > 5", "s.x > 5", "x IN ('NaN'::DOUBLE, 7)"):
        assert session.rows(f"SELECT id FROM ({relation}) WHERE {condition}") == [(2,)], condition

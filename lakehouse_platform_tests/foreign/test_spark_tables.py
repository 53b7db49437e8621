"""Every table that Spark made (tables.sql) gives the rows that Spark reads of it, or is refused by the name of what it uses."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.snapshot import open_foreign, open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.foreign import foreign_scan
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings

PACKED = Path(__file__).parent / "spark_tables.tar.gz"
REFUSED = {"variant": "variantType", "legacy_calendar": "legacyDateTime"}
# What only engine/foreign.py reads; every other step refuses it.
HIDDEN = {
    **dict.fromkeys(("column_mapping_evolved", "column_mapping_id", "column_mapping_name", "column_mapping_upgraded"), "columnMapping"),
    "column_mapping_deletion_vectors": "columnMapping, deletionVectors",
    **dict.fromkeys(("deletion_vectors", "deletion_vectors_change_feed", "deletion_vectors_odd_paths"), "deletionVectors"),
    **dict.fromkeys(("deletion_vectors_partitioned", "many_deletions"), "deletionVectors"),
}


def names() -> list[str]:
    with tarfile.open(PACKED) as archive:
        return sorted({name.split("/")[0] for name in archive.getnames()})


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("foreign tables [x] ü")
    with tarfile.open(PACKED) as archive:
        archive.extractall(root, filter="data")
    return root


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with open_session(Settings(home=tmp_path_factory.mktemp("home"), threads=1)) as opened:
        yield opened


@pytest.mark.parametrize("name", names())
def test_a_table_reads_as_spark_reads_it(session: Session, tables: Path, name: str) -> None:
    expected = json.loads((tables / name / "expected.json").read_text(encoding="utf-8"))
    if name in REFUSED:
        with pytest.raises(LakehouseError, match=REFUSED[name]):
            read(session, str(tables / name), name)
        return
    columns, rows = read(session, str(tables / name), name)
    assert columns == [*expected["columns"]]
    assert in_order(rows) == in_order(sorted_maps(row) for row in expected["rows"])
    if name not in HIDDEN:
        assert open_snapshot(str(tables / name)) is not None
        return
    with pytest.raises(LakehouseError, match=f"uses {HIDDEN[name]}, which its parquet files alone do not show"):
        open_snapshot(str(tables / name))


def test_every_table_that_is_described_is_there() -> None:
    described = re.findall(r"(?m)^-- table (\w+)$", PACKED.with_name("tables.sql").read_text(encoding="utf-8"))
    assert sorted(described) == names()


def test_rows_that_are_not_a_number_are_found_by_what_they_are_greater_than(session: Session, tables: Path) -> None:
    snapshot = open_foreign(str(tables / "not_a_number"))
    assert snapshot is not None
    rows = foreign_scan(session, snapshot, "greater")
    for condition in ("x > 5", "x = 'NaN'::DOUBLE", "s.x > 5"):
        assert session.rows(f"SELECT id FROM ({rows}) WHERE {condition}") == [(2,)]
    assert session.rows(f"SELECT id FROM ({rows}) WHERE f > 5 ORDER BY id") == [(2,), (3,)]


def read(session: Session, location: str, name: str) -> tuple[list[str], list[Any]]:
    """Columns and rows of a table as make_with_spark spells them."""
    snapshot = open_foreign(location)
    assert snapshot is not None
    columns = [field.name for field in snapshot.columns]
    types = [field.type for field in snapshot.columns]
    found = session.rows(foreign_scan(session, snapshot, name))
    return columns, [{key: plain(value, kind) for key, value, kind in zip(columns, row, types, strict=True)} for row in found]


def plain(value: Any, kind: ColumnType) -> Any:
    """A value as make_with_spark has it in JSON."""
    if value is None:
        return None
    match kind.name:
        case "struct":
            return {name: plain(value[name], item) for name, item in zip(kind.names, kind.items, strict=True)}
        case "array":
            return [plain(item, kind.items[0]) for item in value]
        case "map":
            # Keys that Python cannot hash stand in a list of their own.
            pairs = zip(value["key"], value["value"], strict=True) if [*value] == ["key", "value"] and kind.items[0].is_nested else value.items()
            return sorted_maps({"map": [[plain(key, kind.items[0]), plain(item, kind.items[1])] for key, item in pairs]})
    match value:
        case bytes():
            return {"bytes": value.hex()}
        case Decimal():
            return {"decimal": f"{value:f}"}
        case datetime():
            return {"timestamp": value.replace(tzinfo=None).isoformat()}
        case date():
            return {"date": value.isoformat()}
        case float():
            return {"double": repr(value)}
    return value


def sorted_maps(value: Any) -> Any:
    """A value whose maps' entries are in an order of their own."""
    match value:
        case {"map": [*pairs]}:
            return {"map": in_order([sorted_maps(key), sorted_maps(item)] for key, item in pairs)}
        case dict():
            return {key: sorted_maps(item) for key, item in value.items()}
        case list():
            return [sorted_maps(item) for item in value]
    return value


def in_order(values: Any) -> list[Any]:
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))

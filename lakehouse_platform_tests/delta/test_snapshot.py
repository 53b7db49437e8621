"""Opening tables: what a snapshot shows, which versions are gone, and which tables are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.contracts.types import BIGINT, BINARY, BOOLEAN, DATE, DOUBLE, INT, STRING, STRING_MAP, TIMESTAMP, array, decimal, struct
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.problems import LakehouseError

Write = Callable[..., list[WrittenFile]]


def reopened(location: str, version: int | None = None) -> Snapshot:
    snapshot = open_snapshot(location, version)
    assert snapshot is not None
    return snapshot


def test_there_is_no_snapshot_only_where_there_is_no_table(tmp_path: Path, table: Snapshot) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert open_snapshot(str(tmp_path / "nowhere")) is None
    assert open_snapshot(str(empty)) is None
    assert open_snapshot(str(empty), version=3) is None
    assert open_snapshot(f"{table.location}/") == table


def test_a_snapshot_shows_what_was_written(location: str, session: Session) -> None:
    columns = (
        Field("i", INT, nullable=False),
        Field("b", BIGINT),
        Field("x", DOUBLE),
        Field("d", decimal(18, 3)),
        Field("t", TIMESTAMP),
        Field("s", STRING),
        Field("f", BOOLEAN),
        Field("y", BINARY),
        Field("m", STRING_MAP),
        Field("l", array(struct(a=INT, b=array(DATE)))),
        Field("day", DATE),
        Field("n", decimal(5, 2)),
        Field("k", BOOLEAN),
    )
    query = """SELECT 1 AS i, 2::BIGINT AS b, 0.5::DOUBLE AS x, 1.5::DECIMAL(18,3) AS d, TIMESTAMPTZ '2024-01-01 00:00:00.25+00' AS t,
        's' AS s, true AS f, ''::BLOB AS y,
        MAP {'a': 'b'} AS m, [{'a': 1, 'b': [DATE '2024-01-01']}] AS l, DATE '2024-01-01' AS day, 1.50::DECIMAL(5,2) AS n, true AS k"""
    create_table(location, columns, ["day", "n", "k"], added=session.write(query, location, ["day", "n", "k"]))
    snapshot = reopened(location)
    assert (snapshot.version, snapshot.columns, snapshot.partition_columns, snapshot.rows) == (0, columns, ("day", "n", "k"), 1)
    (file,) = snapshot.files
    assert file.partition_values == {"day": "2024-01-01", "n": "1.50", "k": "true"}
    assert file.minimums == {"i": 1, "b": 2, "x": 0.5, "d": Decimal("1.500"), "t": datetime(2024, 1, 1, 0, 0, 0, 250000, tzinfo=UTC), "s": "s"}
    assert file.minimums == file.maximums
    assert len(file.minimums) == 6
    assert file.size_bytes == Path(file.uri).stat().st_size
    assert "Decimal('1.500')" in repr(file)


def test_a_version_stays_as_it_was(table: Snapshot, write: Write) -> None:
    commit(table, added=write(4), removed=table.files)
    assert reopened(table.location, 0) == table
    assert reopened(table.location, 1).rows == 1


def test_a_version_that_is_gone_or_not_yet_there_is_named(table: Snapshot, write: Write) -> None:
    snapshot = table
    for number in range(12):
        commit(snapshot, added=write(10 + number))
        snapshot = reopened(table.location)
    for version in range(9):
        (Path(table.location) / "_delta_log" / f"{version:020}.json").unlink()
    assert reopened(table.location).rows == 15
    assert reopened(table.location, 11).rows == 14
    for version in (3, 99):
        with pytest.raises(VersionGone, match=f"has no version {version} to open"):
            open_snapshot(table.location, version)


def test_files_of_other_writers_without_statistics_are_files_all_the_same(table: Snapshot) -> None:
    add = {"path": "day=2024-01-05/x%2520y.parquet", "partitionValues": {"day": "2024-01-05"}, "size": 9, "modificationTime": 1, "dataChange": True}
    log(table.location, 1, {"add": add}, {"add": add | {"path": "file:///elsewhere/z.parquet", "stats": '{"numRecords":7}'}})
    strange, elsewhere = (file for file in reopened(table.location).files if file.partition_values["day"] == "2024-01-05")
    if strange.rows is not None:
        strange, elsewhere = elsewhere, strange
    assert (strange.uri, strange.rows, dict(strange.minimums), dict(strange.null_counts)) == (
        f"{table.location}/day=2024-01-05/x%20y.parquet",
        None,
        {},
        {},
    )
    assert (elsewhere.uri, elsewhere.rows) == ("file:///elsewhere/z.parquet", 7)


@pytest.mark.parametrize(
    ("protocol", "configuration", "named"),
    [
        (
            {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]},
            {},
            "DeletionVectors",
        ),
        ({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["v2Checkpoint"], "writerFeatures": ["v2Checkpoint"]}, {}, "V2Checkpoint"),
        (
            {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz"]},
            {},
            "timestampNtz",
        ),
        ({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["ofTheFuture"], "writerFeatures": ["ofTheFuture"]}, {}, "ofTheFuture"),
        ({"minReaderVersion": 2, "minWriterVersion": 5}, {"delta.columnMapping.mode": "name"}, "columnMapping"),
    ],
)
def test_tables_that_parquet_files_alone_do_not_show_are_refused(
    location: str, protocol: dict[str, Any], configuration: dict[str, str], named: str
) -> None:
    mapping = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "id"} if configuration else {}
    schema = {"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": True, "metadata": mapping}]}
    metadata = {
        "id": "x",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(schema),
        "partitionColumns": [],
        "configuration": configuration,
    }
    (Path(location) / "_delta_log").mkdir(parents=True)
    log(location, 0, {"protocol": protocol}, {"metaData": metadata})
    with pytest.raises(LakehouseError, match=f"(?i){named}"):
        open_snapshot(location)


def test_a_column_of_an_unknown_type_is_named(location: str) -> None:
    schema = {
        "type": "struct",
        "fields": [
            {"name": "old", "type": "short", "nullable": True, "metadata": {}},
            {"name": "odd", "type": "void", "nullable": True, "metadata": {}},
        ],
    }
    metadata = {
        "id": "x",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(schema),
        "partitionColumns": [],
        "configuration": {},
    }
    (Path(location) / "_delta_log").mkdir(parents=True)
    log(location, 0, {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": metadata})
    with pytest.raises(LakehouseError, match="column 'odd' cannot be read"):
        open_snapshot(location)


def test_partition_values_of_every_type_are_spelt_as_in_the_log(location: str) -> None:
    types = {"at": "timestamp", "n": "integer", "day": "date", "f": "boolean", "name": "string"}
    values = {"at": "2024-01-01 10:00:00.5", "n": "7", "day": "2024-01-01", "f": "false", "name": None}
    schema = {
        "type": "struct",
        "fields": [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in (types | {"id": "long"}).items()],
    }
    metadata = {
        "id": "x",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(schema),
        "partitionColumns": [*types],
        "configuration": {},
    }
    (Path(location) / "_delta_log").mkdir(parents=True)
    add = {"path": "p.parquet", "partitionValues": values, "size": 9, "modificationTime": 1, "dataChange": True}
    log(location, 0, {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": metadata}, {"add": add})
    (file,) = reopened(location).files
    assert file.partition_values == values | {"at": "2024-01-01 10:00:00.500000"}
    assert date.fromisoformat(file.partition_values["day"] or "") == date(2024, 1, 1)


def log(location: str, version: int, *actions: dict[str, Any]) -> None:
    """Write a commit as another writer would."""
    text = "\n".join(json.dumps(action) for action in actions)
    (Path(location) / "_delta_log" / f"{version:020}.json").write_text(text, encoding="utf-8")

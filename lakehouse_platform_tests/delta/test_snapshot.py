"""Opening tables: what a snapshot shows, which versions are gone, and which tables are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.contracts.types import BIGINT, BINARY, BOOLEAN, DATE, DOUBLE, INT, STRING, STRING_MAP, TIMESTAMP, array, decimal, struct
from lakehouse_platform.delta.active_files import uri_of
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.problems import LakehouseError, TransientFault

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
    assert (elsewhere.uri, elsewhere.rows) == ("/elsewhere/z.parquet", 7)


def features(*names: str) -> dict[str, Any]:
    """A protocol with these features."""
    return {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [*names], "writerFeatures": [*names]}


@pytest.mark.parametrize(
    ("protocol", "mode", "told"),
    [
        (features("ofTheFuture"), None, "uses ofTheFuture, which is not known here"),
        (features("variantType", "deletionVectors"), None, "uses variantType, which is not known here"),
        (features("catalogManaged"), None, "uses catalogManaged"),
        (features("deletionVectors", "typeWidening"), None, "uses deletionVectors, which cannot be decoded beside typeWidening"),
        ({"minReaderVersion": 4, "minWriterVersion": 7, "writerFeatures": []}, None, "(?i)reader (protocol )?version"),
        ({"minReaderVersion": 2, "minWriterVersion": 5}, "name", "uses columnMapping, which its parquet files alone do not show"),
        ({"minReaderVersion": 2, "minWriterVersion": 5}, "odd", "uses columnMapping, by 'odd'"),
    ],
)
def test_what_would_be_read_wrong_is_refused_by_name(location: str, protocol: dict[str, Any], mode: str | None, told: str) -> None:
    mapping = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "id"} if mode else {}
    make_log(location, {"id": "long"}, protocol=protocol, configuration={"delta.columnMapping.mode": mode} if mode else {}, column_metadata=mapping)
    with pytest.raises(LakehouseError, match=told) as refusal:
        open_snapshot(location)
    assert not isinstance(refusal.value, TransientFault), "another try is no use"


@pytest.mark.parametrize(
    "protocol",
    [features("deletionVectors"), features("v2Checkpoint"), features("timestampNtz"), features("vacuumProtocolCheck"), features("typeWidening")],
)
def test_features_that_change_no_row_are_no_reason_to_refuse(location: str, protocol: dict[str, Any]) -> None:
    make_log(location, {"id": "long"}, protocol=protocol)
    assert reopened(location).columns == (Field("id", BIGINT),)


def test_a_column_of_an_unknown_type_is_named(location: str) -> None:
    make_log(location, {"old": "short", "nothing": "void", "odd": "interval day to second"})
    with pytest.raises(LakehouseError, match="odd"):
        open_snapshot(location)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("day=2024-01-05/x%2520y.parquet", "{}/day=2024-01-05/x%20y.parquet"),
        ("file:///else%20where/z.parquet", "/else where/z.parquet"),
        ("file:/elsewhere/z.parquet", "/elsewhere/z.parquet"),
        ("s3a://bucket/z.parquet", "s3://bucket/z.parquet"),
        ("/elsewhere/z.parquet", "/elsewhere/z.parquet"),
        ("a:b.parquet", "{}/a:b.parquet"),
    ],
)
def test_a_path_of_the_log_is_what_a_reader_opens(location: str, path: str, uri: str) -> None:
    assert uri_of(location, path) == uri.format(location)


def test_bounds_of_a_part_are_not_taken_for_those_of_a_column_whose_name_has_a_point(location: str) -> None:
    make_log(location, {"a": {"type": "struct", "fields": [field_json("b", "long")]}, "a.b": "long", "c.d": "long"})
    stats = {"numRecords": 1, "minValues": {"a": {"b": 1}, "c.d": 3}, "maxValues": {"a": {"b": 2}, "c.d": 4}}
    log(
        location,
        1,
        {"add": {"path": "p.parquet", "partitionValues": {}, "size": 9, "modificationTime": 1, "dataChange": True, "stats": json.dumps(stats)}},
    )
    (file,) = reopened(location).files
    assert (dict(file.minimums), dict(file.maximums)) == ({"c.d": 3}, {"c.d": 4})


def test_partition_values_of_every_type_are_spelt_as_in_the_log(location: str) -> None:
    types = {"at": "timestamp", "n": "integer", "day": "date", "f": "boolean", "name": "string"}
    values = {"at": "2024-01-01 10:00:00.5", "n": "7", "day": "2024-01-01", "f": "false", "name": None}
    make_log(location, types | {"id": "long"}, partition_columns=[*types])
    log(location, 1, {"add": {"path": "p.parquet", "partitionValues": values, "size": 9, "modificationTime": 1, "dataChange": True}})
    (file,) = reopened(location).files
    assert file.partition_values == values | {"at": "2024-01-01 10:00:00.500000"}
    assert date.fromisoformat(file.partition_values["day"] or "") == date(2024, 1, 1)


def field_json(name: str, kind: Any, **metadata: Any) -> dict[str, Any]:
    """A column or a part of one as the schema in the log has it."""
    return {"name": name, "type": kind, "nullable": True, "metadata": metadata}


def make_log(
    location: str,
    types: Mapping[str, Any],
    *,
    protocol: Mapping[str, Any] | None = None,
    configuration: Mapping[str, str] | None = None,
    partition_columns: Sequence[str] = (),
    column_metadata: Mapping[str, Any] | None = None,
) -> None:
    """Make an empty table as another writer would."""
    schema = {"type": "struct", "fields": [field_json(name, kind, **(column_metadata or {})) for name, kind in types.items()]}
    metadata = {
        "id": "x",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(schema),
        "partitionColumns": [*partition_columns],
        "configuration": dict(configuration or {}),
    }
    (Path(location) / "_delta_log").mkdir(parents=True)
    log(location, 0, {"protocol": dict(protocol or {"minReaderVersion": 1, "minWriterVersion": 2})}, {"metaData": metadata})


def log(location: str, version: int, *actions: dict[str, Any]) -> None:
    """Write a commit as another writer would."""
    text = "\n".join(json.dumps(action) for action in actions)
    (Path(location) / "_delta_log" / f"{version:020}.json").write_text(text, encoding="utf-8")

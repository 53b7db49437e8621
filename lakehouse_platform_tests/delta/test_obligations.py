"""Tables of other writers: what they demand is held, or the commit is refused by the name of it, and nothing is committed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakehouse_platform.contracts.types import BIGINT, INT, STRING, ColumnType
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.log import actions_of
from lakehouse_platform.delta.obligations import obligations_of
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.delta.statistics import indexed_columns
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.delta.conftest import COLUMNS as IDS

OLD, NEW = "old.parquet", WrittenFile("new.parquet", {}, 10, 1, {})


def opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


def foreign(
    location: str,
    *,
    writer: int = 2,
    features: tuple[str, ...] = (),
    configuration: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    column_type: Any = "long",
) -> Snapshot:
    """A table of one column, `id`, and one file, as another writer's first commit spells it."""
    protocol = {"minReaderVersion": 1, "minWriterVersion": 7 if features else writer, **({"writerFeatures": features} if features else {})}
    schema = {"type": "struct", "fields": [{"name": "id", "type": column_type, "nullable": True, "metadata": metadata or {}}]}
    table = {"id": "7", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps(schema), "partitionColumns": []}
    add = {"path": OLD, "partitionValues": {}, "size": 10, "modificationTime": 1, "dataChange": True, "stats": '{"numRecords":1}'}
    actions = [{"protocol": protocol}, {"metaData": {**table, "configuration": configuration or {}, "createdTime": 1}}, {"add": add}]
    first = Path(location, "_delta_log", f"{0:020d}.json")
    first.parent.mkdir(parents=True)
    first.write_text("\n".join(json.dumps(action) for action in actions), encoding="utf-8")
    return opened(location)


UNKEPT: dict[str, tuple[dict[str, Any], str]] = {
    "row tracking": ({"features": ("rowTracking", "domainMetadata")}, "the feature domainMetadata, rowTracking"),
    "in-commit timestamps": ({"features": ("inCommitTimestamp",)}, "the feature inCommitTimestamp"),
    "clustering": ({"features": ("clustering", "domainMetadata")}, "the feature clustering, domainMetadata"),
    "Iceberg": ({"features": ("icebergCompatV2",)}, "the feature icebergCompatV2"),
    "column defaults": ({"features": ("allowColumnDefaults",)}, "the feature allowColumnDefaults"),
    "a feature of tomorrow": ({"features": ("tomorrows",)}, "the feature tomorrows"),
    "a protocol of tomorrow": ({"writer": 8}, "version 8 of Delta's writer protocol"),
    "identity columns of old": ({"writer": 6}, "identity columns"),
    "an identity column": ({"metadata": {"delta.identity.start": 1, "delta.identity.step": 1}}, "the identity column 'id'"),
    "a switch of tomorrow": ({"configuration": {"delta.enableTomorrow": "true"}}, "the property delta.enableTomorrow"),
    "row tracking without its feature": ({"configuration": {"delta.enableRowTracking": "true"}}, "the property delta.enableRowTracking"),
    "a short column": ({"column_type": "short"}, "columns of the type short"),
    "a float column": ({"column_type": {"type": "array", "elementType": "float", "containsNull": True}}, "columns of the type float"),
    "a nested condition": (
        {"column_type": {"type": "struct", "fields": [{"name": "x", "type": "long", "nullable": True, "metadata": {"delta.invariants": "{}"}}]}},
        "a condition inside the nested column 'id'",
    ),
}


@pytest.mark.parametrize("name", UNKEPT)
def test_what_cannot_be_kept_is_refused_by_name(name: str, location: str) -> None:
    table, told = UNKEPT[name]
    snapshot = foreign(location, **table)
    with pytest.raises(LakehouseError, match=rf"uses .*{told}.*, which this writer cannot keep; nothing was committed\. Mend:"):
        commit(snapshot, added=[NEW])
    assert opened(location).version == 0


HARMLESS: dict[str, dict[str, Any]] = {
    "named features that are held": {"features": ("appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns")},
    "versions of old": {"writer": 5},
    "switches that are off or oblige nobody": {"configuration": {"delta.enableRowTracking": "false", "delta.enableDeletionVectors": "true"}},
    "what is none of a writer's duties": {"configuration": {"delta.logRetentionDuration": "interval 9 days", "made.by": "hand"}},
    "no mapping": {"configuration": {"delta.columnMapping.mode": "none"}, "writer": 5},
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_asks_for_nothing_is_no_hindrance(name: str, location: str) -> None:
    snapshot = foreign(location, **HARMLESS[name])
    assert commit(snapshot, added=[NEW], removed=snapshot.files) == 1
    assert [file.path for file in opened(location).files] == [NEW.path]


CONDITIONS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a CHECK constraint": ({"writer": 3, "configuration": {"delta.constraints.positive": "id > 0"}}, {"constraint positive": "id > 0"}),
    "an invariant": (
        {"metadata": {"delta.invariants": json.dumps({"expression": {"expression": "id > 3"}})}},
        {"invariant of column id": "id > 3"},
    ),
    "a generated column": ({"writer": 4, "metadata": {"delta.generationExpression": "1 + 1"}}, {"generated column id": "`id` <=> (1 + 1)"}),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_that_nobody_checked_refuses_the_commit(name: str, location: str) -> None:
    table, conditions = CONDITIONS[name]
    snapshot = foreign(location, **table)
    assert obligations_of(snapshot).conditions == conditions
    told = next(iter(conditions))
    for checked in (None, dict.fromkeys(conditions, "TRUE")):
        with pytest.raises(LakehouseError, match=f"demands {told} of every row"):
            commit(snapshot, added=[NEW], checked=checked)
    assert opened(location).version == 0
    assert commit(snapshot, added=[NEW], checked=conditions) == 1
    # Nothing is added, or nothing but rows that have been checked before.
    assert commit(opened(location), transactions={"app": 1}) == 2
    table_now = opened(location)
    assert commit(table_now, added=[WrittenFile("both.parquet", {}, 10, 2, {})], removed=table_now.files, data_change=False) == 3
    assert commit(opened(location), removed=opened(location).files) == 4


def test_a_table_that_feeds_changes_is_told_no_change_that_was_none(location: str, write: Callable[..., list[WrittenFile]]) -> None:
    create_table(location, IDS, ["day"], added=write(1, 2), configuration={"delta.enableChangeDataFeed": "true"})
    snapshot = opened(location)
    with pytest.raises(LakehouseError, match=r"feeds changes \(delta\.enableChangeDataFeed\): a commit that rewrites files .*nothing was committed"):
        commit(snapshot, added=write(1, 2, 3), removed=snapshot.files)
    commit(snapshot, added=write(3))
    commit(opened(location), added=write(1, 2, 3), removed=opened(location).files, data_change=False)
    commit(opened(location), removed=opened(location).files)
    # A partition that is replaced as a whole: its old rows go, its new ones come.
    commit(opened(location), added=write(4))
    commit(opened(location), added=write(5), removed=opened(location).files, within=[{"day": "2024-01-01"}])
    rows = DeltaTable(location).load_cdf(starting_version=1).read_all()
    told = sorted(zip(*(rows.column(name).to_pylist() for name in ("_commit_version", "_change_type", "id")), strict=True))
    assert told == [(1, "insert", 3), *((3, "delete", number) for number in (1, 2, 3)), (4, "insert", 4), (5, "delete", 4), (5, "insert", 5)]


STRUCT = ColumnType("struct", items=(INT, INT), names=("x", "y"))
COLUMNS = (Field("p", STRING), Field("a", INT), Field("s", STRUCT), Field("b", INT), Field("odd `name`", INT))


@pytest.mark.parametrize(
    ("configuration", "indexed"),
    [
        ({"delta.dataSkippingNumIndexedCols": "-1"}, ["a", "s", "b", "odd `name`"]),
        ({"delta.dataSkippingNumIndexedCols": "0"}, []),
        ({"delta.dataSkippingNumIndexedCols": "1"}, ["a"]),
        # A struct counts for its parts; one that would not go in whole has no statistics.
        ({"delta.dataSkippingNumIndexedCols": "2"}, ["a"]),
        ({"delta.dataSkippingNumIndexedCols": "4"}, ["a", "s", "b"]),
        ({"delta.dataSkippingStatsColumns": "b, `odd ``name```", "delta.dataSkippingNumIndexedCols": "1"}, ["b", "odd `name`"]),
        ({}, ["a", "s", "b", "odd `name`"]),
    ],
)
def test_statistics_are_of_the_columns_that_the_table_wants_them_of(configuration: dict[str, str], indexed: list[str]) -> None:
    assert [column.name for column in indexed_columns(COLUMNS, ["p"], configuration)] == indexed


def test_a_wide_table_of_another_has_statistics_of_its_first_32_columns(location: str) -> None:
    columns = tuple(Field(f"c{number}", BIGINT) for number in range(40))
    create_table(location, columns, (), configuration={"delta.dataSkippingNumIndexedCols": "32"})
    statistics = {column.name: {"min": "1", "max": "2", "null_count": "0"} for column in columns}
    commit(opened(location), added=[WrittenFile("x.parquet", {}, 10, 2, statistics)])
    (added,) = (action["add"] for action in actions_of(location, 1) if "add" in action)
    stored = json.loads(added["stats"])
    assert stored["numRecords"] == 2
    assert list(stored["minValues"]) == list(stored["maxValues"]) == list(stored["nullCount"]) == [f"c{number}" for number in range(32)]


def test_files_outside_the_partitions_that_are_replaced_refuse_the_commit(table: Snapshot, session: Session) -> None:
    rows = "SELECT 4::BIGINT AS id, 'n' AS name, DATE '2024-01-02' AS day"
    added = session.write(rows, table.location, ["day"])
    with pytest.raises(LakehouseError, match="lies in day=2024-01-01, which this commit must not touch; nothing was committed"):
        commit(table, added=added, removed=table.files, within=[{"day": "2024-01-02"}])
    with pytest.raises(LakehouseError, match="lies in day=2024-01-02"):
        commit(table, added=added, within=[{"day": "2024-01-01"}])
    assert commit(table, added=added, removed=table.files, within=[{"day": "2024-01-01"}, {"day": "2024-01-02"}]) == 1

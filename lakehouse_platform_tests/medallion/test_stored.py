"""Compression and properties by table: of new tables, of tables that are there, and what no table can be given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.medallion.history import versions_since
from lakehouse_platform.problems import ProjectError
from lakehouse_platform.tables.project import Project
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform_tests.properties.projects import Folder, column, load, table
from lakehouse_platform_tests.properties.worlds import World, world

BRONZE, SILVER, GOLD = "bronze/sales", "silver/sales", "gold/totals"
SOURCE = "type: lakehouse_platform.Source\nattributes:\n  table: bronze/sales\n  files: {path: sales/*.jsonl, format: json}\n"


def project(bronze: str = "", **attributes: Any) -> Project:
    return load(
        Folder("bronze_sales", {"defs.yaml": SOURCE + bronze}),
        table(
            SILVER,
            "SELECT sale, amount FROM bronze.sales",
            [column("sale", "INT", required=True, key=1), column("amount", "INT", required=True)],
            refresh="upsert",
            **attributes,
        ),
        table(GOLD, "SELECT SUM(amount) AS total FROM silver.sales", [column("total", "BIGINT")], refresh="replace"),
    )


def codecs(shop: World, name: str) -> set[str]:
    root = Path(shop.lakehouse.location(name))
    files = [pq.ParquetFile(root / path).metadata for path in shop.files(name)]
    return {file.row_group(0).column(number).compression for file in files for number in range(file.num_columns)}


def configuration(shop: World, name: str) -> dict[str, str]:
    return dict(shop.delta(name).metadata().configuration)


def bring(shop: World, *numbers: int) -> None:
    shop.land(f"sales/{numbers[0]}.jsonl", ({"sale": number, "amount": number} for number in numbers))
    shop.run(BRONZE, SILVER, GOLD)


def with_project(shop: World, other: Project) -> World:
    return replace(shop, lakehouse=replace(shop.lakehouse, project=other))


def test_zstd_is_what_nobody_asks_for() -> None:
    with world(project()) as shop:
        bring(shop, 1, 2)
        assert {name: codecs(shop, name) for name in (BRONZE, SILVER, GOLD)} == {BRONZE: {"ZSTD"}, SILVER: {"ZSTD"}, GOLD: {"ZSTD"}}


@pytest.mark.parametrize(("compression", "codec"), [("snappy", "SNAPPY"), ("gzip", "GZIP"), ("uncompressed", "UNCOMPRESSED"), ("zstd", "ZSTD")])
def test_each_table_has_its_own_compression(compression: str, codec: str) -> None:
    with world(project(compression=compression)) as shop:
        bring(shop, 1, 2)
        assert (codecs(shop, BRONZE), codecs(shop, SILVER), codecs(shop, GOLD)) == ({"ZSTD"}, {codec}, {"ZSTD"})
        assert [row["total"] for row in shop.rows(GOLD)] == [3]


def test_bronze_is_compressed_and_described_as_its_source_says() -> None:
    said = "  compression: snappy\n  properties: {delta.logRetentionDuration: interval 60 days, team.owner: retail}\n"
    with world(project(said)) as shop:
        bring(shop, 1, 2)
        bring(shop, 3)
        assert codecs(shop, BRONZE) == {"SNAPPY"}
        found = configuration(shop, BRONZE)
        assert {name: found[name] for name in ("delta.logRetentionDuration", "team.owner", "delta.appendOnly")} == {
            "delta.logRetentionDuration": "interval 60 days",
            "team.owner": "retail",
            "delta.appendOnly": "true",
        }
        assert [row["total"] for row in shop.rows(GOLD)] == [6]


def test_what_changes_counts_for_a_table_that_is_there() -> None:
    with world(project()) as shop:
        bring(shop, 1, 2)
        before = configuration(shop, SILVER)
        changed = with_project(shop, project(compression="snappy", properties={"delta.checkpointInterval": 3, "team.checked": True}))
        bring(changed, 3)
        bring(changed, 4)
        assert codecs(changed, SILVER) <= {"ZSTD", "SNAPPY"}
        assert "SNAPPY" in codecs(changed, SILVER)
        assert configuration(changed, SILVER) == {**before, "delta.checkpointInterval": "3", "team.checked": "true"}
        assert [row["total"] for row in changed.rows(GOLD)] == [10]
        set_by = [entry for entry in versions_since(changed.lakehouse, SILVER) if entry.operation == "SET TBLPROPERTIES"]
        assert len(set_by) == 1, "it is set once"
        assert set_by[0].record is None
        # No rows changed by it, so nobody computes anything anew.
        version = open_snapshot(changed.lakehouse.location(SILVER))
        changed.run(SILVER)
        after = open_snapshot(changed.lakehouse.location(SILVER))
        assert version is not None
        assert after is not None
        assert after.version == version.version


def test_packed_files_are_compressed_so_too() -> None:
    with world(project()) as shop:
        for number in range(3):
            bring(shop, number)
        packed = with_project(shop, project("  compression: gzip\n"))
        with packed.lakehouse.session() as session:
            optimize(session, packed.lakehouse.location(BRONZE))
        assert codecs(packed, BRONZE) == {"GZIP"}
        assert len(packed.rows(BRONZE)) == 3


def test_another_compression_makes_no_table_stale() -> None:
    tables = [project(**attributes).tables[SILVER] for attributes in ({}, {"compression": "gzip"}, {"properties": {"x": "y"}})]
    assert len({each.code_version for each in tables}) == 1


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"compression": "zip"}, "Input should be 'zstd', 'snappy', 'gzip' or 'uncompressed'"),
        ({"properties": {"delta.appendOnly": True}}, "delta.appendOnly is none to be given here"),
        ({"properties": {"delta.enableDeletionVectors": True}}, "delta.enableDeletionVectors is none that this platform keeps"),
        ({"properties": {"delta.columnMapping.mode": "name"}}, "delta.columnMapping.mode is none that this platform keeps"),
        ({"properties": {"delta.parquet.compression.codec": "gzip"}}, "write compression: …"),
        ({"properties": {"delta.checkpointInterval": "often"}}, "delta.checkpointInterval is 'often', not a number of commits"),
        ({"properties": {"delta.logRetentionDuration": "30 days"}}, "not such as interval 30 days"),
        ({"properties": {"lakehouse.clusterBy": "x"}}, "lakehouse.clusterBy is none that this platform keeps"),
        ({"properties": {"1 x": "y"}}, "'1 x' is no name"),
    ],
)
def test_what_no_table_can_be_given(attributes: dict[str, Any], told: str, refused: Callable[..., str]) -> None:
    assert told in refused(attributes)


@pytest.fixture
def refused() -> Callable[[dict[str, Any]], str]:
    """What a project with such attributes of its silver table is told, with the file that says it."""

    def load_it(attributes: dict[str, Any]) -> str:
        with pytest.raises(ProjectError) as mistakes:
            project(**attributes)
        (problem,) = mistakes.value.problems
        assert problem.path.name == "defs.yaml"
        assert problem.line > 1
        return problem.message

    return load_it

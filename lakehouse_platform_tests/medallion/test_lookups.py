"""Silver tables that look up others while they read their records: what is found, what is missed, and what a changed lookup does."""

from __future__ import annotations

import pytest

from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.problems import LakehouseError, ProjectError
from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.properties.projects import Folder, column, load, source, table
from lakehouse_platform_tests.properties.worlds import World, world

SHOPS = table(
    "silver/shops",
    "SELECT shop, region, opened FROM bronze.shops",
    [column("shop", "INT", required=True, key=1), column("region", "STRING"), column("opened", "INT")],
    refresh="upsert",
    sequence_by=["opened"],
)
SQL = """
SELECT sale.sale, place.region AS region, CAST(sale.amount AS INT) * place.opened AS weight
FROM bronze.sales AS sale
LEFT JOIN silver.shops AS place ON place.shop = CAST(sale.shop AS INT)
"""
COLUMNS = [column("sale", "INT", required=True, key=1), column("region", "STRING"), column("weight", "BIGINT")]


def project(changes: str = "keep", sql: str = SQL, shops: Folder = SHOPS) -> Project:
    sales = table("silver/sales", sql, COLUMNS, refresh="upsert", lookup_changes=changes)
    return load(source("bronze/sales", "sales/*.jsonl"), source("bronze/shops", "shops/*.jsonl"), sales, shops)


def land_shops(lakehouse: World, name: str, *shops: tuple[int, str, int]) -> None:
    lakehouse.land(f"shops/{name}.jsonl", [{"shop": shop, "region": region, "opened": opened} for shop, region, opened in shops])
    lakehouse.run("bronze/shops", "silver/shops")


def land_sales(lakehouse: World, name: str, *sales: tuple[int, str]) -> StepResult:
    lakehouse.land(f"sales/{name}.jsonl", [{"sale": sale, "shop": shop, "amount": 10} for sale, shop in sales])
    return lakehouse.run("bronze/sales", "silver/sales")


def regions(lakehouse: World) -> dict[int, str | None]:
    return {row["sale"]: row["region"] for row in lakehouse.rows("silver/sales")}


def test_a_record_takes_what_it_finds_and_misses_are_counted_with_the_version_that_was_read() -> None:
    with world(project()) as lakehouse:
        land_shops(lakehouse, "1", (1, "north", 2), (2, "south", 3))
        record = land_sales(lakehouse, "1", (10, "1"), (11, "2"), (12, "3"), (13, "2")).record
        assert record is not None
        assert regions(lakehouse) == {10: "north", 11: "south", 12: None, 13: "south"}
        assert sorted(row["weight"] for row in lakehouse.rows("silver/sales") if row["weight"] is not None) == [20, 30, 30]
        shops = lakehouse.lakehouse.snapshot("silver/shops")
        assert shops is not None
        assert record.inputs["silver/shops"] == (-1, shops.version)
        assert record.notes == {"lookup_misses": {"silver/shops": 1}}
        assert record.accounts is not None
        assert (record.accounts.read, record.accounts.accepted) == (4, 4)


def test_a_key_that_is_no_number_rejects_its_record_and_no_other() -> None:
    with world(project()) as lakehouse:
        land_shops(lakehouse, "1", (1, "north", 2))
        record = land_sales(lakehouse, "1", (10, "1"), (11, "one")).record
        assert record is not None
        assert record.accounts is not None
        assert (record.accounts.accepted, record.accounts.rejected) == (1, 1)
        (row,) = lakehouse.rows("silver/sales__quarantine")
        assert [reason["rule"] for reason in row["reasons"]] == ["where"]
        assert "ON fails on this row" in row["reasons"][0]["message"]


def test_rows_keep_what_they_looked_up_unless_the_table_says_otherwise() -> None:
    with world(project("keep")) as lakehouse:
        land_shops(lakehouse, "1", (1, "north", 2))
        land_sales(lakehouse, "1", (10, "1"))
        land_shops(lakehouse, "2", (1, "east", 3))
        assert lakehouse.run("silver/sales").record is None
        land_sales(lakehouse, "2", (11, "1"))
        assert regions(lakehouse) == {10: "north", 11: "east"}


def test_a_changed_lookup_computes_the_table_anew_where_it_says_so() -> None:
    with world(project("rebuild")) as lakehouse:
        record = land_sales(lakehouse, "1", (10, "1"), (11, "2")).record
        assert record is not None
        assert (record.rebuilt, regions(lakehouse)) == (None, {10: None, 11: None})
        land_shops(lakehouse, "1", (1, "north", 2))
        record = lakehouse.run("silver/sales").record
        assert record is not None
        assert (record.step, record.rebuilt) == ("rebuild", "silver/shops changed, which it looks up")
        assert record.accounts is not None
        assert (record.accounts.read, record.accounts.accepted) == (0, 0)
        assert regions(lakehouse) == {10: "north", 11: None}
        # The same rows in another file are no change.
        land_shops(lakehouse, "2", (1, "north", 2))
        assert lakehouse.run("silver/sales").record is None
        land_shops(lakehouse, "3", (1, "east", 3), (2, "south", 1))
        assert lakehouse.run("silver/sales").record is not None
        assert regions(lakehouse) == {10: "east", 11: "south"}


def test_a_lookup_with_a_key_twice_is_refused_before_anything_is_written() -> None:
    doubled = table("silver/shops", "SELECT shop, region, opened FROM bronze.shops",
                    [column("shop", "INT", required=True, key=1), column("region", "STRING"), column("opened", "INT")], refresh="append")  # fmt: skip
    with world(project(shops=doubled)) as lakehouse:
        land_shops(lakehouse, "1", (1, "north", 2), (1, "south", 3))
        with pytest.raises(LakehouseError, match="silver/shops has several rows for shop = 1"):
            land_sales(lakehouse, "1", (10, "1"))
        assert lakehouse.rows("silver/sales") == []


@pytest.mark.parametrize(
    ("join", "message"),
    [
        ("JOIN silver.shops AS place ON place.shop = sale.shop", "no LEFT JOIN"),
        ("LEFT JOIN silver.shops AS place ON place.shop > sale.shop", "is no equation"),
        ("LEFT JOIN silver.shops AS place ON place.region = sale.region", "is looked up by region"),
        ("LEFT JOIN silver.shops AS place ON place.shop = sale.shop", "would have to be cast"),
        ("LEFT JOIN silver.shops AS amount ON amount.shop = CAST(sale.shop AS INT)", "the name of a lookup"),
        ("LEFT JOIN silver.markets AS place ON place.shop = sale.shop", "there is no table silver.markets"),
    ],
)
def test_a_join_that_is_no_lookup_does_not_load(join: str, message: str) -> None:
    alias = "amount" if "AS amount" in join else "place"
    sql = f"SELECT sale.sale, {alias}.region AS region, CAST(sale.amount AS INT) AS weight\nFROM bronze.sales AS sale\n{join}"
    with pytest.raises(ProjectError) as raised:
        project(sql=sql)
    assert any(message in problem.message for problem in raised.value.problems), [problem.message for problem in raised.value.problems]
    assert all(problem.mend for problem in raised.value.problems)

"""Gold tables: only what is affected is recomputed, in one commit; contracts hold; backfills move no cursor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.medallion.shop import DAYS, PROJECT, bring, change, sale
from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import World, world


@pytest.fixture
def shop() -> Iterator[World]:
    with world(PROJECT) as opened:
        yield opened


def days(shop: World) -> dict[str, tuple[int, int]]:
    return {str(row["day"]): (row["sales"], row["total"]) for row in shop.rows("gold/days")}


def test_a_row_that_moves_changes_both_days_and_empties_one(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1), sale(2, 2), sale(3, 3)])
    shop.run("gold/days")
    kept = {path for path, values in shop.files("gold/days").items() if str(values["day"]) == "2024-01-03"}
    bring(shop, "sales", "b", [sale(1, 2, amount=5)])
    record = shop.run("gold/days").record
    assert record is not None
    assert (record.partitions, record.rows) == ({"2024-01-01": 0, "2024-01-02": 1}, 2)
    assert days(shop) == {"2024-01-02": (2, 6), "2024-01-03": (1, 1)}
    assert kept <= set(shop.files("gold/days"))


def test_nothing_new_commits_nothing(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1)])
    version = shop.run("gold/days").version
    again = shop.run("gold/days")
    assert (again.record, again.version) == (None, version)


def test_a_coarser_grain_is_recomputed_by_the_month(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1), sale(2, 2), sale(3, 33)])
    shop.run("gold/months")
    bring(shop, "sales", "b", [sale(4, 2)])
    result = shop.run("gold/months")
    assert result.record is not None
    assert result.record.partitions == {"2024-01-01": 2}
    assert result.rows_read <= 4, "February's rows are not read"
    assert [(str(row["day"]), row["sales"]) for row in shop.contents("gold/months")] == [("2024-01-01", 1), ("2024-01-02", 2), ("2024-02-02", 1)]


def test_a_backfill_recomputes_what_is_named_and_moves_no_cursor(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1), sale(2, 2)])
    record = shop.run("gold/days", partitions=["2024-01-02", "2024-01-09"]).record
    assert record is not None
    assert (record.step, record.partitions) == ("backfill", {"2024-01-02": 1, "2024-01-09": 0})
    assert days(shop) == {"2024-01-02": (1, 1)}
    shop.run("gold/days")
    assert days(shop) == {"2024-01-01": (1, 1), "2024-01-02": (1, 1)}
    with pytest.raises(LakehouseError, match="no partitions"):
        shop.run("gold/customers", partitions=["2024-01-01"])


def test_keys_that_vanish_go_and_others_keep_their_files(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1, customer="x"), sale(2, 1, customer="y"), sale(3, 1, customer=None)])
    shop.run("gold/customers")
    bring(shop, "sales", "b", [sale(1, 1, customer="z", amount=7)])
    record = shop.run("gold/customers").record
    assert record is not None
    assert record.notes["keys_changed"] == 2
    assert {row["customer"]: row["total"] for row in shop.rows("gold/customers")} == {"y": 1, "z": 7}


def test_keys_whose_rows_are_equal_write_no_file(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1, customer="x")])
    shop.run("gold/customers")
    files = shop.files("gold/customers")
    bring(shop, "sales", "b", [sale(1, 2, customer="x")])
    record = shop.run("gold/customers").record
    assert record is not None
    assert record.notes["keys_changed"] == 0
    assert shop.files("gold/customers") == files


def test_replace_is_computed_again_when_its_input_or_its_code_changed(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1)])
    assert shop.run("gold/numbers").record is not None
    assert shop.run("gold/numbers").record is None
    shop.run("gold/totals")
    bring(shop, "sales", "b", [sale(2, 1)])
    shop.run("gold/totals")
    assert shop.rows("gold/totals") == [{"sales": 2}]


@pytest.mark.parametrize(("amount", "message"), [(2000, "rule bounded fails"), (2_147_483_647, "(?i)past the limits of INT|rule bounded")])
def test_a_row_that_breaks_the_contract_fails_the_run_and_commits_nothing(shop: World, amount: int, message: str) -> None:
    bring(shop, "sales", "a", [sale(1, 1)])
    version = shop.run("gold/days").version
    bring(shop, "sales", "b", [sale(2, 2, amount=amount), sale(3, 2, amount=amount)])
    with pytest.raises(LakehouseError, match=message):
        shop.run("gold/days")
    assert shop.delta("gold/days").version() == version
    assert days(shop) == {"2024-01-01": (1, 1)}


def test_a_changed_version_rekeys_exactly_the_days_whose_facts_point_to_it(shop: World) -> None:
    bring(shop, "products", "a", [change(1, "c", "old"), change(1, "c", "other", product="q")])
    bring(shop, "sales", "a", [sale(number, number) for number in range(1, 6)] + [sale(6, 4, product="q"), sale(7, 7, product="q")])
    shop.run("gold/dim_product", "gold/fact_sales")
    bring(shop, "products", "late", [change(3, "u", "new")])
    shop.run("gold/dim_product")
    record = shop.run("gold/fact_sales").record
    assert record is not None
    assert record.notes["affected_by_lookup"] == {"gold/dim_product": ["2024-01-03", "2024-01-04", "2024-01-05"]}
    assert list(record.partitions) == ["2024-01-03", "2024-01-04", "2024-01-05"]
    titles = {row["product_key"]: row["title"] for row in shop.rows("gold/dim_product")}
    facts = {row["sale"]: titles[row["product_key"]] for row in shop.rows("gold/fact_sales")}
    assert facts == {1: "old", 2: "old", 3: "new", 4: "new", 5: "new", 6: "other", 7: "other"}


def test_facts_without_a_version_are_keyed_when_it_arrives(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1), sale(2, 2)])
    shop.run("gold/dim_product", "gold/fact_sales")
    assert {row["product_key"] for row in shop.rows("gold/fact_sales")} == {-1}
    bring(shop, "products", "a", [change(2, "c", "title")])
    shop.run("gold/dim_product", "gold/fact_sales")
    keys = {row["sale"]: row["product_key"] for row in shop.rows("gold/fact_sales")}
    assert keys[1] == -1
    assert keys[2] > 0


def test_a_window_over_the_whole_table_is_recomputed_as_a_whole(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1, amount=5), sale(2, 2, amount=1)])
    shop.run("gold/ranked")
    bring(shop, "sales", "b", [sale(3, 2, amount=0)])
    shop.run("gold/ranked", partitions=["2024-01-02"])
    assert {row["sale"]: (row["place"], row["place_of_day"]) for row in shop.rows("gold/ranked")} == {1: (2, 1), 2: (2, 2), 3: (1, 1)}
    record = shop.run("gold/ranked").record
    assert record is not None
    assert record.rebuilt is not None
    assert {row["sale"]: row["place"] for row in shop.rows("gold/ranked")} == {1: 3, 2: 2, 3: 1}


@pytest.mark.parametrize(("table", "partition"), [("gold/days", "9999-12-31"), ("gold/months", "9999-12-01")])
def test_the_last_day_of_all_is_a_partition_like_any_other(shop: World, table: str, partition: str) -> None:
    bring(shop, "sales", "a", [sale(1, 1)])
    shop.run(table)
    bring(shop, "sales", "b", [sale(2, 2) | {"sold_at": "9999-12-31T23:59:59.999999Z"}])
    record = shop.run(table).record
    assert record is not None
    assert dict(record.partitions) == {partition: 1}
    assert [row["sales"] for row in shop.rows(table)] == [1, 1]


SALES = [
    source("bronze/sales", "sales/*.jsonl"),
    table(
        "silver/sales",
        "SELECT sale, customer, sold_at AS day FROM bronze.sales",
        [column("sale", "INT", required=True, key=1), column("customer", "STRING"), column("day", "DATE", required=True, partitioned=True)],
        refresh="upsert",
        partitions=DAYS,
    ),
]


@pytest.mark.parametrize(
    ("sql", "kind", "attributes"),
    [
        ("SELECT Customer AS v, COUNT(*) AS n FROM silver.sales GROUP BY Customer", "STRING", {"refresh": "replace_keys"}),
        ("SELECT DAY AS v, COUNT(*) AS n FROM silver.sales GROUP BY DAY", "DATE", {"refresh": "replace_partitions", "partitions": DAYS}),
    ],
)
def test_a_grain_may_be_spelt_in_another_case(sql: str, kind: str, attributes: dict[str, Any]) -> None:
    columns = [column("v", kind, required=True, key=1, partitioned=kind == "DATE"), column("n", "BIGINT", required=True)]
    with world(load(*SALES, table("gold/counts", sql, columns, **attributes))) as opened:
        for number, day in enumerate((1, 2, 2)):
            opened.land(f"sales/{number}.jsonl", [sale(number, day, customer=f"customer {day}")])
            opened.run("bronze/sales", "silver/sales", "gold/counts")
        assert sorted(row["n"] for row in opened.rows("gold/counts")) == [1, 2]

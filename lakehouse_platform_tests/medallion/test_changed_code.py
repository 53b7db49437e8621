"""A changed contract or query of a gold table: all of it is computed anew with the next increment, whatever changed in its input."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse_platform.medallion.stale import is_stale
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.medallion.shop import PROJECT, bring, change, changed, sale, under
from lakehouse_platform_tests.properties.worlds import World, world


def new_column(table: str, last: str, sql: str) -> Project:
    """The shop where a table has a further column of type BIGINT, after one that it has."""
    contract = f"  - name: {last}\n", f"  - name: further\n    logicalType: integer\n    physicalType: BIGINT\n  - name: {last}\n"
    return changed(table, ("contract.yaml", *contract), ("transform.sql", "SELECT ", f"SELECT {sql} AS further, "))


CASES = {
    "gold/days": (
        changed("gold/days", ("transform.sql", "SUM(amount) AS total", "SUM(amount) + 1 AS total")),
        new_column("gold/days", "sales", "MAX(amount)"),
    ),
    "gold/customers": (
        changed("gold/customers", ("transform.sql", "COUNT(*)", "COUNT(*) + 1")),
        new_column("gold/customers", "total", "MAX(amount)"),
    ),
    "gold/totals": (changed("gold/totals", ("transform.sql", "COUNT(*)", "COUNT(*) + 1")), new_column("gold/totals", "sales", "MAX(amount)")),
    "gold/dim_customer": (
        changed("gold/dim_customer", ("transform.sql", "customer, product", "customer, CONCAT(product, '!') AS product")),
        new_column("gold/dim_customer", "product", "amount"),
    ),
    "gold/dim_product": (
        changed("gold/dim_product", ("transform.sql", " WHERE live", "")),
        new_column("gold/dim_product", "title", "LENGTH(title)"),
    ),
    "gold/latest_products": (
        changed("gold/latest_products", ("transform.sql", "title FROM", "UPPER(title) AS title FROM")),
        new_column("gold/latest_products", "title", "LENGTH(title)"),
    ),
}


@pytest.fixture
def shop() -> Iterator[World]:
    with world(PROJECT) as opened:
        bring(opened, "sales", "a", [sale(1, 1), sale(2, 1, customer="y"), sale(3, 2, amount=5)])
        bring(opened, "products", "a", [change(1, "c", "one"), change(2, "u", "two"), change(3, "c", "three", product="q", live=False)])
        opened.run(*CASES)
        yield opened


@pytest.mark.parametrize("kind", [0, 1], ids=["another query", "another column"])
@pytest.mark.parametrize("table", CASES)
def test_gold_of_another_code_is_computed_anew_as_if_from_scratch(shop: World, table: str, kind: int) -> None:
    project = CASES[table][kind]
    later = under(shop, project)
    assert is_stale(later.lakehouse, project.tables[table])
    first = later.run(table)
    assert first.record is not None
    assert (first.record.step, first.record.rebuilt) == ("rebuild", "its contract or query changed")
    assert not is_stale(later.lakehouse, project.tables[table])
    assert later.run(table).record is None
    bring(later, "sales", "b", [sale(4, 3)])
    later.run(table)
    with world(project) as fresh:
        bring(fresh, "sales", "a", [sale(1, 1), sale(2, 1, customer="y"), sale(3, 2, amount=5)])
        bring(fresh, "products", "a", [change(1, "c", "one"), change(2, "u", "two"), change(3, "c", "three", product="q", live=False)])
        bring(fresh, "sales", "b", [sale(4, 3)])
        fresh.run(table)
        assert later.contents(table) == fresh.contents(table)
        assert later.contents(table) != []


def test_a_table_below_one_that_got_other_columns_is_computed_anew(shop: World) -> None:
    shop.run("gold/fact_sales")
    project = new_column("gold/dim_product", "title", "LENGTH(title)")
    later = under(shop, project)
    later.run("gold/dim_product")
    record = later.run("gold/fact_sales").record
    assert record is not None
    assert "other columns" in str(record.rebuilt)
    with world(project) as fresh:
        bring(fresh, "sales", "a", [sale(1, 1), sale(2, 1, customer="y"), sale(3, 2, amount=5)])
        bring(fresh, "products", "a", [change(1, "c", "one"), change(2, "u", "two"), change(3, "c", "three", product="q", live=False)])
        fresh.run("gold/dim_product", "gold/fact_sales")
        assert later.contents("gold/fact_sales") == fresh.contents("gold/fact_sales")


def test_partitions_of_a_table_with_other_columns_are_not_recomputed_alone(shop: World) -> None:
    later = under(shop, CASES["gold/days"][1])
    with pytest.raises(LakehouseError, match="its contract changed further"):
        later.run("gold/days", partitions=["2024-01-01"])


def test_other_partitions_are_refused_with_the_mend(shop: World) -> None:
    later = under(shop, changed("gold/days", ("defs.yaml", "grain: day", "grain: month")))
    with pytest.raises(LakehouseError, match="partitioned by day and its contract says day_month"):
        later.run("gold/days")

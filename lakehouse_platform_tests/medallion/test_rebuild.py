"""A rebuild: the table is as if it had been computed from scratch, its books and its quarantine too, and what is downstream follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.medallion import books, planned
from lakehouse_platform.medallion.difference import DIFFERENCE
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.stale import ASKED, CODE_CHANGED, is_stale
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.quarantine import open_quarantine, quarantine_name, visible_rows
from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.medallion.shop import PROJECT, bring, change, changed, sale, under
from lakehouse_platform_tests.properties.worlds import World, world

SALES = [
    [sale(1, 1), sale(2, 1, amount=0), sale(3, 2, amount=5, customer="y")],
    [sale(3, 2, amount=0, customer="y"), sale(4, 3, amount=7), sale(1, 1), sale(5, 3) | {"amount": "x"}],
]
PRODUCTS = [[change(1, "c", "one"), change(2, "u", "")], [change(3, "c", "", product="q"), change(2, "u", ""), change(4, "u", "two")]]
GOLD = ("gold/days", "gold/customers", "gold/totals", "gold/dim_product", "gold/latest_products")


def ruled(table: str, column: str, bound: str) -> Project:
    """The shop where a rule of severity error holds for a column."""
    entry = f"  - name: {column}\n"
    rule = f"{{id: ruled, type: sql, severity: error, mustBe: 0, query: 'SELECT count(*) FROM ${{table}} WHERE {bound}'}}"
    return changed(table, ("contract.yaml", entry, f"{entry}    quality: [{rule}]\n"))


PRICED, TITLED = ruled("silver/sales", "amount", "amount = 0"), ruled("silver/products", "title", "length(title) = 0")
CUSTOMER = "  - name: customer\n"
WIDER = changed(
    "silver/sales",
    ("contract.yaml", "  - name: amount\n", "  - name: place\n    logicalType: string\n    physicalType: STRING\n  - name: amount\n"),
    (
        "contract.yaml",
        f"{CUSTOMER}    logicalType: string\n    physicalType: STRING\n",
        f"{CUSTOMER}    logicalType: integer\n    physicalType: INT\n",
    ),
    ("transform.sql", "customer, amount", "CAST(LENGTH(customer) AS INT) AS customer, place, amount"),
)
WIDER_PRODUCTS = changed(
    "silver/products",
    ("contract.yaml", "  - name: live\n", "  - name: further\n    logicalType: string\n    physicalType: STRING\n  - name: live\n"),
    ("transform.sql", "title, live", "title, UPPER(title) AS further, live"),
)
UNKEYED = changed("silver/sales", ("defs.yaml", "refresh: upsert", "refresh: append"))
UNKEYED_PRICED = changed(
    "silver/sales", ("defs.yaml", "refresh: upsert", "refresh: append"), ("transform.sql", "FROM bronze.sales", "FROM bronze.sales WHERE sale <> 2")
)


def fill(shop: World) -> None:
    for number, sales, products in zip("ab", SALES, PRODUCTS, strict=True):
        bring(shop, "sales", number, sales)
        bring(shop, "products", number, products)


@pytest.fixture
def shop() -> Iterator[World]:
    with world(PROJECT) as opened:
        fill(opened)
        opened.run(*GOLD)
        yield opened


def anew(shop: World, table: str, *, dry_run: bool = False) -> CommitRecord:
    record = rebuild(shop.lakehouse, table, run_id="rebuild", dry_run=dry_run).record
    assert record is not None
    return record


def state(shop: World, table: str) -> tuple[Any, ...]:
    """All that can be seen of a silver table: its rows, the sum of its accounts, its quarantine."""
    with shop.lakehouse.session() as session:
        total = books.total(books.entries(shop.lakehouse, session, table))
        batches = books.committed_batches(shop.lakehouse, session, table)
        rows = visible_rows(open_quarantine(shop.lakehouse.location(quarantine_name(table))), batches)
        quarantined = session.rows(f"SELECT outcome, reasons, raw_data, source_file, source_row FROM ({rows}) ORDER BY ALL")
    return shop.contents(table), total, quarantined


def from_scratch(project: Project, table: str, *gold: str) -> tuple[Any, ...]:
    with world(project) as fresh:
        fill(fresh)
        for name in gold:
            fresh.run(name)
        return state(fresh, table), [fresh.contents(name) for name in gold]


CASES = {
    "a rule of an upserted table": (PROJECT, PRICED, "silver/sales", ("gold/days", "gold/customers", "gold/totals")),
    "other columns": (PROJECT, WIDER, "silver/sales", ("gold/days", "gold/totals")),
    "a rule of a table of changes": (PROJECT, TITLED, "silver/products", ("gold/dim_product", "gold/latest_products")),
    "other columns of a table of changes": (PROJECT, WIDER_PRODUCTS, "silver/products", ("gold/dim_product", "gold/latest_products")),
    "a query of an appended table": (UNKEYED, UNKEYED_PRICED, "silver/sales", ("gold/days",)),
}


@pytest.mark.parametrize(("before", "after", "table", "gold"), CASES.values(), ids=CASES)
def test_a_rebuilt_table_is_as_if_computed_from_scratch_and_back(before: Project, after: Project, table: str, gold: tuple[str, ...]) -> None:
    with world(before) as opened:
        fill(opened)
        opened.run(*gold)
        first = state(opened, table), [opened.contents(name) for name in gold]
        for project in (after, before):
            shop = under(opened, project)
            assert is_stale(shop.lakehouse, project.tables[table])
            record = anew(shop, table)
            assert (record.step, record.rebuilt) == ("rebuild", CODE_CHANGED)
            assert not is_stale(shop.lakehouse, project.tables[table])
            shop.run(*gold)
            assert (state(shop, table), [shop.contents(name) for name in gold]) == from_scratch(project, table, *gold)
        assert (state(opened, table), [opened.contents(name) for name in gold]) == first
        bring(opened, "sales", "c", [sale(9, 9)])
        bring(opened, "products", "c", [change(9, "u", "nine")])
        opened.run(*gold)


def test_the_difference_is_told_and_a_dry_run_leaves_everything_as_it_is(shop: World) -> None:
    later = under(shop, PRICED)
    before, versions = state(shop, "silver/sales"), files(shop)
    record = anew(later, "silver/sales", dry_run=True)
    assert record.notes[DIFFERENCE] == {
        "rows_before": 4,
        "rows_only_before": 2,
        "rows_only_after": 1,
        "columns_only_before": [],
        "columns_only_after": [],
        "columns_of_another_type": [],
        "accounts_before": {"read": 7, "accepted": 4, "duplicates": 2, "rejected": 1, "late": 0, "filtered": 0},
        "accounts_after": {"read": 7, "accepted": 3, "duplicates": 1, "rejected": 3, "late": 0, "filtered": 0},
    }
    assert record.accounts == Accounts(0, -1, -1, 2)
    assert (state(shop, "silver/sales"), files(shop)) == (before, versions)
    assert anew(later, "silver/sales").notes == record.notes


def files(shop: World) -> set[Path]:
    return {path for path in Path(shop.lakehouse.settings.home, "tables").rglob("*") if path.is_file()}


@pytest.mark.parametrize("table", ["silver/sales", "silver/products", *GOLD])
def test_without_a_change_a_rebuild_changes_nothing_and_books_nothing(shop: World, table: str) -> None:
    before = shop.contents(table)
    record = anew(shop, table)
    note = record.notes[DIFFERENCE]
    assert (note["rows_only_before"], note["rows_only_after"], record.rebuilt) == (0, 0, ASKED)
    assert record.accounts in (None, Accounts())
    assert shop.contents(table) == before


def test_what_bronze_has_beyond_the_cursor_is_the_next_increments(shop: World) -> None:
    shop.land("sales/c.jsonl", [sale(9, 9)])
    shop.run("bronze/sales")
    before = state(shop, "silver/sales")
    anew(shop, "silver/sales")
    assert state(shop, "silver/sales") == before
    assert shop.run("silver/sales").rows_read == 1


def test_an_increment_cannot_put_rows_beside_those_of_other_columns(shop: World) -> None:
    later = under(shop, WIDER)
    with pytest.raises(LakehouseError, match=r"its contract changed customer, place.*lakehouse rebuild silver/sales"):
        bring(later, "sales", "c", [sale(9, 9)])
    with pytest.raises(LakehouseError, match="its contract changed customer, place"):
        later.run("silver/sales", partitions=["2024-01-01"])
    anew(later, "silver/sales")
    later.run("silver/sales")
    assert {row["sale"]: row["customer"] for row in later.rows("silver/sales")}[9] == 1


def test_an_increment_of_a_stale_table_judges_by_the_new_rule_and_leaves_the_others_until_a_rebuild(shop: World) -> None:
    later = under(shop, PRICED)
    bring(later, "sales", "c", [sale(9, 9, amount=0)])
    assert is_stale(later.lakehouse, PRICED.tables["silver/sales"])
    assert {row["sale"] for row in later.rows("silver/sales")} == {1, 2, 3, 4}
    anew(later, "silver/sales")
    assert {row["sale"] for row in later.rows("silver/sales")} == {1, 3, 4}
    assert not is_stale(later.lakehouse, PRICED.tables["silver/sales"])


@pytest.mark.parametrize("table", ["silver/sales", "silver/products"])
def test_a_killed_rebuild_leaves_the_table_as_it_is_and_may_be_done_again(shop: World, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    later = under(shop, PRICED if table == "silver/sales" else TITLED)
    before = state(shop, table)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(planned, "commit", killed)
        anew(later, table)
    assert state(later, table) == before
    anew(later, table)
    assert state(later, table) == from_scratch(later.lakehouse.project, table)[0]


def killed(*_: Any, **__: Any) -> int:
    raise KeyboardInterrupt


def test_an_increment_that_comes_first_is_not_lost(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    later = under(shop, PRICED)
    tries: list[int] = []

    def second(*arguments: Any, **options: Any) -> int:
        tries.append(1)
        if len(tries) == 1:
            bring(later, "sales", "c", [sale(9, 9)])
        return commit(*arguments, **options)

    monkeypatch.setattr(planned, "commit", second)
    anew(later, "silver/sales")
    assert {row["sale"] for row in later.rows("silver/sales")} == {1, 3, 4, 9}
    assert state(later, "silver/sales")[1] == Accounts(8, 4, 1, 3)


def test_what_cannot_be_rebuilt_is_told_with_the_mend(shop: World) -> None:
    with pytest.raises(LakehouseError, match="holds records as they came"):
        anew(shop, "bronze/sales")
    with world(PROJECT) as empty:
        with pytest.raises(LakehouseError, match="does not exist yet"):
            anew(empty, "silver/sales")
        empty.run("silver/sales")
        with pytest.raises(LakehouseError, match="has not read bronze/sales"):
            anew(empty, "silver/sales")

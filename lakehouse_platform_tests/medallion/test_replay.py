"""A replay: rows in quarantine are judged anew after a fix, each ends in one place, and neither a kill nor a second replay doubles or loses one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from deltalake import DeltaTable

from lakehouse_platform.delta.commit import CommitConflict, commit
from lakehouse_platform.medallion import books, planned, replayed_events
from lakehouse_platform.medallion import replay as module
from lakehouse_platform.medallion.changes import cursor_id
from lakehouse_platform.medallion.history import versions_since
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.replay import replay
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.quarantine import claim, open_quarantine, quarantine_name, visible_rows
from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.medallion.shop import PROJECT, bring, change, changed, sale, under
from lakehouse_platform_tests.properties.worlds import World, world

SALES = [
    [sale(1, 1), sale(2, 1, amount=0), sale(3, 2, amount=0, customer="y"), sale(4, 2) | {"amount": "x"}],
    [sale(3, 2, amount=5, customer="y"), sale(5, 3, amount=0), sale(5, 3, amount=0)],
]
PRODUCTS = [
    [change(1, "c", "one"), change(3, "u", ""), change(2, "c", "", product="q"), change(1, "c", "r", product="r") | {"op": "x"}],
    [change(2, "u", "two"), change(3, "u", ""), change(4, "d", None, product="q")],
]


def ruled(table: str, column: str, bound: str, severity: str = "error") -> Project:
    """The shop where a rule holds for a column."""
    entry = f"  - name: {column}\n"
    rule = f"{{id: ruled, type: sql, severity: {severity}, mustBe: 0, query: 'SELECT count(*) FROM ${{table}} WHERE {bound}'}}"
    return changed(table, ("contract.yaml", entry, f"{entry}    quality: [{rule}]\n"))


STRICT = {"silver/sales": ruled("silver/sales", "amount", "amount = 0"), "silver/products": ruled("silver/products", "title", "length(title) = 0")}
TABLES = tuple(STRICT)


def fill(shop: World) -> None:
    for name, sales, products in zip("ab", SALES, PRODUCTS, strict=True):
        bring(shop, "sales", name, sales)
        bring(shop, "products", name, products)


@pytest.fixture
def shops() -> Iterator[dict[str, World]]:
    """A shop a table, filled under its strict rule, and now without it."""
    with world(STRICT[TABLES[0]]) as sales, world(STRICT[TABLES[1]]) as products:
        for shop in (sales, products):
            fill(shop)
        yield {TABLES[0]: under(sales, PROJECT), TABLES[1]: under(products, PROJECT)}


def state(shop: World, table: str) -> tuple[Any, ...]:
    with shop.lakehouse.session() as session:
        total = books.total(books.entries(shop.lakehouse, session, table))
        batches = books.committed_batches(shop.lakehouse, session, table)
        rows = visible_rows(open_quarantine(shop.lakehouse.location(quarantine_name(table))), batches)
        quarantined = session.rows(f"SELECT outcome, reasons, raw_data, source_file, source_row FROM ({rows}) ORDER BY ALL")
    return shop.contents(table), total, quarantined, rule_sums(shop, table)


def rule_sums(shop: World, table: str) -> dict[str, int]:
    """How many rows fail each rule, by the commits of a table that was never rebuilt."""
    sums: dict[str, int] = {}
    for version in versions_since(shop.lakehouse, table):
        for rule, count in (version.record.rules if version.record is not None else {}).items():
            sums[rule] = sums.get(rule, 0) + count
    return {rule: count for rule, count in sums.items() if count}


def expected(table: str, project: Project = PROJECT) -> tuple[Any, ...]:
    """The state of a table that had the present rules from the start."""
    with world(project) as fresh:
        fill(fresh)
        return state(fresh, table)


def replayed(shop: World, table: str, where: str | None = None) -> CommitRecord:
    record = replay(shop.lakehouse, table, where, run_id="replay").record
    assert record is not None
    return record


@pytest.mark.parametrize("table", TABLES)
def test_after_a_fix_the_table_is_as_if_it_had_been_right_from_the_start(shops: dict[str, World], table: str) -> None:
    shop = shops[table]
    before = state(shop, table)
    record = replayed(shop, table)
    assert (record.step, record.notes["replayed"]) == ("replay", len(before[2]))
    assert record.accounts is not None
    assert (record.accounts.read, record.accounts.balance) == (0, 0)
    assert record.accounts.rejected < 0
    assert state(shop, table) == expected(table)
    fresh = state(shop, table)
    assert replay(shop.lakehouse, table, "reasons[0].rule = 'ruled'", run_id="again").record is None
    again = replayed(shop, table)
    assert again.accounts == Accounts()
    assert state(shop, table) == fresh
    shop.run("gold/totals", "gold/latest_products")


def test_a_replayed_row_settles_with_its_key_like_any_other(shops: dict[str, World]) -> None:
    """Sale 3 came again, valid, so its replayed row is older; sale 5 is there twice."""
    shop = shops["silver/sales"]
    record = replayed(shop, "silver/sales", "reasons[0].rule = 'ruled'")
    assert record.accounts == Accounts(0, 2, 2, -4)
    assert {row["sale"]: row["amount"] for row in shop.rows("silver/sales")} == {1: 1, 2: 0, 3: 5, 5: 0}


def test_only_the_rows_that_are_asked_for_are_taken(shops: dict[str, World]) -> None:
    shop = shops["silver/sales"]
    record = replayed(shop, "silver/sales", "source_row = 2 AND outcome = 'rejected' AND raw_data LIKE '%\"sale\": 2%'")
    assert (record.notes["replayed"], record.accounts) == (1, Accounts(0, 1, 0, -1))
    assert {row["sale"] for row in shop.rows("silver/sales")} == {1, 2, 3}
    replayed(shop, "silver/sales")
    assert state(shop, "silver/sales") == expected("silver/sales")


@pytest.mark.parametrize("where", ["colour = 1", "SELECT 1", "source_row +"])
def test_a_condition_that_says_nothing_is_told(shops: dict[str, World], where: str) -> None:
    with pytest.raises(LakehouseError, match="the columns are outcome, reasons"):
        replay(shops["silver/sales"].lakehouse, "silver/sales", where, run_id="replay")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_killed_replay_neither_doubles_nor_loses(shops: dict[str, World], monkeypatch: pytest.MonkeyPatch, table: str, moment: str) -> None:
    shop = shops[table]
    before = state(shop, table)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        kill(patch, moment, table)
        replayed(shop, table)
    if moment != "after":
        assert state(shop, table) == before
    # Increments go on in between, whether or not anyone replays again.
    bring(shop, "sales", "c", [sale(9, 9)])
    bring(shop, "products", "c", [change(9, "c", "nine", product="z"), change(5, "u", "five")])
    result = replay(shop.lakehouse, table, run_id="again")
    assert (result.record is None) == (moment == "after" and state(shop, table)[2] == [])
    with world(PROJECT) as fresh:
        fill(fresh)
        bring(fresh, "sales", "c", [sale(9, 9)])
        bring(fresh, "products", "c", [change(9, "c", "nine", product="z"), change(5, "u", "five")])
        assert state(shop, table) == state(fresh, table)
        for each in (shop, fresh):
            each.run("gold/dim_product", "gold/days")
        assert shop.contents("gold/dim_product") == fresh.contents("gold/dim_product")


def kill(patch: pytest.MonkeyPatch, moment: str, table: str) -> None:
    """Before anything, between quarantine and table, or once the table is committed: for change events, before their set has them."""
    if moment == "after" and table == "silver/products":
        patch.setattr(replayed_events, "append_events", killed)
    elif moment == "after":

        def dies_after(*arguments: Any, **options: Any) -> int:
            commit(*arguments, **options)
            raise KeyboardInterrupt

        patch.setattr(planned, "commit", dies_after)
    else:
        patch.setattr(*((module, "claim") if moment == "before" else (planned, "commit")), killed)


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("table", TABLES)
def test_of_two_replays_at_once_each_row_is_taken_by_one(shops: dict[str, World], monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    shop = shops[table]
    tries: list[int] = []

    def overtaken(*arguments: Any, **options: Any) -> int:
        tries.append(1)
        if len(tries) == 1:
            replayed(shop, table, "source_row = 2")
        return commit(*arguments, **options)

    monkeypatch.setattr(planned, "commit", overtaken)
    replayed(shop, table)
    assert len(tries) > 1
    assert state(shop, table) == expected(table)


def test_a_lost_race_for_the_quarantine_is_derived_anew(shops: dict[str, World], monkeypatch: pytest.MonkeyPatch) -> None:
    shop = shops["silver/sales"]
    losses = iter([True])

    def loses_once(*arguments: Any) -> None:
        if next(losses, False):
            raise CommitConflict("another was first")
        claim(*arguments)

    monkeypatch.setattr(module, "claim", loses_once)
    replayed(shop, "silver/sales")
    assert state(shop, "silver/sales") == expected("silver/sales")


def test_a_rebuild_after_a_replay_is_from_scratch_and_stands_alone(shops: dict[str, World]) -> None:
    shop = shops["silver/sales"]
    replayed(shop, "silver/sales")
    rebuild(shop.lakehouse, "silver/sales", run_id="rebuild")
    assert state(shop, "silver/sales")[:3] == expected("silver/sales")[:3]
    strict = under(shop, STRICT["silver/sales"])
    rebuild(strict.lakehouse, "silver/sales", run_id="rebuild")
    assert state(strict, "silver/sales")[:3] == expected("silver/sales", STRICT["silver/sales"])[:3]


def test_a_row_whose_record_bronze_has_lost_stays_and_is_told(shops: dict[str, World]) -> None:
    shop = shops["silver/sales"]
    bronze = DeltaTable(shop.lakehouse.location("bronze/sales"))
    bronze.alter.set_table_properties({"delta.appendOnly": "false"})
    bronze.delete("source_file LIKE '%a.jsonl' AND source_row = 2")
    silver, upstream = (shop.lakehouse.snapshot(name) for name in ("silver/sales", "bronze/sales"))
    assert silver is not None
    assert upstream is not None
    # As if the table had read on: that a record went is not what this is about.
    commit(silver, transactions={cursor_id("bronze/sales", upstream): upstream.version})
    record = replayed(shop, "silver/sales")
    assert record.notes == {"replayed": 4, "records_gone": 1}
    assert {row["sale"] for row in shop.rows("silver/sales")} == {1, 3, 5}
    result = replay(shop.lakehouse, "silver/sales", "source_row = 2 AND raw_data LIKE '%\"sale\": 2%'", run_id="again")
    assert "bronze has lost the records of 1" in str(result.passed_over)


def test_a_quarantine_without_claims_is_widened(shops: dict[str, World]) -> None:
    shop = shops["silver/sales"]
    place = shop.lakehouse.location(quarantine_name("silver/sales"))
    narrow(shop, place)
    before = state(shop, "silver/sales")
    bring(shop, "sales", "c", [sale(9, 9) | {"amount": "x"}])
    assert len(state(shop, "silver/sales")[2]) == len(before[2]) + 1
    replayed(shop, "silver/sales", "source_row = 2")
    assert {row["sale"] for row in shop.rows("silver/sales")} == {1, 2, 3, 5}
    assert len(state(shop, "silver/sales")[2]) == len(before[2]) - 1


def narrow(shop: World, place: str) -> None:
    """The quarantine as it was before there were claims."""
    snapshot = open_quarantine(place)
    fields = tuple(field for field in snapshot.columns if field.name != "claims")
    names = ", ".join(field.name for field in fields)
    with shop.lakehouse.session() as session:
        rows = visible_rows(snapshot, {str(file.partition_values["batch_id"]) for file in snapshot.files})
        added = session.write(f"SELECT {names} FROM ({rows})", place, ("batch_id",))
    commit(snapshot, added=added, removed=snapshot.files, columns=fields)


def test_what_cannot_be_replayed_is_told(shops: dict[str, World]) -> None:
    shop = shops["silver/sales"]
    with pytest.raises(LakehouseError, match="turns no rows away"):
        replay(shop.lakehouse, "gold/days", run_id="replay")
    with world(PROJECT) as empty, pytest.raises(LakehouseError, match="has not read bronze/sales"):
        replay(empty.lakehouse, "silver/sales", run_id="replay")

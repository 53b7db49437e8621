"""Maintenance changes nothing that anyone reads of a medallion's tables: a lakehouse that is maintained after each step equals one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse_platform.delta.tags import add_tag
from lakehouse_platform.delta.upkeep import checkpoint, clean_log
from lakehouse_platform.delta.vacuum import vacuum
from lakehouse_platform.medallion import books, planned
from lakehouse_platform.medallion.history import last_record
from lakehouse_platform.medallion.needed import needed
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.medallion.restore import restore
from lakehouse_platform.medallion.stale import is_stale
from lakehouse_platform.medallion.waiting import rows_waiting
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform_tests.medallion import test_event_sets as event_sets
from lakehouse_platform_tests.medallion import test_snapshots as snapshots
from lakehouse_platform_tests.medallion.shop import FEEDS, PROJECT, bring, change, changed, sale, under
from lakehouse_platform_tests.properties.worlds import World, in_order, world

GOLD = ("gold/days", "gold/customers", "gold/dim_product", "gold/fact_sales")
TABLES = ("silver/sales", "silver/products", *GOLD)


@pytest.fixture
def twins() -> Iterator[tuple[World, World]]:
    """Two lakehouses of one project: one to be maintained, one to be left alone."""
    with world(PROJECT) as maintained, world(PROJECT) as other:
        yield maintained, other


def tables_of(shop: World) -> list[str]:
    """Every Delta table there is, those beside other tables and the platform's own too."""
    root = shop.lakehouse.settings.home / "tables"
    return sorted(str(path.parent.relative_to(root)) for path in root.glob("*/*/_delta_log"))


def maintain(shop: World, *, later: timedelta | None = None) -> None:
    """Rearrange every table; with `later`, also delete what nobody needs then, and clean its log."""
    lakehouse = shop.lakehouse
    with lakehouse.session() as session:
        for name in tables_of(shop):
            location = lakehouse.location(name)
            optimize(session, location)
            wanted = needed(lakehouse, session, name)
            assert wanted is not None
            if later is not None:
                now = datetime.now(UTC) + later
                vacuum(location, keep_versions=wanted.versions, now=now)
                clean_log(location, keep_from_version=wanted.log_from, now=now)


def told(shop: World) -> dict[str, Any]:
    """What the readers of the logs say of each table."""
    lakehouse = shop.lakehouse
    with lakehouse.session() as session:
        accounts = {name: books.total(books.entries(lakehouse, session, name)) for name in TABLES}
        batches = {name: len(books.committed_batches(lakehouse, session, name)) for name in TABLES}
    tables = {name: lakehouse.project.tables[name] for name in TABLES}
    stale = {name: is_stale(lakehouse, table) for name, table in tables.items()}
    steps = {name: record.step if (record := last_record(lakehouse, name)) else None for name in TABLES}
    waiting = {name: rows_waiting(lakehouse, table) for name, table in tables.items()}
    return {"accounts": accounts, "batches": batches, "stale": stale, "steps": steps, "waiting": waiting}


def first_events(shop: World) -> None:
    bring(shop, "products", "1", [change(1, "c", "one")])
    bring(shop, "sales", "1", [sale(1, 1), sale(2, 2, customer=None)])
    shop.run(*GOLD)
    bring(shop, "sales", "2", [sale(3, 2, amount=5), sale(1, 3, amount=2)])
    bring(shop, "products", "2", [change(2, "u", "two")])
    shop.run(*GOLD)


@pytest.mark.parametrize("later", [None, timedelta(hours=721)])
def test_whatever_is_read_after_maintenance_is_what_was_read_before(twins: tuple[World, World], later: timedelta | None) -> None:
    shop, other = twins
    versions: list[int] = []
    for each in twins:
        first_events(each)
        versions.append(each.delta("silver/sales").version())
    maintain(shop, later=later)
    assert told(shop) == told(other)
    assert [shop.run(name).record for name in TABLES] == [None] * len(TABLES), "nothing is new to anyone"
    for each in twins:
        shop_rows = [sale(4, 1, amount=7), sale(3, 4, amount=6), sale(9, 1, customer="new")]
        bring(each, "sales", "3", shop_rows)
    assert told(shop) == told(other), "rows that wait are counted as if nothing had been rearranged"
    records = [[each.run(name).record for name in GOLD] for each in twins]
    assert [record and (record.step, record.partitions, record.rows) for record in records[0]] == [
        record and (record.step, record.partitions, record.rows) for record in records[1]
    ], "of the downstream the same partitions are computed"
    maintain(shop, later=later)
    for each in twins:
        rebuild(each.lakehouse, "silver/sales", run_id="rebuild")
        each.run(*GOLD)
    assert told(shop) == told(other)
    assert contents(shop) == contents(other)
    maintain(shop, later=later)
    if later is None:
        for each, version in zip(twins, versions, strict=True):
            restore(each.lakehouse, "silver/sales", version, run_id="back")
        assert (shop.contents("silver/sales"), told(shop)["accounts"]) == (other.contents("silver/sales"), told(other)["accounts"])
        maintain(shop)
        for each in twins:
            each.run("silver/sales", *GOLD)
        assert (told(shop), contents(shop)) == (told(other), contents(other))


def test_a_version_of_after_the_optimise_is_restored_as_one_of_before(twins: tuple[World, World]) -> None:
    shop, _ = twins
    first_events(shop)
    rows = shop.contents("silver/sales")
    maintain(shop)
    optimised = shop.delta("silver/sales").version()
    bring(shop, "sales", "3", [sale(5, 5), sale(1, 6, amount=9)])
    later = shop.contents("silver/sales")
    restore(shop.lakehouse, "silver/sales", optimised, run_id="back")
    assert shop.contents("silver/sales") == rows
    shop.run("silver/sales")
    assert shop.contents("silver/sales") == later


def test_a_tag_keeps_what_tells_which_code_made_its_rows(twins: tuple[World, World]) -> None:
    for shop, is_tagged in zip(twins, (True, False), strict=True):
        first_events(shop)
        maintain(shop)
        location, tagged = shop.lakehouse.location("silver/sales"), shop.delta("silver/sales").version()
        if is_tagged:
            checkpoint(location)
            add_tag(location, "release", tagged)
        doubled = under(shop, changed("silver/sales", ("transform.sql", "customer, amount", "customer, CAST(amount AS INT) * 2 AS amount")))
        rebuild(doubled.lakehouse, "silver/sales", run_id="rebuild")
        maintain(doubled, later=timedelta(hours=721 if is_tagged else 0))
        if not is_tagged:
            # An older log began here: of what is left nothing tells who made the rows.
            checkpoint_of(shop, tagged)
            clean_log(location, keep_from_version=tagged, now=datetime.now(UTC) + timedelta(hours=721))
        table = doubled.lakehouse.project.tables["silver/sales"]
        assert not is_stale(doubled.lakehouse, table)
        restore(doubled.lakehouse, "silver/sales", tagged, run_id="back")
        assert is_stale(doubled.lakehouse, table), "the rows are those of the query before"
        record = last_record(doubled.lakehouse, "silver/sales")
        assert record is not None and bool(record.code_version) is is_tagged


def test_a_tag_is_gone_back_to_though_what_was_read_until_then_is_vacuumed(twins: tuple[World, World]) -> None:
    shop, other = twins
    for each in twins:
        first_events(each)
        location, tagged = each.lakehouse.location("silver/products"), each.delta("silver/products").version()
        add_tag(location, "release", tagged)
        bring(each, "products", "3", [change(3, "u", "three"), change(3, "c", "new", product="q")])
        each.run(*GOLD)
        if each is shop:
            maintain(each, later=timedelta(hours=721))
        restore(each.lakehouse, "silver/products", tagged, run_id="back")
    assert shop.contents("silver/products") == other.contents("silver/products")
    with pytest.raises(LakehouseError, match=r"has read bronze/product_changes up to version 1, of which 2 files were vacuumed.*materialize"):
        rebuild(shop.lakehouse, "silver/products", run_id="rebuild")
    for each in twins:
        each.run("silver/products", *GOLD)
    assert (contents(shop), event_sets.events(shop)) == (contents(other), event_sets.events(other))


def test_a_rebuild_reads_bronze_though_the_version_of_its_cursor_is_vacuumed(twins: tuple[World, World]) -> None:
    shop, other = twins
    for each in twins:
        first_events(each)
    maintain(shop, later=timedelta(hours=169))
    # What came since, the cursor has not passed.
    for each in twins:
        each.land("sales/9.jsonl", [{"place": "9:0"} | sale(40, 8)])
        each.run(FEEDS["sales"][0])
        rebuild(each.lakehouse, "silver/sales", run_id="rebuild")
    assert shop.contents("silver/sales") == other.contents("silver/sales")
    with shop.lakehouse.session() as session:
        assert books.total(books.entries(shop.lakehouse, session, "silver/sales")) == Accounts(4, 3, 1)


def test_snapshots_that_a_rearrangement_put_into_one_file_are_told_apart() -> None:
    def land(lists: World, *days: tuple[str, dict[str, str]]) -> None:
        for day, names in days:
            snapshots.land(lists, day, names)
            lists.run(snapshots.BRONZE)

    with world(snapshots.PROJECT) as lists, world(snapshots.PROJECT) as other:
        for each in (lists, other):
            snapshots.bring(each, "01", {"x": "one", "y": "two"})
            land(each, ("03", {"x": "three", "y": "two"}), ("02", {"x": "one"}))
        maintain(lists)
        for each in (lists, other):
            land(each, ("04", {"z": "four"}))
            each.run(snapshots.SILVER, snapshots.DIMENSION)
        assert (snapshots.state(lists), snapshots.history(lists)) == (snapshots.state(other), snapshots.history(other))
        assert snapshots.state(lists) == {"z": "four"}


def test_a_rebuild_that_was_killed_is_known_after_an_optimise(monkeypatch: pytest.MonkeyPatch) -> None:
    with world(event_sets.STRICT) as shop:
        loose = under(shop, PROJECT)
        for name, record in (("a", change(1, "c", "one")), ("b", change(3, "u", ""))):
            bring(loose, "products", name, [record])
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(planned, "commit", event_sets.killed)
            rebuild(shop.lakehouse, event_sets.PRODUCTS, run_id="rebuild")
        assert event_sets.events(shop) == ["one"]
        maintain(loose)
        bring(loose, "products", "c", [change(2, "u", "two")])
        assert (event_sets.titles(loose), event_sets.events(loose)) == ({"p": ""}, ["", "one", "two"])


def checkpoint_of(shop: World, version: int) -> None:
    """Write down the state of an earlier version of silver, as another tool's clean-up of the log may begin with."""
    snapshot = shop.lakehouse.snapshot("silver/sales", version)
    assert snapshot is not None
    snapshot.handle.create_checkpoint()


def contents(shop: World) -> dict[str, Any]:
    """All rows of all tables, surrogate keys and times of processing aside."""
    return {name: in_order({n: v for n, v in row.items() if not n.endswith("_key")} for row in shop.contents(name)) for name in TABLES}

"""A table taken back to an earlier version: rows, cursors, accounts and quarantine are those of then, and what came since is read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.delta.tags import add_tag, pinned_versions
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.difference import DIFFERENCE
from lakehouse_platform.medallion.history import Past, standing
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.medallion.restore import restore
from lakehouse_platform.medallion.time_travel import snapshot_at
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.quarantine import quarantine_name, visible_rows
from lakehouse_platform.tables.project import Project
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform_tests.medallion import shop as shops
from lakehouse_platform_tests.medallion.test_rebuild import PRICED, SALES, TITLED, WIDER, state
from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import World, world

DAYS = {"grain": "day", "start": "2024-01-01"}
PROJECT = load(
    source("bronze/sales", "sales/*.jsonl"),
    table(
        "silver/sales",
        "SELECT sale, day, amount FROM bronze.sales",
        [column("sale", "INT", required=True, key=1), column("day", "DATE", required=True, partitioned=True), column("amount", "INT")],
        refresh="upsert",
        sequence_by=["amount"],
        partitions=DAYS,
    ),
    table(
        "gold/days",
        "SELECT day, COUNT(*) AS sales, SUM(amount) AS total FROM silver.sales GROUP BY day",
        [column("day", "DATE", required=True, key=1, partitioned=True), column("sales", "BIGINT"), column("total", "BIGINT")],
        refresh="replace_partitions",
        partitions=DAYS,
    ),
)
TABLES = ("bronze/sales", "silver/sales", "gold/days")


def bring(shop: World, name: str, *sales: tuple[int, int, Any]) -> None:
    shop.land(f"sales/{name}.jsonl", [{"sale": sale, "day": f"2024-01-{day:02}", "amount": amount} for sale, day, amount in sales])
    shop.run(*TABLES)


def rejected(shop: World) -> list[int]:
    """Rows of the source that stand in quarantine."""
    lakehouse = shop.lakehouse
    with lakehouse.session() as session:
        snapshot = lakehouse.snapshot(quarantine_name("silver/sales"))
        assert snapshot is not None
        visible = visible_rows(snapshot, books.committed_batches(lakehouse, session, "silver/sales"))
        return [row for (row,) in session.rows(f"SELECT source_row FROM ({visible}) ORDER BY source_row")]


def booked(shop: World) -> Accounts:
    with shop.lakehouse.session() as session:
        return books.total(books.entries(shop.lakehouse, session, "silver/sales"))


def version(shop: World, name: str) -> int:
    snapshot = shop.lakehouse.snapshot(name)
    assert snapshot is not None
    return snapshot.version


def test_a_restored_table_and_the_refresh_after_it() -> None:
    with world(PROJECT) as shop:
        bring(shop, "1", (1, 1, 10), (2, 2, 20), (3, 2, "x"))
        then, rows, day_rows = version(shop, "silver/sales"), shop.contents("silver/sales"), shop.contents("gold/days")
        bring(shop, "2", (1, 3, 11), (4, 1, 40), (5, 1, "y"), (6, 1, "z"))
        later, later_days = shop.contents("silver/sales"), shop.contents("gold/days")
        assert (booked(shop), rejected(shop)) == (Accounts(7, 3, 1, 3), [3, 3, 4])

        record = restore(shop.lakehouse, "silver/sales", then, run_id="back").record
        assert record is not None
        assert record.accounts == Accounts(-4, -1, -1, -2)
        assert record.partitions == {"2024-01-01": 1, "2024-01-03": 0}
        assert (shop.contents("silver/sales"), booked(shop), rejected(shop)) == (rows, Accounts(3, 2, 0, 1), [3])
        shop.run("gold/days")
        assert shop.contents("gold/days") == day_rows

        shop.run(*TABLES)
        assert (shop.contents("silver/sales"), shop.contents("gold/days")) == (later, later_days)
        assert (booked(shop), rejected(shop)) == (Accounts(7, 3, 1, 3), [3, 3, 4])
        assert shop.run("silver/sales").record is None


def test_before_its_first_rows_a_table_has_read_nothing() -> None:
    with world(PROJECT) as shop:
        bring(shop, "1", (1, 1, 10), (3, 2, "x"))
        rows = shop.contents("silver/sales")
        restore(shop.lakehouse, "silver/sales", 0, run_id="back")
        assert (shop.contents("silver/sales"), booked(shop), rejected(shop)) == ([], Accounts(), [])
        shop.run("silver/sales")
        assert (shop.contents("silver/sales"), booked(shop), rejected(shop)) == (rows, Accounts(2, 1, 0, 1), [2])


def test_a_restored_gold_table_is_computed_again_from_what_came_since() -> None:
    with world(PROJECT) as shop:
        bring(shop, "1", (1, 1, 10))
        then = version(shop, "gold/days")
        bring(shop, "2", (2, 2, 20))
        days = shop.contents("gold/days")
        restore(shop.lakehouse, "gold/days", then, run_id="back")
        assert len(shop.contents("gold/days")) == 1
        record = shop.run("gold/days").record
        assert record is not None
        assert (record.step, list(record.partitions)) == ("increment", ["2024-01-02"])
        assert shop.contents("gold/days") == days


def test_what_cannot_be_restored_says_why() -> None:
    with world(PROJECT) as shop:
        with pytest.raises(LakehouseError, match="does not exist yet"):
            restore(shop.lakehouse, "silver/sales", 0, run_id="back")
        bring(shop, "1", (1, 1, 10))
        with pytest.raises(LakehouseError, match="only grows"):
            restore(shop.lakehouse, "bronze/sales", 0, run_id="back")
        with pytest.raises(LakehouseError, match="restore one from 0 to 0"):
            restore(shop.lakehouse, "silver/sales", 1, run_id="back")


def test_commits_that_stand() -> None:
    steps = [Past(1, "increment"), Past(2, "increment"), Past(3, "rebuild"), Past(4, "replay"), Past(5, "restore", 2), Past(6, "increment")]
    assert standing(steps[:2]) == [0, 1]
    assert standing(steps[:4]) == [2, 3]
    assert standing(steps) == [0, 1, 5]
    assert standing([*steps, Past(7, "restore", 4)]) == [2, 3]
    assert standing([*steps, Past(7, "restore", 5), Past(8, "increment")]) == [0, 1, 7]
    assert standing([*steps, Past(7, "restore", 0)]) == []
    assert standing([]) == []


CHANGES = [
    [shops.change(1, "c", "one"), shops.change(2, "u", "")],
    [shops.change(3, "c", "", product="q"), shops.change(2, "u", ""), shops.change(4, "u", "two")],
    [shops.change(5, "d", None, product="q"), shops.change(1, "u", "late")],
]
MORE_SALES = [*SALES, [shops.sale(3, 1, amount=2), shops.sale(2, 1, amount=0), shops.sale(6, 2, amount=3)]]


@pytest.mark.parametrize(
    ("project", "feed", "name", "batches"),
    [(PRICED, "sales", "silver/sales", MORE_SALES), (TITLED, "products", "silver/products", CHANGES)],
    ids=["upsert", "scd1"],
)
def test_a_silver_table_restored_and_refreshed_equals_a_rebuild_from_bronze(project: Project, feed: str, name: str, batches: Any) -> None:
    """Rows, accounts and quarantine, from each version that the table ever had, also after its files were packed."""
    with world(project) as shop:
        for number, records in enumerate(batches):
            shops.bring(shop, feed, f"{number}", records)
        whole, newest = state(shop, name), version(shop, name)
        assert whole[1].rejected == sum(1 for row in whole[2] if row[0] == "rejected") > 0, "there is something in quarantine"
        with shop.lakehouse.session() as session:
            optimize(session, shop.lakehouse.location(name))
        for back in range(newest):
            restore(shop.lakehouse, name, back, run_id="back")
            assert state(shop, name) != whole
            shop.run(name)
            refreshed = state(shop, name)
            assert refreshed == whole, f"restored to version {back} and refreshed"
            record = rebuild(shop.lakehouse, name, run_id="anew").record
            assert record is not None
            assert (record.notes[DIFFERENCE]["rows_only_before"], record.notes[DIFFERENCE]["rows_only_after"]) == (0, 0)
            assert state(shop, name) == refreshed, "a rebuild from bronze books and turns away the same"


def test_going_back_over_other_columns_brings_the_old_ones_back() -> None:
    with world(shops.PROJECT) as shop:
        shops.bring(shop, "sales", "0", MORE_SALES[0])
        then, first = version(shop, "silver/sales"), shop.contents("silver/sales")
        rebuild(shops.under(shop, WIDER).lakehouse, "silver/sales", run_id="wider")
        assert "place" in shop.contents("silver/sales")[0]
        restore(shop.lakehouse, "silver/sales", then, run_id="back")
        assert shop.contents("silver/sales") == first
        shops.bring(shop, "sales", "1", MORE_SALES[1])
        with world(shops.PROJECT) as fresh:
            for number, records in enumerate(MORE_SALES[:2]):
                shops.bring(fresh, "sales", f"{number}", records)
            assert state(shop, "silver/sales") == state(fresh, "silver/sales")


def test_a_version_whose_files_a_vacuum_took_is_not_restored_and_says_which_can_be() -> None:
    with world(PROJECT) as shop:
        bring(shop, "1", (1, 1, 10))
        bring(shop, "2", (1, 1, 11), (2, 2, 20))
        add_tag(shop.lakehouse.location("silver/sales"), "kept", 2)
        bring(shop, "3", (1, 1, 12))
        held = {file.path for number in (2, 3) for file in snapshot_at(shop.lakehouse, "silver/sales", number).files}
        (gone,) = [file for file in snapshot_at(shop.lakehouse, "silver/sales", 1).files if file.path not in held]
        Path(gone.uri).unlink()
        before = shop.contents("silver/sales")
        with pytest.raises(LakehouseError, match=r"1 of its 1 files were vacuumed, .* still there: versions 0 and 2 to 3 \(tags: kept = 2\)"):
            restore(shop.lakehouse, "silver/sales", 1, run_id="back")
        assert (shop.contents("silver/sales"), version(shop, "silver/sales")) == (before, 3)

        restore(shop.lakehouse, "silver/sales", 2, run_id="back")
        assert pinned_versions(shop.lakehouse.location("silver/sales")) == {2}, "a tag names a version, whatever the table goes back to"
        shop.run(*TABLES)
        assert shop.contents("silver/sales") == before

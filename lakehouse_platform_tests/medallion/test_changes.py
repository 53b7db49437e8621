"""What an input brought since a table last read it: increments, first reads, and why an increment is not possible."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse_platform.medallion.changes import InputChange, increment_of
from lakehouse_platform_tests.medallion.shop import PROJECT, bring, sale
from lakehouse_platform_tests.properties.worlds import World, world


@pytest.fixture
def shop() -> Iterator[World]:
    with world(PROJECT) as opened:
        bring(opened, "sales", "a", [sale(1, 1), sale(2, 2)])
        opened.run("gold/days")
        yield opened


def sales_change(shop: World) -> InputChange:
    target = shop.lakehouse.snapshot("gold/days")
    assert target is not None
    return increment_of(shop.lakehouse, target, "silver/sales")


def test_nothing_new(shop: World) -> None:
    assert sales_change(shop).kind == "none"


def test_only_files_that_changed(shop: World) -> None:
    bring(shop, "sales", "b", [sale(3, 2)])
    change = sales_change(shop)
    assert (change.kind, change.from_version + 1, change.reason) == ("files", change.to_version, None)
    assert {file.partition_values["day"] for file in change.files} == {"2024-01-02"}


def test_a_first_read_is_no_rebuild(shop: World) -> None:
    record = shop.run("gold/totals").record
    assert record is not None
    assert (record.step, record.rebuilt, record.inputs["silver/sales"][0]) == ("increment", None, -1)


def test_an_input_made_anew_is_read_whole(shop: World) -> None:
    shutil.rmtree(shop.lakehouse.location("silver/sales"))
    shop.run("silver/sales")
    assert sales_change(shop).reason == "silver/sales was made anew since it was last read"
    record = shop.run("gold/days").record
    assert record is not None
    assert (record.step, record.partitions) == ("rebuild", {"2024-01-01": 1, "2024-01-02": 1})


def test_a_restored_input_is_read_whole(shop: World) -> None:
    consumed = sales_change(shop).to_version
    bring(shop, "sales", "b", [sale(3, 3)])
    shop.run("gold/days")
    shop.delta("silver/sales").restore(consumed)
    reason = sales_change(shop).reason
    assert reason is not None
    assert "restored" in reason
    shop.run("gold/days")
    assert {str(row["day"]) for row in shop.rows("gold/days")} == {"2024-01-01", "2024-01-02"}


def test_missing_commits_are_bridged_by_the_difference_of_versions(shop: World) -> None:
    for day in range(3, 16):
        bring(shop, "sales", f"s{day}", [sale(day, day)])
    change = sales_change(shop)
    log = Path(shop.lakehouse.location("silver/sales"), "_delta_log")
    (log / f"{change.from_version + 2:020}.json").unlink()
    again = sales_change(shop)
    assert again.kind in ("files", "all")
    if again.kind == "files":
        assert {file.path for file in again.added} == {file.path for file in change.added}
    shop.run("gold/days")
    assert len(shop.rows("gold/days")) == 15

"""What becomes of rows in silver beyond the properties: late and filtered ones, rebuilds, replaced records, crashes between two commits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.cli.runs import _outcomes
from lakehouse_platform.delta.commit import CommitConflict, commit
from lakehouse_platform.medallion import books, planned, silver
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.quarantine import open_quarantine, quarantine_name, visible_rows
from lakehouse_platform_tests.properties.projects import column, load, row_rule, source, table
from lakehouse_platform_tests.properties.worlds import World, world

ORDERS = table(
    "silver/orders",
    "SELECT line, placed_at, placed_at AS day, price, TRIM(price) AS price_text, amount FROM bronze.orders WHERE CAST(amount AS INT) > 0",
    [
        column("line", "STRING", required=True, key=1),
        column("placed_at", "TIMESTAMP", required=True),
        column("day", "DATE", required=True, partitioned=True),
        column("price", "DECIMAL(10,2)"),
        column("price_text", "STRING"),
        column("amount", "INT", required=True),
    ],
    rules=[row_rule("ratio", "100 / (amount - 7) > 1000")],
    refresh="upsert",
    sequence_by=["placed_at"],
    lateness_seconds=86_400 * 365 * 100,
    event_time="placed_at",
    partitions={"grain": "day", "start": "2024-01-01"},
)
STATES = table(
    "silver/states",
    "SELECT id, state FROM bronze.changes",
    [column("id", "STRING", required=True, key=1), column("state", "STRING")],
    refresh="scd1",
)
PROJECT = load(source("bronze/orders", "orders/*.jsonl"), ORDERS, source("bronze/changes", "changes/*.jsonl", changes="plain"), STATES)


@pytest.fixture
def shop() -> Iterator[World]:
    with world(PROJECT) as opened:
        yield opened


def order(line: str, day: str = "2024-01-02", **fields: Any) -> dict[str, Any]:
    return {"line": line, "placed_at": f"{day}T10:00:00Z", "price": "1.505", "amount": 1} | fields


def accounts(shop: World, table_name: str = "silver/orders") -> Accounts:
    with shop.lakehouse.session() as session:
        return books.total(books.entries(shop.lakehouse, session, table_name))


def quarantined(shop: World) -> list[tuple[Any, ...]]:
    """(outcome, rule) of each visible row."""
    with shop.lakehouse.session() as session:
        batches = books.committed_batches(shop.lakehouse, session, "silver/orders")
        rows = visible_rows(open_quarantine(shop.lakehouse.location(quarantine_name("silver/orders"))), batches)
        return session.rows(f"SELECT outcome, reasons[1].rule FROM ({rows}) ORDER BY ALL")


def test_each_row_ends_once(shop: World) -> None:
    shop.land("orders/1.jsonl", [order("a"), order("a", amount=2), order("b", amount=0), order("c", "1899-12-31"), order("d", amount="x"), "{"])
    shop.run("bronze/orders", "silver/orders")
    assert accounts(shop) == Accounts(read=6, accepted=1, duplicates=1, rejected=2, late=1, filtered=1)
    assert quarantined(shop) == [("late", "late"), ("rejected", "malformed_json"), ("rejected", "where")]


def test_a_rule_that_fails_on_a_row_rejects_that_row_alone(shop: World) -> None:
    shop.land("orders/1.jsonl", [order("a", amount=7), order("b", amount=8)])
    shop.run("bronze/orders", "silver/orders")
    assert quarantined(shop) == [("rejected", "ratio")]
    assert [row["line"] for row in shop.rows("silver/orders")] == ["b"]


def test_a_decimal_field_is_exact_alone_and_text_elsewhere(shop: World) -> None:
    shop.land("orders/1.jsonl", [order("a")])
    shop.run("bronze/orders", "silver/orders")
    (row,) = shop.rows("silver/orders")
    assert (str(row["price"]), row["price_text"]) == ("1.51", "1.505")


def test_a_killed_run_leaves_rows_in_quarantine_that_do_not_count_until_its_batch_commits(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.land("orders/1.jsonl", [order("a"), order("b", amount="x")])
    shop.run("bronze/orders")

    def killed(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(planned, "commit", killed)
        shop.run("silver/orders")
    assert quarantined(shop) == []
    shop.run("silver/orders")
    assert quarantined(shop) == [("rejected", "where")]
    assert accounts(shop) == Accounts(read=2, accepted=1, rejected=1)


def test_a_lost_race_is_derived_anew(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.land("orders/1.jsonl", [order("a"), order("b", amount="x")])
    shop.run("bronze/orders")
    tries = []

    def loses_once(*arguments: Any, **options: Any) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise CommitConflict("another writer")
        return commit(*arguments, **options)

    monkeypatch.setattr(planned, "commit", loses_once)
    shop.run("silver/orders")
    assert accounts(shop) == Accounts(read=2, accepted=1, rejected=1)
    assert quarantined(shop) == [("rejected", "where")]


def test_a_bronze_table_made_anew_is_a_rebuild_and_the_books_stay_true(shop: World) -> None:
    shop.land("orders/1.jsonl", [order("a"), order("b"), order("b")])
    shop.run("bronze/orders", "silver/orders")
    shutil.rmtree(shop.lakehouse.location("bronze/orders"))
    (shop.lakehouse.settings.landing / "orders" / "1.jsonl").unlink()
    shop.land("orders/2.jsonl", [order("c")])
    result = shop.run("bronze/orders", "silver/orders")
    assert result.record is not None
    assert result.record.rebuilt is not None
    assert [row["line"] for row in shop.rows("silver/orders")] == ["c"]
    assert accounts(shop) == Accounts(read=1, accepted=1)


def test_change_events_of_a_bronze_table_made_anew_replace_the_old(shop: World) -> None:
    event = {"op": "c", "ts_ms": 1_700_000_000_000, "key": "x", "before": None}
    shop.land("changes/1.jsonl", [event | {"after": {"id": "x", "state": "old"}}])
    shop.run("bronze/changes", "silver/states")
    shutil.rmtree(shop.lakehouse.location("bronze/changes"))
    (shop.lakehouse.settings.landing / "changes" / "1.jsonl").unlink()
    shop.land("changes/2.jsonl", [event | {"after": {"id": "y", "state": "new"}}])
    shop.run("bronze/changes", "silver/states")
    assert [(row["id"], row["state"]) for row in shop.rows("silver/states")] == [("y", "new")]
    assert accounts(shop, "silver/states") == Accounts(read=1, accepted=1)


def test_records_replaced_in_bronze_leave_silver() -> None:
    replacing = load(source("bronze/orders", "orders/*.jsonl", on_change="replace"), ORDERS)
    with world(replacing) as shop:
        shop.land("orders/1.jsonl", [order("a"), order("b")])
        shop.run("bronze/orders", "silver/orders")
        shop.land("orders/1.jsonl", [order("a", amount=5), order("c"), order("d")])
        shop.run("bronze/orders", "silver/orders")
        assert sorted((row["line"], row["amount"]) for row in shop.rows("silver/orders")) == [("a", 5), ("c", 1), ("d", 1)]
        assert accounts(shop).balance == 0
        assert accounts(shop).accepted == 3


def test_a_rebuild_leaves_no_earlier_batch_in_quarantine_or_in_a_check() -> None:
    replacing = load(source("bronze/orders", "orders/*.jsonl", on_change="replace"), ORDERS)
    with world(replacing) as shop:
        shop.land("orders/bad.jsonl", [order("x", price="y"), "{"])
        for amount in (1, 2, 3):
            shop.land("orders/1.jsonl", [order("a", amount=amount)])
            shop.run("bronze/orders", "silver/orders")
        assert quarantined(shop) == [("rejected", "malformed_json"), ("rejected", "price_type")]
        outcomes = _outcomes(shop.lakehouse, replacing.tables["silver/orders"])
        failing = {outcome.check.name: outcome.metadata.get("failing_rows") for outcome in outcomes}
        assert (failing["decoding"], failing["price_type"]) == (1, 1)


def test_the_books_of_a_deleted_table_are_closed(shop: World) -> None:
    shop.land("orders/1.jsonl", [order("a"), "{"])
    shop.run("bronze/orders", "silver/orders")
    shutil.rmtree(shop.lakehouse.location("silver/orders"))
    assert accounts(shop) == Accounts()
    assert quarantined(shop) == []
    shop.run("silver/orders")
    assert accounts(shop) == Accounts(read=2, accepted=1, rejected=1)
    assert quarantined(shop) == [("rejected", "malformed_json")]


def test_a_truncation_is_rejected_and_empties_nothing(shop: World) -> None:
    row = {"op": "c", "ts_ms": 1_700_000_000_000, "key": "x", "before": None, "after": {"id": "x", "state": "new"}}
    shop.land("changes/1.jsonl", [row, row | {"op": "t", "ts_ms": 1_700_000_000_001}])
    shop.run("bronze/changes", "silver/states")
    assert [row["id"] for row in shop.rows("silver/states")] == ["x"]
    assert accounts(shop, "silver/states") == Accounts(read=2, accepted=1, rejected=1)


def test_a_backfill_under_another_query_is_refused(shop: World) -> None:
    shop.land("orders/1.jsonl", [order("a"), order("b", amount=2)])
    shop.run("bronze/orders", "silver/orders")
    before = Path(shop.lakehouse.location("silver/orders"), "_delta_log")
    versions = len(list(before.glob("*.json")))
    files = {**ORDERS.files, "transform.sql": ORDERS.files["transform.sql"].replace("> 0", "> 1")}
    changed = load(source("bronze/orders", "orders/*.jsonl"), type(ORDERS)(ORDERS.name, files))
    with pytest.raises(LakehouseError, match="lose 1 rows"):
        silver.refresh(type(shop.lakehouse)(shop.lakehouse.settings, changed), "silver/orders", run_id="again", partitions=["2024-01-02"])
    assert len(list(before.glob("*.json"))) == versions


def test_partitions_computed_before_any_increment_are_booked_once(shop: World) -> None:
    shop.land("orders/1.jsonl", [order("a"), order("b", "2024-01-03"), order("b", "2024-01-03")])
    shop.run("bronze/orders")
    shop.run("silver/orders", partitions=["2024-01-02", "2024-01-03"])
    assert len(shop.rows("silver/orders")) == 2
    shop.run("silver/orders")
    assert accounts(shop) == Accounts(read=3, accepted=2, duplicates=1)
    assert len(shop.rows("silver/orders")) == 2

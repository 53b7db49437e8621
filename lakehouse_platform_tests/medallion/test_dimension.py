"""Dimensions on real tables: change events, rows in sequence, the unknown row, deletes by filter, refusals and kills between commits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform.delta.commit import CommitConflict, commit
from lakehouse_platform.medallion.versions import versions
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.medallion.shop import PROJECT, bring, change, sale
from lakehouse_platform_tests.properties.worlds import World, world


@pytest.fixture
def shop() -> Iterator[World]:
    with world(PROJECT) as opened:
        yield opened


def history(shop: World, product: str | None = "p") -> list[tuple[str, int, int | None]]:
    rows = [row for row in shop.rows("gold/dim_product") if row["product"] == product]
    return sorted((row["title"], row["effective_date"].day, row["end_date"].day if row["end_date"] else None) for row in rows)


def test_a_late_event_bisects_and_a_delete_closes(shop: World) -> None:
    bring(shop, "products", "a", [change(1, "c", "one"), change(9, "d", None)])
    shop.run("gold/dim_product", "gold/latest_products")
    bring(shop, "products", "b", [change(5, "u", "two"), change(12, "c", "one")])
    record = shop.run("gold/dim_product", "gold/latest_products").record
    assert record is not None
    assert history(shop) == [("one", 1, 5), ("one", 12, None), ("two", 5, 9)]
    assert shop.contents("gold/latest_products") == [{"product": "p", "title": "one"}]


def test_the_unknown_row_is_there_once_and_is_not_counted(shop: World) -> None:
    for number, day in enumerate((1, 2)):
        bring(shop, "products", str(number), [change(day, "u", str(day))])
        record = shop.run("gold/dim_product").record
        assert record is not None
        assert record.rows == day
    unknown = [row for row in shop.rows("gold/dim_product") if row["product_key"] == -1]
    assert [(row["product"], row["effective_date"].year, row["end_date"], row["is_current"]) for row in unknown] == [(None, 1, None, True)]


def test_a_row_that_the_query_leaves_out_is_closed(shop: World) -> None:
    bring(shop, "products", "a", [change(1, "c", "one"), change(4, "u", "one", live=False), change(6, "u", "two")])
    shop.run("gold/dim_product")
    assert history(shop) == [("one", 1, 4), ("two", 6, None)]


def test_an_event_that_changes_no_row_moves_the_cursor_and_writes_no_file(shop: World) -> None:
    bring(shop, "products", "a", [change(1, "c", "one")])
    shop.run("gold/dim_product")
    files = shop.files("gold/dim_product")
    bring(shop, "products", "b", [change(3, "u", "one")])
    record = shop.run("gold/dim_product").record
    assert record is not None
    assert record.notes["keys_changed"] == 0
    assert shop.files("gold/dim_product") == files
    assert shop.run("gold/dim_product").record is None


def test_rows_in_sequence_follow_corrections(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1, product="p"), sale(2, 3, product="q"), sale(3, 5, customer="y")])
    shop.run("gold/dim_customer")
    bring(shop, "sales", "b", [sale(2, 4, product="r"), sale(3, 5, customer=None)])
    shop.run("gold/dim_customer")
    found = sorted((row["customer"], row["product"], row["effective_date"].day, row["is_current"]) for row in shop.rows("gold/dim_customer"))
    assert found == [("x", "p", 1, False), ("x", "r", 4, True)]


def test_a_surrogate_key_that_two_versions_share_is_refused(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lakehouse_platform.medallion.dimension.versions", lambda *given: f"SELECT * REPLACE (7 AS _surrogate) FROM ({versions(*given)})"
    )
    bring(shop, "products", "a", [change(1, "c", "one"), change(2, "u", "two")])
    with pytest.raises(LakehouseError, match="two different rows have the same product_key"):
        shop.run("gold/dim_product")
    assert shop.rows("gold/dim_product") == []


def test_a_lost_race_is_derived_anew(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(shop, "products", "a", [change(1, "c", "one")])
    losses = iter([True, True])

    def racing(*arguments: Any, **named: Any) -> int:
        if next(losses, False):
            raise CommitConflict("another was first")
        return commit(*arguments, **named)

    monkeypatch.setattr("lakehouse_platform.medallion.planned.commit", racing)
    shop.run("gold/dim_product")
    assert history(shop) == [("one", 1, None)]


events = st.tuples(st.integers(1, 6), st.sampled_from("cuud"), st.sampled_from(["one", "two"]), st.sampled_from("pq"), st.booleans())


@settings(max_examples=15, deadline=None)
@given(st.lists(events, min_size=2, max_size=10), st.integers(1, 3), st.randoms(use_true_random=False))
def test_any_split_gives_the_same_versions(drawn: list[Any], cut: int, order: Any) -> None:
    # Events of one time are told apart by their place, so each has a file of its own whose name stays.
    named = [(f"{number:02}", change(day, kind, title, product=product, live=live)) for number, (day, kind, title, product, live) in enumerate(drawn)]
    shuffled = list(named)
    order.shuffle(shuffled)
    with world(PROJECT) as one, world(PROJECT) as other:
        for name, record in named:
            one.land(f"products/{name}.jsonl", [record | {"place": name}])
        one.run("bronze/product_changes", "silver/products", "gold/dim_product")
        for group in (shuffled[:cut], shuffled[cut:]):
            for name, record in group:
                other.land(f"products/{name}.jsonl", [record | {"place": name}])
            other.run("bronze/product_changes", "silver/products", "gold/dim_product")
        assert one.contents("gold/dim_product") == other.contents("gold/dim_product")

"""Duplicates by kind: those that say the same, those that come elsewhere in their key's sequence, those that contradict at the same place of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform_tests.medallion.shop import PROJECT, bring, change, changed, sale
from lakehouse_platform_tests.properties.worlds import World, world

SEQUENCED = changed("silver/sales", ("defs.yaml", "refresh: upsert", "refresh: upsert\n  sequence_by: [sold_at]"))


@pytest.fixture
def shop() -> Iterator[World]:
    with world(SEQUENCED) as opened:
        yield opened


def kinds(shop: World, table: str = "silver/sales") -> tuple[int, ...]:
    """Duplicates, and how many of them are repeated, superseded and conflicting."""
    with shop.lakehouse.session() as session:
        total = books.total(books.entries(shop.lakehouse, session, table))
    assert total.duplicates == total.repeated + total.superseded + total.conflicting
    return total.duplicates, total.repeated, total.superseded, total.conflicting


def test_within_a_batch(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1), sale(1, 1), sale(2, 1), sale(2, 2), sale(3, 1), sale(3, 1, amount=9)])
    assert kinds(shop) == (3, 1, 1, 1)


def test_against_the_row_that_the_table_holds(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1), sale(2, 1), sale(3, 2), sale(4, 1)])
    bring(shop, "sales", "b", [sale(1, 1), sale(2, 2), sale(3, 1), sale(4, 1, amount=9), sale(5, 1)])
    assert kinds(shop) == (4, 1, 2, 1)
    rebuild(shop.lakehouse, "silver/sales", run_id="rebuild")
    assert kinds(shop) == (4, 1, 2, 1)


def test_without_a_sequence_whatever_differs_contradicts() -> None:
    with world(PROJECT) as shop:
        bring(shop, "sales", "a", [sale(1, 1), sale(1, 2), sale(1, 2)])
        assert kinds(shop) == (2, 1, 0, 1)


def test_change_events_only_repeat(shop: World) -> None:
    bring(shop, "products", "a", [change(1, "c", "one"), change(1, "c", "one"), change(1, "u", "two")])
    assert kinds(shop, "silver/products") == (1, 1, 0, 0)


def test_books_of_an_earlier_release_are_widened(shop: World) -> None:
    bring(shop, "sales", "a", [sale(1, 1), sale(1, 1)])
    place = shop.lakehouse.snapshot(books.RUN_METRICS)
    assert place is not None
    fields = tuple(field for field in place.columns if field.name not in ("repeated", "superseded", "conflicting"))
    with shop.lakehouse.session() as session:
        names = ", ".join(field.name for field in fields)
        before = session.write(f"SELECT {names} FROM read_parquet({[file.uri for file in place.files]})", place.location, ())
        commit(place, added=before, removed=place.files, columns=fields)
        assert books.total(books.entries(shop.lakehouse, session, "silver/sales")) == Accounts(2, 1, 1)
    bring(shop, "sales", "b", [sale(1, 2)])
    with shop.lakehouse.session() as session:
        total = books.total(books.entries(shop.lakehouse, session, "silver/sales"))
    assert (total, total.superseded) == (Accounts(3, 1, 2), 1)

"""Tests of medallion/selecting.py: a person's SQL over tables as they are and as they were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.delta.tags import add_tag
from lakehouse_platform.medallion.selecting import NoSuchTable, selected
from lakehouse_platform.problems import ProjectError
from lakehouse_platform_tests.medallion.test_restore import PROJECT, bring, version
from lakehouse_platform_tests.properties.worlds import World, world


@pytest.fixture(scope="module")
def shop() -> Iterator[World]:
    """Version 1 of silver has one sale, version 2 another amount of it and a second one; version 2 is tagged."""
    with world(PROJECT) as made:
        bring(made, "1", (1, 1, 10))
        bring(made, "2", (1, 1, 11), (2, 2, 20))
        assert version(made, "silver/sales") == 2
        add_tag(made.lakehouse.location("silver/sales"), "month_end", 2)
        bring(made, "3", (3, 2, 30))
        yield made


def answer(shop: World, sql: str) -> list[tuple[Any, ...]]:
    with shop.lakehouse.session() as session:
        return selected(shop.lakehouse, session, sql, None)[1]


def committed(shop: World, wanted: int) -> datetime:
    entries = commits(shop.lakehouse.location("silver/sales"))
    return next(datetime.fromtimestamp(entry.timestamp_ms / 1000, UTC) for entry in entries if entry.version == wanted)


def test_a_table_as_of_a_version_or_a_tag(shop: World) -> None:
    sql = "SELECT sale, amount FROM silver.sales {} ORDER BY sale"
    assert answer(shop, sql.format("")) == [(1, 11), (2, 20), (3, 30)]
    assert answer(shop, sql.format("VERSION AS OF 1")) == [(1, 10)]
    assert answer(shop, sql.format("FOR VERSION AS OF '1'")) == [(1, 10)]
    assert answer(shop, sql.format("VERSION AS OF 'month_end'")) == [(1, 11), (2, 20)]
    assert answer(shop, sql.format("VERSION AS OF 0")) == []


def test_a_table_as_of_an_instant_whose_zone_is_utc_unless_it_says_another(shop: World) -> None:
    instant = committed(shop, 1)
    for text in (
        f"'{instant:%Y-%m-%d %H:%M:%S.%f}'",
        f"'{instant.isoformat()}'",
        f"TIMESTAMP '{instant:%Y-%m-%d %H:%M:%S.%f}'",
        f"TIMESTAMP '{instant:%Y-%m-%d %H:%M:%S.%f}' + INTERVAL 0 DAYS",
        f"'{instant + timedelta(hours=2):%Y-%m-%d %H:%M:%S.%f}+02:00'",
    ):
        assert answer(shop, f"SELECT sale, amount FROM silver.sales TIMESTAMP AS OF {text}") == [(1, 10)], text
    assert answer(shop, "SELECT count(*) FROM silver.sales TIMESTAMP AS OF current_timestamp()") == [(3,)]


def test_a_join_reads_one_table_at_two_versions(shop: World) -> None:
    joined = """
        WITH before AS (SELECT * FROM silver.sales VERSION AS OF 1)
        SELECT now.sale, before.amount, now.amount, days.total
        FROM silver.sales VERSION AS OF 'month_end' AS now
        LEFT JOIN before ON before.sale = now.sale
        JOIN gold.days TIMESTAMP AS OF current_timestamp() AS days ON days.day = now.day
        WHERE now.sale NOT IN (SELECT sale FROM silver.sales VERSION AS OF 0)
        ORDER BY now.sale
    """
    assert answer(shop, joined) == [(1, 10, 11, 11), (2, None, 20, 50)]
    assert answer(shop, "SELECT sales.amount FROM silver.sales VERSION AS OF 1") == [(10,)], "the table's own name stands for it"
    union = "SELECT sale FROM silver.sales VERSION AS OF 2 EXCEPT SELECT sale FROM silver.sales VERSION AS OF 1"
    assert answer(shop, union) == [(2,)]


def test_what_is_not_there_is_told_with_what_is(shop: World) -> None:
    newest = version(shop, "silver/sales")
    with pytest.raises(VersionGone, match=f"silver/sales has no version 99: its versions go from 0 to {newest}"):
        answer(shop, "SELECT * FROM silver.sales VERSION AS OF 99")
    with pytest.raises(VersionGone, match=r"'year_end' is no version number, no timestamp .* and none of its tags, which are month_end"):
        answer(shop, "SELECT * FROM silver.sales VERSION AS OF 'year_end'")
    with pytest.raises(VersionGone, match="none of its tags: it has none"):
        answer(shop, "SELECT * FROM gold.days VERSION AS OF 'month_end'")
    with pytest.raises(VersionGone, match=r"silver/sales did not exist at 2001-01-01T00:00:00.00:00: its first version is of 20"):
        answer(shop, "SELECT * FROM silver.sales TIMESTAMP AS OF '2001-01-01'")
    with pytest.raises(VersionGone, match=f"is still to come; its newest version {newest} is of 20"):
        answer(shop, "SELECT * FROM silver.sales TIMESTAMP AS OF '2999-01-01'")
    with pytest.raises(NoSuchTable, match=r"there is no table silver\.sale; did you mean silver\.sales"):
        answer(shop, "SELECT * FROM silver.sale VERSION AS OF 1")


@pytest.mark.parametrize(
    ("as_of", "told"),
    [
        ("VERSION AS OF -1", "line 1: VERSION AS OF -1"),
        ("VERSION AS OF 1 + 1", "VERSION AS OF 1 . 1|is no Spark SQL"),
        ("TIMESTAMP AS OF 'yesterday'", "TIMESTAMP AS OF 'yesterday' is no instant"),
        ("TIMESTAMP AS OF null", "TIMESTAMP AS OF NULL is no instant"),
        ("TIMESTAMP AS OF amount", "TIMESTAMP AS OF amount is no instant"),
    ],
)
def test_mistakes_in_what_stands_after_as_of(shop: World, as_of: str, told: str) -> None:
    with pytest.raises(ProjectError, match=told.removeprefix("line 1: ")):
        answer(shop, f"SELECT * FROM silver.sales {as_of}")


def test_a_name_of_with_has_no_versions(shop: World) -> None:
    with pytest.raises(ProjectError, match="recent AS OF a version or time"):
        answer(shop, "WITH recent AS (SELECT * FROM silver.sales) SELECT * FROM recent VERSION AS OF 1")


def test_the_clock_may_be_asked(shop: World) -> None:
    ((now, today),) = answer(shop, "SELECT current_timestamp(), current_date()")
    assert (now.date(), now.utcoffset()) == (today, timedelta(0))

"""Which times of an input a time of a result is made from, as its query tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import DATE, INT, STRING, TIMESTAMP
from lakehouse_platform.engine.query import parse_query
from lakehouse_platform.engine.time_windows import Partitioned, Span, TimeWindow, time_windows

SCHEMAS = {
    "silver/o": {"day": DATE, "sold_at": TIMESTAMP, "product": STRING, "amount": INT},
    "silver/r": {"day": DATE, "at": TIMESTAMP, "rate": INT},
}
HOUR, DAY = Span(hours=1), Span(hours=24)
NOW, YESTERDAY = Span(), -DAY


def windows(text: str, unit: str = "day", of: str = "day", lookup: str = "day", lookup_unit: str = "day") -> dict[str, TimeWindow]:
    """The windows of `day`, over orders partitioned by `of` and rates by `lookup`."""
    inputs = {"silver/o": Partitioned(of, "day", of == "day"), "silver/r": Partitioned(lookup, lookup_unit, lookup == "day")}
    return time_windows(parse_query(text, Path("transform.sql")), Partitioned("day", unit, True), inputs, SCHEMAS)


def same(window: Span) -> TimeWindow:
    return TimeWindow(window, window)


@pytest.mark.parametrize(
    ("day", "window"),
    [
        ("o.day", same(NOW)),
        ("day", same(NOW)),
        ("DATE_ADD(o.day, 1)", same(YESTERDAY)),
        ("o.day + 1", same(YESTERDAY)),
        ("DATE_SUB(DATE_ADD(o.day, 1), 3)", same(Span(hours=48))),
        ("ADD_MONTHS(o.day, -1)", same(Span(months=1))),
        ("CAST(o.day - INTERVAL 1 DAY AS DATE)", same(DAY)),
        # All days of a week go to its Monday.
        ("CAST(DATE_TRUNC('WEEK', o.day) AS DATE)", TimeWindow(NOW, Span(hours=7 * 24))),
        ("COALESCE(o.day, DATE '2024-01-01')", None),
        ("LAST_DAY(o.day)", None),
        ("CAST(o.sold_at AS DATE)", None),
    ],
)
def test_a_day_is_made_from_its_own_or_a_shifted_one(day: str, window: TimeWindow | None) -> None:
    assert windows(f"SELECT {day} AS day, amount FROM silver.o AS o").get("silver/o") == window


@pytest.mark.parametrize(("unit", "window"), [("week", same(NOW)), ("day", TimeWindow(NOW, Span(hours=7 * 24)))])
def test_a_cut_no_coarser_than_the_partitions_widens_nothing(unit: str, window: TimeWindow) -> None:
    assert windows("SELECT DATE_TRUNC('WEEK', o.day) AS day FROM silver.o AS o", unit)["silver/o"] == window


@pytest.mark.parametrize(
    ("condition", "window"),
    [
        ("r.day = DATE_SUB(o.day, 1)", same(YESTERDAY)),
        ("DATE_ADD(r.day, 1) = o.day", same(YESTERDAY)),
        ("r.rate = 1 AND (o.day = r.day + 1 AND r.rate > 2)", same(YESTERDAY)),
        ("r.day BETWEEN DATE_SUB(o.day, 7) AND DATE_SUB(o.day, 1)", TimeWindow(Span(hours=-7 * 24), YESTERDAY)),
        ("r.day >= o.day - 7 AND r.day < o.day", TimeWindow(Span(hours=-7 * 24), YESTERDAY)),
        ("o.day < r.day AND o.day + 3 > r.day", TimeWindow(DAY, Span(hours=48))),
        ("r.day = o.day OR r.rate = 1", None),
        ("r.day <= o.day", None),
        ("r.rate = o.amount", None),
        ("CAST(r.at AS DATE) = o.day", None),
    ],
)
def test_a_lookup_is_read_where_its_condition_says(condition: str, window: TimeWindow | None) -> None:
    found = windows(f"SELECT o.day, o.amount * r.rate AS total FROM silver.o AS o LEFT JOIN silver.r AS r ON {condition}")
    assert found.get("silver/r") == window
    assert found["silver/o"] == same(NOW)


def test_a_condition_over_what_the_day_is_cut_from_counts_too() -> None:
    text = "SELECT CAST(o.sold_at AS DATE) AS day, r.rate FROM silver.o AS o JOIN silver.r AS r ON r.{} = {}"
    assert windows(text.format("day", "DATE_SUB(CAST(o.sold_at AS DATE), 1)"), of="sold_at")["silver/r"] == same(YESTERDAY)
    # A midnight within hours may be up to a day before the moment that was cut.
    found = windows(text.format("at", "CAST(CAST(o.sold_at AS DATE) AS TIMESTAMP)"), of="sold_at", lookup="at", lookup_unit="hour")
    assert found["silver/r"] == same(NOW)


def test_a_day_by_hours_is_found_from_each_of_its_hours() -> None:
    text = "SELECT o.sold_at AS day, r.rate FROM silver.o AS o JOIN silver.r AS r ON r.day = DATE_SUB(CAST(o.sold_at AS DATE), 1)"
    assert windows(text, "hour", of="sold_at")["silver/r"] == same(YESTERDAY)
    found = windows(text.replace("r.day", "r.at"), "hour", of="sold_at", lookup="at", lookup_unit="hour")
    assert found["silver/r"] == TimeWindow(Span(hours=-48), YESTERDAY)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("WITH r AS (SELECT day, MAX(rate) AS rate FROM silver.r GROUP BY day) SELECT o.day, r.rate FROM silver.o AS o JOIN r ON r.day = o.day - 1",
         same(YESTERDAY)),
        ("SELECT o.day, r.rate FROM silver.o AS o JOIN (SELECT DATE_ADD(day, 1) AS d, rate FROM silver.r) AS r ON r.d = o.day", same(YESTERDAY)),
        ("SELECT x.day, x.rate FROM (SELECT o.day, r.rate FROM silver.o AS o JOIN silver.r AS r ON r.day = o.day - 1) AS x", same(YESTERDAY)),
        ("SELECT o.day, r.rate FROM silver.o AS o JOIN silver.r AS r USING (day)", same(NOW)),
        ("SELECT o.day, r.rate FROM silver.o AS o LEFT JOIN silver.r AS r ON r.day = o.day LEFT JOIN silver.r AS p ON p.day = o.day - 1",
         TimeWindow(YESTERDAY, NOW)),
        ("SELECT o.day, r.rate FROM silver.o AS o FULL JOIN silver.r AS r ON r.day = o.day", None),
        ("SELECT o.day FROM silver.o AS o JOIN silver.r AS r ON r.day = o.day WHERE o.amount IN (SELECT rate FROM silver.r)", None),
        ("SELECT o.day FROM silver.o AS o JOIN (SELECT day, SUM(rate) OVER (ORDER BY day) AS s FROM silver.r) AS r ON r.day = o.day", None),
    ],
)  # fmt: skip
def test_every_place_where_a_lookup_is_read_counts(text: str, window: TimeWindow | None) -> None:
    assert windows(text).get("silver/r") == window


def test_each_part_of_a_union_counts() -> None:
    text = "SELECT day, amount FROM silver.o UNION ALL SELECT DATE_ADD(day, 1), rate FROM silver.r"
    assert windows(text.replace("rate FROM", "rate AS amount FROM")) == {"silver/o": same(NOW), "silver/r": same(YESTERDAY)}

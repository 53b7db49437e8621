"""Gold that reads days beside its own: itself a day before, rates of days before. Increments and backfills equal the whole at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform.engine.lineage import times_read
from lakehouse_platform.engine.query import parse_query
from lakehouse_platform.engine.time_windows import Span, TimeWindow
from lakehouse_platform.medallion.read_partitions import keys_reading
from lakehouse_platform_tests.properties.projects import Folder, column, load, source, table
from lakehouse_platform_tests.properties.worlds import Row, World, hundred_examples, world

DAYS = [f"2024-01-{day:02}" for day in range(1, 13)]
BY_DAY = {"grain": "day", "start": "2024-01-01"}
# Query, and how many days back and on the changed day of a sale or of a rate moves a partition.
QUERIES = {
    "gold/changes": (
        "SELECT a.day, a.amount, b.amount AS before FROM silver.s AS a LEFT JOIN silver.s AS b ON b.day = DATE_SUB(a.day, 1) AND b.k = a.k",
        {"s": {0, 1}, "r": set()},
    ),
    "gold/changes_by_name": (
        "WITH s AS (SELECT day, k, amount FROM silver.s) "
        "SELECT a.day, a.amount, b.amount AS before FROM s AS a LEFT JOIN s AS b ON DATE_ADD(b.day, 1) = a.day AND b.k = a.k",
        {"s": {0, 1}, "r": set()},
    ),
    "gold/best_rates": (
        "SELECT s.day, s.amount, r.rate AS before FROM silver.s AS s "
        "LEFT JOIN (SELECT day, MAX(rate) AS rate FROM silver.r GROUP BY day) AS r ON r.day = s.day - 1",
        {"s": {0}, "r": {1}},
    ),
    "gold/own_rates": (
        "SELECT s.day, s.amount, r.rate AS before FROM silver.s AS s LEFT JOIN silver.r AS r USING (day)",
        {"s": {0}, "r": {0}},
    ),
    "gold/trailing": (
        "SELECT s.day, s.amount, CAST(SUM(r.rate) AS INT) AS before FROM silver.s AS s "
        "LEFT JOIN (SELECT day AS d, rate FROM silver.r) AS r ON r.d < s.day AND r.d >= DATE_SUB(s.day, 3) GROUP BY s.day, s.k, s.amount",
        {"s": {0}, "r": {1, 2, 3}},
    ),
}  # fmt: skip


def _silver(name: str, key: list[str], value: str) -> Folder:
    columns = [column(each, "DATE" if each == "day" else "STRING", required=True, key=place, partitioned=each == "day")
               for place, each in enumerate(key, start=1)]  # fmt: skip
    sql = f"SELECT {', '.join(key)}, {value} FROM bronze.{name}"
    return table(f"silver/{name}", sql, [*columns, column(value, "INT", required=True)], refresh="upsert", partitions=BY_DAY)


PROJECT = load(
    source("bronze/s", "s/*.jsonl"),
    source("bronze/r", "r/*.jsonl"),
    _silver("s", ["day", "k"], "amount"),
    _silver("r", ["day"], "rate"),
    *(
        table(
            name,
            sql,
            [column("day", "DATE", required=True, partitioned=True), column("amount", "INT", required=True), column("before", "INT")],
            refresh="replace_partitions",
            partitions=BY_DAY,
        )
        for name, (sql, _) in QUERIES.items()
    ),
)
STEPS = ("bronze/s", "bronze/r", "silver/s", "silver/r", *QUERIES)

sales = st.fixed_dictionaries({"day": st.sampled_from(DAYS), "k": st.sampled_from("ab"), "amount": st.integers(0, 9)})
rates = st.fixed_dictionaries({"day": st.sampled_from(DAYS), "rate": st.integers(0, 9)})
batches = st.lists(st.tuples(st.lists(sales, max_size=3), st.lists(rates, max_size=2)), min_size=1, max_size=3)


@settings(hundred_examples, max_examples=6)
@given(batches)
def test_days_that_read_a_changed_day_are_computed_and_no_others(arriving: list[tuple[list[Row], list[Row]]]) -> None:
    first = ([{"day": day, "k": "a", "amount": 1} for day in DAYS], [{"day": day, "rate": 1} for day in DAYS])
    with world(PROJECT) as lakehouse:
        for number, (new_sales, new_rates) in enumerate([first, *arriving]):
            land(lakehouse, number, new_sales, new_rates)
            lakehouse.run(*STEPS[:4])
            changed = {"s": {row["day"] for row in new_sales}, "r": {row["day"] for row in new_rates}}
            for name, (_, moves) in QUERIES.items():
                record = lakehouse.run(name).record
                reached = {shifted(day, days) for feed, offsets in moves.items() for day in changed[feed] for days in offsets}
                assert record is None or (record.rebuilt is None and (number == 0 or set(record.partitions) <= reached)), name
        for name in QUERIES:
            contents = lakehouse.contents(name)
            lakehouse.run(name, partitions=DAYS[2:5])
            assert lakehouse.contents(name) == contents, f"{name}: a backfill of some days changed rows"
        with world(PROJECT) as whole:
            for number, (new_sales, new_rates) in enumerate([first, *arriving]):
                land(whole, number, new_sales, new_rates)
            whole.run(*STEPS)
            for name in QUERIES:
                assert lakehouse.contents(name) == whole.contents(name), name


def land(lakehouse: World, number: int, new_sales: list[Row], new_rates: list[Row]) -> None:
    for feed, rows in (("s", new_sales), ("r", new_rates)):
        lakehouse.land(f"{feed}/{number}.jsonl", ({"place": f"{number}:{line}"} | row for line, row in enumerate(rows)))


def shifted(day: str, days: int) -> str:
    return str(date.fromisoformat(day) + timedelta(days=days))


@pytest.mark.parametrize(
    ("time", "window", "unit", "keys"),
    [
        (date(2024, 1, 31), TimeWindow(Span(hours=-24), Span(hours=-24)), "day", {"2024-02-01"}),
        (date(2024, 1, 31), TimeWindow(Span(hours=-24), Span()), "day", {"2024-01-31", "2024-02-01"}),
        (date(2024, 1, 7), TimeWindow(Span(hours=-24), Span(hours=-24)), "week", {"2024-01-08"}),
        (date(2024, 1, 6), TimeWindow(Span(hours=-24), Span(hours=-24)), "week", {"2024-01-01"}),
        (datetime(2024, 1, 31, 23, 59, tzinfo=UTC), TimeWindow(Span(hours=-1), Span(hours=-1)), "hour", {"2024-02-01-00:00"}),
        (date(2024, 3, 15), TimeWindow(Span(months=-1), Span(months=-1)), "month", {"2024-04-01"}),
        # A last day that stands for "for ever" has no day after it.
        (date.max, TimeWindow(Span(hours=-24), Span(hours=-24)), "day", {"9999-12-31"}),
    ],
)
def test_a_time_is_read_by_the_partitions_whose_window_holds_it(time: Any, window: TimeWindow, unit: Any, keys: set[str]) -> None:
    assert keys_reading([time], window, unit) == keys


@pytest.mark.parametrize(
    ("sql", "times"),
    [
        ("SELECT a.day FROM silver.s AS a", 1),
        ("SELECT a.day FROM silver.s AS a JOIN silver.s AS b ON a.day = b.day", 2),
        ("WITH s AS (SELECT day FROM silver.s) SELECT a.day FROM s AS a JOIN s AS b ON a.day = b.day", 2),
        (
            "WITH s AS (SELECT day FROM silver.s), t AS (SELECT a.day FROM s AS a JOIN s USING (day)) SELECT t.day FROM t JOIN t AS u USING (day)",
            4,
        ),
        ("SELECT a.day FROM silver.s AS a WHERE a.day IN (SELECT day FROM silver.s)", 2),
        ("SELECT a.day FROM silver.r AS a", 0),
    ],
)
def test_an_input_is_counted_where_a_name_for_it_is_read(sql: str, times: int) -> None:
    assert times_read(parse_query(sql, Path("transform.sql")).tree, "silver/s") == times

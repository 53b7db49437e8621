"""Tables by hour, day, week and month over each other, and one that joins yesterday's rate: an increment computes what changed, and only that.

The oracle sums in plain Python what is in silver's own input; a backfill of what an increment computed changes no row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform_tests.properties.projects import Folder, column, load, source, table
from lakehouse_platform_tests.properties.worlds import Row, World, hundred_examples, in_order, world

FIRST = datetime(2023, 12, 30, 22, tzinfo=UTC)
# Hours on both sides of the ends of a day, a week (1 January 2024 is a Monday), a month and a year.
HOURS = [FIRST + timedelta(hours=hours) for hours in (0, 1, 2, 24, 25, 26, 49, 50, 24 * 8, 24 * 33)]
DAYS = sorted({(hour + timedelta(days=offset)).date() for hour in HOURS for offset in (-1, 0)})


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _sums(name: str, by: str, grain: str, upstream: str, total: str) -> Folder:
    columns = [column("day", "DATE", required=True, key=1, partitioned=True), column("total", "BIGINT", required=True)]
    sql = f"SELECT {by} AS day, SUM({total}) AS total FROM {upstream} GROUP BY {by}"
    return table(name, sql, columns, refresh="replace_partitions", partitions={"grain": grain, "start": "2023-12-01"})


FOLDERS = (
    source("bronze/ticks", "ticks/*.jsonl"),
    source("bronze/rates", "rates/*.jsonl"),
    table(
        "silver/ticks",
        "SELECT tick, at, amount FROM bronze.ticks",
        [column("tick", "STRING", required=True, key=1), column("at", "TIMESTAMP", required=True, partitioned=True),
         column("amount", "INT", required=True)],
        refresh="upsert",
        partitions={"grain": "hour", "start": "2023-12-01"},
    ),
    table(
        "silver/week_ticks",
        "SELECT tick, at, amount FROM bronze.ticks",
        [column("tick", "STRING", required=True, key=1), column("at", "TIMESTAMP", required=True, partitioned=True),
         column("amount", "INT", required=True)],
        refresh="upsert",
        key_scope="partition",
        partitions={"grain": "week", "start": "2023-12-01"},
    ),
    table(
        "silver/rates",
        "SELECT day, rate FROM bronze.rates",
        [column("day", "DATE", required=True, key=1, partitioned=True), column("rate", "INT", required=True)],
        refresh="upsert",
        partitions={"grain": "day", "start": "2023-12-01"},
    ),
    table(
        "gold/hours",
        "SELECT DATE_TRUNC('HOUR', at) AS hour, SUM(amount) AS total FROM silver.ticks GROUP BY DATE_TRUNC('HOUR', at)",
        [column("hour", "TIMESTAMP", required=True, key=1, partitioned=True), column("total", "BIGINT", required=True)],
        refresh="replace_partitions",
        partitions={"grain": "hour", "start": "2023-12-01"},
    ),
    _sums("gold/days", "CAST(hour AS DATE)", "day", "gold.hours", "total"),
    _sums("gold/weeks", "CAST(DATE_TRUNC('WEEK', day) AS DATE)", "week", "gold.days", "total"),
    _sums("gold/months", "day", "month", "gold.days", "total"),
    table(
        "gold/valued",
        """
        SELECT t.day, SUM(t.total * COALESCE(r.rate, 0)) AS total FROM gold.days AS t
        LEFT JOIN silver.rates AS r ON r.day = DATE_SUB(t.day, 1) GROUP BY t.day
        """,
        [column("day", "DATE", required=True, key=1, partitioned=True), column("total", "BIGINT", required=True)],
        refresh="replace_partitions",
        partitions={"grain": "day", "start": "2023-12-01"},
    ),
)  # fmt: skip
PROJECT = load(*FOLDERS)
STEPS = ("bronze/ticks", "bronze/rates", "silver/ticks", "silver/week_ticks", "silver/rates")
GOLD = ("gold/hours", "gold/days", "gold/weeks", "gold/months", "gold/valued")
PARTITION = {"gold/hours": "hour_hour", "gold/days": "day", "gold/weeks": "day_week", "gold/months": "day_month", "gold/valued": "day"}

ticks = st.fixed_dictionaries(
    {"tick": st.sampled_from("abcdef"), "at": st.sampled_from(HOURS), "minute": st.integers(0, 59), "amount": st.integers(-3, 3)}
)
rates = st.fixed_dictionaries({"day": st.sampled_from(DAYS), "rate": st.integers(1, 9)})
batches = st.lists(st.tuples(st.lists(ticks, max_size=4), st.lists(rates, max_size=3)), min_size=2, max_size=4)


@settings(hundred_examples, max_examples=8)
@given(batches)
def test_increments_of_every_grain_equal_the_whole_computed_anew(arriving: list[tuple[list[Row], list[Row]]]) -> None:
    current: dict[str, Row] = {}
    weekly: dict[tuple[str, date], Row] = {}
    known: dict[date, int] = {}
    with world(PROJECT) as lakehouse:
        for number, (new_ticks, new_rates) in enumerate(arriving):
            lakehouse.land(f"ticks/{number}.jsonl", ({"place": f"{number}:{line}"} | spelt(row) for line, row in enumerate(new_ticks)))
            lakehouse.land(f"rates/{number}.jsonl", ({"day": row["day"].isoformat(), "rate": row["rate"]} for row in new_rates))
            before = totals(current, known)
            current |= {row["tick"]: row for row in new_ticks}
            weekly |= {(row["tick"], monday(row["at"].date())): row for row in new_ticks}
            known |= {row["day"]: row["rate"] for row in new_rates}
            lakehouse.run(*STEPS)
            after = totals(current, known)
            for name in GOLD:
                held = partitions_of(lakehouse, name)
                lakehouse.run(name)
                assert lakehouse.contents(name, *({PARTITION[name]} - {"day"})) == rows_of(name, after[name])
                changed = {key_of(name, value) for value in before[name].keys() ^ after[name].keys()}
                changed |= {key_of(name, value) for value, total in before[name].items() if after[name].get(value, total) != total}
                # Nothing is worth the same at every rate, and computed anew all the same.
                next_days = {str(row["day"] + timedelta(days=1)) for row in new_rates} if name == "gold/valued" else set()
                touched = changed | keys_of_batch(name, new_ticks, before, after) | next_days
                left = {key: files for key, files in held.items() if key not in touched}
                assert {key: files for key, files in partitions_of(lakehouse, name).items() if key in left} == left, f"{name}: others moved"
        assert len(lakehouse.rows("silver/week_ticks")) == len(weekly)
        for name in ("silver/ticks", "silver/week_ticks", *GOLD):
            contents, keys = lakehouse.contents(name), sorted(partitions_of(lakehouse, name))
            if keys:
                lakehouse.run(name, partitions=keys)
                assert lakehouse.contents(name) == contents
        assert all(str(row["at_hour"]) == f"{row['at']:%Y-%m-%d-%H}:00" for row in lakehouse.rows("silver/ticks"))


def keys_of_batch(name: str, new_ticks: Iterable[Row], before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Partitions that a batch may compute anew though their sums stay: those of the ticks that came or were replaced by equal sums."""
    hours = {row["at"] for row in new_ticks} | {hour for _, hour in before["places"] ^ after["places"]}
    return {key_of(name, hour if name == "gold/hours" else hour.date()) for hour in hours}


def spelt(row: Row) -> Row:
    return {"tick": row["tick"], "at": (row["at"] + timedelta(minutes=row["minute"])).isoformat(), "amount": row["amount"]}


def totals(current: dict[str, Row], known: dict[date, int]) -> dict[str, Any]:
    """The sums by hour, day, week, and what the days are worth at yesterday's rate."""
    hours: dict[datetime, int] = defaultdict(int)
    days: dict[date, int] = defaultdict(int)
    weeks: dict[date, int] = defaultdict(int)
    for row in current.values():
        hours[row["at"]] += row["amount"]
        days[row["at"].date()] += row["amount"]
        weeks[monday(row["at"].date())] += row["amount"]
    valued = {day: total * known.get(day - timedelta(days=1), 0) for day, total in days.items()}
    places = {(row["tick"], row["at"]) for row in current.values()}
    return {"gold/hours": hours, "gold/days": days, "gold/weeks": weeks, "gold/months": days, "gold/valued": valued, "places": places}


def rows_of(name: str, sums: dict[Any, int]) -> list[Row]:
    return in_order({"hour" if name == "gold/hours" else "day": value, "total": total} for value, total in sums.items())


def key_of(name: str, value: Any) -> str:
    if name == "gold/hours":
        return f"{value:%Y-%m-%d-%H}:00"
    return str(value.replace(day=1) if name == "gold/months" else monday(value) if name == "gold/weeks" else value)


def partitions_of(lakehouse: World, name: str) -> dict[str, set[str]]:
    """The table's files by the partition that the log has for them."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, values in lakehouse.files(name).items():
        (value,) = values.values()
        found[str(value)].add(path)
    return dict(found)

"""Property 14: an increment reads and rewrites no more than it must.

What must not be read is moved away before the step runs: whoever reads it all the same fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import Row, World, hundred_examples, in_order, world

DAYS = [f"2024-01-{day:02}" for day in range(1, 7)]
READINGS = load(
    source("bronze/readings", "readings/*.jsonl"),
    table(
        "silver/readings",
        "SELECT day, sensor, number, amount FROM bronze.readings",
        [
            column("day", "DATE", required=True, key=1, partitioned=True),
            column("sensor", "STRING", required=True, key=2),
            column("number", "INT", required=True, key=3),
            column("amount", "INT", required=True),
        ],
        refresh="upsert",
        partitions={"grain": "day", "start": DAYS[0]},
    ),
    table(
        "gold/days",
        "SELECT day, COUNT(*) AS readings, SUM(amount) AS total FROM silver.readings GROUP BY day",
        [
            column("day", "DATE", required=True, key=1, partitioned=True),
            column("readings", "BIGINT", required=True),
            column("total", "BIGINT", required=True),
        ],
        refresh="replace_partitions",
        partitions={"grain": "day", "start": DAYS[0]},
    ),
    table(
        "gold/sensors",
        "SELECT sensor, COUNT(*) AS readings, SUM(amount) AS total FROM silver.readings GROUP BY sensor",
        [column("sensor", "STRING", required=True, key=1), column("readings", "BIGINT", required=True), column("total", "BIGINT", required=True)],
        refresh="replace_keys",
    ),
)
STEPS = ("bronze/readings", "silver/readings", "gold/days", "gold/sensors")


def readings(days: Collection[str], sensors: str) -> st.SearchStrategy[Row]:
    """Readings of some days and sensors."""
    parts = {"day": sorted(days), "sensor": sensors, "number": [1, 2], "amount": list(range(5))}
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in parts.items()})


@st.composite
def history_and_increment(draw: st.DrawFn) -> tuple[list[list[Row]], list[Row]]:
    """Some batches, and one more that brings a day or two and a sensor or two that stand side by side."""
    batches = draw(st.lists(st.lists(readings(DAYS, "abcdef"), min_size=2, max_size=10), min_size=1, max_size=2))
    first_day, first_sensor = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    days, sensors = DAYS[first_day : first_day + 2], "abcdef"[first_sensor : first_sensor + 2]
    return batches, draw(st.lists(readings(days, sensors), min_size=1, max_size=4))


# Feature: data-lakehouse, Property 14: Incremental processing
@hundred_examples
@given(history_and_increment())
def test_property_14_an_increment_touches_only_what_it_must(arriving: tuple[list[list[Row]], list[Row]]) -> None:
    batches, increment = arriving
    with world(READINGS) as lakehouse:
        for number, batch in enumerate(batches):
            land(lakehouse, number, batch)
            lakehouse.run(*STEPS)
        old_bronze = lakehouse.files("bronze/readings")
        land(lakehouse, len(batches), increment)

        days, sensors = {row["day"] for row in increment}, {row["sensor"] for row in increment}
        with hidden(lakehouse, "bronze/readings", old_bronze):
            lakehouse.run("bronze/readings")
            before = lakehouse.file_rows("silver/readings")
            with unread(lakehouse, "silver/readings", "day", days):
                result = lakehouse.run("silver/readings")
            assert result.rows_read == len(increment)
            assert result.files_read == 1
        keys = {key_of(row) for row in increment}
        assert_kept(lakehouse, "silver/readings", before, lambda row: key_of(row) in keys)

        before = lakehouse.file_rows("gold/days")
        with unread(lakehouse, "silver/readings", "day", days), unread(lakehouse, "gold/days", "day", days):
            result = lakehouse.run("gold/days")
        # The rows of the touched days, and at most the old and the new form of those that changed.
        of_touched_days = sum(str(row["day"]) in days for row in lakehouse.rows("silver/readings"))
        assert result.rows_read <= 3 * of_touched_days
        assert_kept(lakehouse, "gold/days", before, lambda row: str(row["day"]) in days)

        before = lakehouse.file_rows("gold/sensors")
        with unread(lakehouse, "silver/readings", "sensor", sensors), unread(lakehouse, "gold/sensors", "sensor", sensors):
            lakehouse.run("gold/sensors")
        assert_kept(lakehouse, "gold/sensors", before, lambda row: row["sensor"] in sensors)

        latest = {key_of(row): row for batch in [*batches, increment] for row in batch}
        assert lakehouse.contents("silver/readings", "data_quality_score") == in_order(
            row | {"day": date.fromisoformat(row["day"])} for row in latest.values()
        )
        assert lakehouse.contents("gold/days") == sums(latest.values(), "day", date.fromisoformat)
        assert lakehouse.contents("gold/sensors") == sums(latest.values(), "sensor", str)


def land(lakehouse: World, number: int, batch: list[Row]) -> None:
    lakehouse.land(f"readings/{number}.jsonl", ({"place": f"{number}:{line}"} | row for line, row in enumerate(batch)))


def key_of(row: Row) -> tuple[str, str, int]:
    return str(row["day"]), row["sensor"], row["number"]


def sums(rows: Iterable[Row], by: str, read: Callable[[str], Any]) -> list[Row]:
    groups: dict[str, list[int]] = {}
    for row in rows:
        groups.setdefault(row[by], []).append(row["amount"])
    return in_order({by: read(group), "readings": len(amounts), "total": sum(amounts)} for group, amounts in groups.items())


@contextmanager
def hidden(lakehouse: World, name: str, paths: Collection[str]) -> Iterator[None]:
    """Move files of a table away for a while; a step that misses one has read what it must not."""
    places = [Path(lakehouse.lakehouse.location(name), path) for path in paths]
    for place in places:
        place.rename(place.with_suffix(".away"))
    try:
        yield
    except LakehouseError as error:
        missed = [place.name for place in places if place.name in str(error)]
        if missed:
            raise AssertionError(f"{name}: {missed} was read, which holds nothing of what is wanted") from error
        raise
    finally:
        for place in places:
            place.with_suffix(".away").rename(place)


@contextmanager
def unread(lakehouse: World, name: str, key: str, wanted: Collection[str]) -> Iterator[None]:
    """Move those files of a table away whose least and greatest value of a key column say that they hold nothing of what is wanted."""
    low, high = min(wanted), max(wanted)
    ranges = {path: sorted(str(row[key]) for row in rows) for path, rows in lakehouse.file_rows(name).items()}
    with hidden(lakehouse, name, [path for path, values in ranges.items() if values[-1] < low or values[0] > high]):
        yield


def assert_kept(lakehouse: World, name: str, before: dict[str, list[Row]], is_concerned: Callable[[Row], bool]) -> None:
    """Files that hold none of the rows concerned are still the table's own."""
    after = lakehouse.files(name)
    for path, rows in before.items():
        assert path in after or any(is_concerned(row) for row in rows), f"{name}: {path} was rewritten, though it holds none of the keys"

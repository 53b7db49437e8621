"""Property 11: gold is laid out by date, and a write to some partitions leaves all other files as they are. The oracle sums in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import Row, World, hundred_examples, in_order, world

DAYS = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]
PROJECT = load(
    source("bronze/sales", "sales/*.jsonl"),
    table(
        "silver/sales",
        "SELECT sale_id, day, country, amount FROM bronze.sales",
        [
            column("sale_id", "STRING", required=True, key=1),
            column("day", "DATE", required=True, partitioned=True),
            column("country", "STRING", required=True),
            column("amount", "INT", required=True),
        ],
        refresh="upsert",
        partitions={"grain": "day", "start": "2024-01-01"},
    ),
    table(
        "gold/daily_sales",
        "SELECT day AS date, country, COUNT(*) AS sales, SUM(amount) AS total FROM silver.sales GROUP BY day, country",
        [
            column("date", "DATE", required=True, key=1, partitioned=True),
            column("country", "STRING", required=True, key=2),
            column("sales", "BIGINT", required=True),
            column("total", "BIGINT", required=True),
        ],
        refresh="replace_partitions",
        partitions={"grain": "day", "start": "2024-01-01"},
    ),
    table(
        "gold/monthly_sales",
        "SELECT day AS date, COUNT(*) AS sales, SUM(amount) AS total FROM silver.sales GROUP BY day",
        [
            column("date", "DATE", required=True, key=1, partitioned=True),
            column("sales", "BIGINT", required=True),
            column("total", "BIGINT", required=True),
        ],
        refresh="replace_partitions",
        partitions={"grain": "month", "start": "2024-01-01"},
    ),
)
sales = st.fixed_dictionaries(
    {
        "sale_id": st.sampled_from(["a", "b", "c", "d", "e"]),
        "day": st.sampled_from(DAYS),
        "country": st.sampled_from(["DE", "FR"]),
        "amount": st.integers(-3, 3),
    }
)


@dataclass(frozen=True)
class Layout:
    """A table: its partition column, what it sums by beside the date, and the partition that a day lies in."""

    name: str
    partition_column: str
    by: tuple[str, ...]
    partition_of: Callable[[str], str]


SILVER = Layout("silver/sales", "day", (), lambda day: day)
GOLD = [
    Layout("gold/daily_sales", "date", ("country",), lambda day: day),
    Layout("gold/monthly_sales", "date_month", (), lambda day: f"{day[:7]}-01"),
]


# Feature: data-lakehouse, Property 11: Date partitioning
@hundred_examples
@given(
    st.lists(st.lists(sales, min_size=1, max_size=4), min_size=1, max_size=3),
    st.sets(st.sampled_from(DAYS), min_size=1, max_size=2),
    st.sampled_from(GOLD),
)
def test_property_11_gold_is_written_by_date(batches: list[list[Row]], named: set[str], gold: Layout) -> None:
    current: dict[str, Row] = {}
    with world(PROJECT) as lakehouse:
        for number, batch in enumerate(batches):
            lakehouse.land(f"sales/{number}.jsonl", ({"place": f"{number}:{line}"} | row for line, row in enumerate(batch)))
            touched = {row["day"] for row in batch} | {current[row["sale_id"]]["day"] for row in batch if row["sale_id"] in current}
            current |= {row["sale_id"]: row for row in batch}
            lakehouse.run("bronze/sales", "silver/sales")
            before, after = run_between_looks(lakehouse, gold, None)
            assert_untouched(before, after, {gold.partition_of(day) for day in touched})
            assert_laid_out(lakehouse, gold, sums(current.values(), *gold.by))
        recomputed = {gold.partition_of(day) for day in named}
        before, after = run_between_looks(lakehouse, gold, sorted(recomputed))
        assert_untouched(before, after, recomputed)
        assert_laid_out(lakehouse, gold, sums(current.values(), *gold.by))
        assert all(after[partition] != before[partition] for partition in recomputed & before.keys()), "a partition that was named is written anew"
        before, after = run_between_looks(lakehouse, SILVER, sorted(named))
        assert_untouched(before, after, named)
        assert lakehouse.contents("silver/sales", "data_quality_score") == in_order(
            row | {"day": date.fromisoformat(row["day"])} for row in current.values()
        )


def run_between_looks(lakehouse: World, layout: Layout, partitions: list[str] | None) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Run the step; the paths of the table's files by partition, before and after."""
    looks = []
    for has_run in (False, True):
        if has_run:
            lakehouse.run(layout.name, partitions=partitions)
        found: dict[str, set[str]] = defaultdict(set)
        for path, values in lakehouse.files(layout.name).items():
            found[str(values[layout.partition_column])].add(path)
        looks.append(dict(found))
    return looks[0], looks[1]


def assert_untouched(before: dict[str, set[str]], after: dict[str, set[str]], touched: set[str]) -> None:
    """Partitions other than the touched ones have the files that they had."""
    for partition in (before.keys() | after.keys()) - touched:
        assert before.get(partition) == after.get(partition), f"partition {partition} was not touched, its files were"


def assert_laid_out(lakehouse: World, gold: Layout, expected: list[Row]) -> None:
    """The rows are right, and each lies in the partition of its date."""
    assert lakehouse.delta(gold.name).metadata().partition_columns == [gold.partition_column]
    assert lakehouse.contents(gold.name, *({gold.partition_column} - {"date"})) == expected
    assert all(str(row[gold.partition_column]) == gold.partition_of(str(row["date"])) for row in lakehouse.rows(gold.name))


def sums(rows: Iterable[Mapping[str, Any]], *by: str) -> list[Row]:
    """Count and sum of the rows of each day, and of what else they are told apart by."""
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for row in rows:
        groups[(date.fromisoformat(row["day"]), *(row[name] for name in by))].append(row["amount"])
    names = ("date", *by)
    return in_order(dict(zip(names, group, strict=True)) | {"sales": len(amounts), "total": sum(amounts)} for group, amounts in groups.items())

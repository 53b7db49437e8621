"""Property 11: gold is laid out by date, and a write to some partitions leaves all other files as they are. The oracle sums in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
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


# Feature: data-lakehouse, Property 11: Date partitioning
@hundred_examples
@given(st.lists(st.lists(sales, min_size=1, max_size=4), min_size=1, max_size=3), st.sets(st.sampled_from(DAYS), min_size=1, max_size=2))
def test_property_11_gold_is_written_by_date(batches: list[list[Row]], recomputed: set[str]) -> None:
    current: dict[str, Row] = {}
    with world(PROJECT) as lakehouse:
        for number, batch in enumerate(batches):
            lakehouse.land(f"sales/{number}.jsonl", ({"place": f"{number}:{line}"} | row for line, row in enumerate(batch)))
            touched = {row["day"] for row in batch} | {current[row["sale_id"]]["day"] for row in batch if row["sale_id"] in current}
            current |= {row["sale_id"]: row for row in batch}
            lakehouse.run("bronze/sales", "silver/sales")
            assert_only_touched(lakehouse, "gold/daily_sales", "date", touched, None)
            assert_only_touched(lakehouse, "gold/monthly_sales", "date_month", {f"{day[:7]}-01" for day in touched}, None)
            assert lakehouse.contents("gold/daily_sales") == sums(current.values(), "country")
            assert lakehouse.contents("gold/monthly_sales", "date_month") == sums(current.values())
        before = files_by_partition(lakehouse, "gold/daily_sales", "date")
        assert_only_touched(lakehouse, "gold/daily_sales", "date", recomputed, sorted(recomputed))
        after = files_by_partition(lakehouse, "gold/daily_sales", "date")
        assert lakehouse.contents("gold/daily_sales") == sums(current.values(), "country")
        assert all(after[day] != before[day] for day in recomputed & before.keys()), "a partition that was asked for is written anew"


def assert_only_touched(lakehouse: World, name: str, partition_column: str, touched: set[str], partitions: list[str] | None) -> None:
    """Run the step; partitions other than the touched ones keep their files, and each file lies in the partition of its rows' dates."""
    before = files_by_partition(lakehouse, name, partition_column)
    lakehouse.run(name, partitions=partitions)
    after = files_by_partition(lakehouse, name, partition_column)
    for partition in (before.keys() | after.keys()) - touched:
        assert before.get(partition) == after.get(partition), f"{name}: partition {partition} was not touched, its files were"
    assert lakehouse.delta(name).metadata().partition_columns == [partition_column]
    in_log = {date.fromisoformat(partition) for partition in after}
    rows = lakehouse.rows(name)
    assert {row[partition_column] for row in rows} == in_log
    if partition_column == "date_month":
        assert all(row["date"].replace(day=1) == row[partition_column] for row in rows)


def files_by_partition(lakehouse: World, name: str, partition_column: str) -> dict[str, set[str]]:
    """The paths of a table's files by partition; none while there is no table."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, values in lakehouse.files(name).items():
        found[str(values[partition_column])].add(path)
    return found


def sums(rows: Iterable[Mapping[str, Any]], *by: str) -> list[Row]:
    """Count and sum of the rows of each day, and of what else they are told apart by."""
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for row in rows:
        groups[(date.fromisoformat(row["day"]), *(row[name] for name in by))].append(row["amount"])
    names = ("date", *by)
    return in_order(dict(zip(names, group, strict=True)) | {"sales": len(amounts), "total": sum(amounts)} for group, amounts in groups.items())

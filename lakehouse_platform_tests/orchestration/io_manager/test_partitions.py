"""Partitions of every kind, in columns of every type that holds them: each run replaces its own rows and reads all that its partitions map to."""

# Annotations are not postponed here: Dagster looks at those of assets itself.

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from lakehouse_platform.contracts.types import DATE, STRING
from lakehouse_platform.delta.files import Field
from lakehouse_platform.engine.duckdb import memory_session
from lakehouse_platform.orchestration.io_manager import DeltaIOManager
from lakehouse_platform.orchestration.partition_regions import PartitionColumns
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes.regions import condition
from lakehouse_platform_tests.orchestration.io_manager import stored
from lakehouse_platform_tests.orchestration.io_manager.assets import asset, days, materialization, run

DAILY = dg.DailyPartitionsDefinition(start_date="2024-01-01", end_date="2024-03-01")
HOURLY = dg.HourlyPartitionsDefinition(start_date="2024-01-01-00:00", end_date="2024-01-02-00:00")
WEEKLY = dg.WeeklyPartitionsDefinition(start_date="2024-01-01", day_offset=1, end_date="2024-03-01")
MONTHLY = dg.MonthlyPartitionsDefinition(start_date="2024-01-01", end_date="2024-12-01")
ZURICH = dg.DailyPartitionsDefinition(start_date="2024-03-29", end_date="2024-04-05", timezone="Europe/Zurich")
COUNTRIES = dg.StaticPartitionsDefinition(["CH", "it's 100% / ä", "US"])


def local(key: str) -> datetime:
    return datetime.fromisoformat(key).replace(tzinfo=ZoneInfo("Europe/Zurich"))


def wall(key: str) -> datetime:
    return datetime.fromisoformat(key)


def hour(key: str) -> datetime:
    return datetime.strptime(key, "%Y-%m-%d-%H:%M").replace(tzinfo=UTC)


def last_of_month(key: str) -> date:
    return (date.fromisoformat(key) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


CASES = [
    pytest.param(DAILY, ("2024-01-31", "2024-02-01", "2024-02-02"), pa.date32(), date.fromisoformat, {}, ("day",), id="daily-date"),
    pytest.param(DAILY, ("2024-01-31", "2024-02-01"), pa.timestamp("ns"), wall, {}, (), id="daily-naive"),
    pytest.param(DAILY, ("2024-01-31", "2024-02-01"), pa.timestamp("ms", "UTC"), wall, {}, (), id="daily-instant"),
    pytest.param(DAILY, ("2024-01-31", "2024-02-01"), pa.int64(), lambda key: int(key.replace("-", "")), {}, ("day",), id="daily-digits"),
    pytest.param(DAILY, ("2024-01-31", "2024-02-01"), pa.string(), str, {}, ("day",), id="daily-text"),
    pytest.param(HOURLY, ("2024-01-01-22:00", "2024-01-01-23:00"), pa.timestamp("us", "UTC"), hour, {}, (), id="hourly-instant"),
    pytest.param(HOURLY, ("2024-01-01-22:00", "2024-01-01-23:00"), pa.string(), str, {}, ("day",), id="hourly-text"),
    pytest.param(WEEKLY, ("2024-01-01", "2024-01-08"), pa.date32(), date.fromisoformat, {}, (), id="weekly-date"),
    pytest.param(MONTHLY, ("2024-01-01", "2024-02-01"), pa.date32(), last_of_month, {}, (), id="monthly-date"),
    pytest.param(ZURICH, ("2024-03-30", "2024-03-31", "2024-04-01"), pa.timestamp("us", "Europe/Zurich"), local, {}, (), id="zoned-instant"),
    pytest.param(ZURICH, ("2024-03-30", "2024-03-31"), pa.timestamp("us"), wall, {"naive": "day"}, (), id="zoned-naive"),
    pytest.param(COUNTRIES, ("CH", "it's 100% / ä", "US"), pa.string(), str, {}, ("day",), id="static-text"),
    pytest.param(dg.StaticPartitionsDefinition(["7", "10"]), ("7", "10"), pa.int32(), int, {}, ("day",), id="static-int"),
]


@pytest.mark.parametrize(("partitions", "keys", "kind", "read", "metadata", "on_disk"), CASES)
def test_a_run_replaces_its_own_partition_and_no_other(  # noqa: PLR0917 -- parameters of a table of cases
    here: DeltaIOManager, partitions: Any, keys: tuple[str, ...], kind: pa.DataType, read: Any, metadata: dict[str, Any], on_disk: tuple[str, ...]
) -> None:
    given: dict[str, int] = dict.fromkeys(keys, 2)
    sales = asset("sales", lambda wanted: days(wanted, given[wanted[0]], kind=kind, read=read), partitions, partition_expr="day", **metadata)
    for key in keys:
        run(here, [sales], key)
    given[keys[0]] = 5
    told = materialization(run(here, [sales], keys[0]), "sales")
    assert (told["dagster/partition_row_count"], told["rows_removed"]) == (5, 2)
    assert sorted(value for _, value in stored.rows()) == sorted(f"{key}#{number}" for key in keys for number in range(given[key]))
    assert stored.snapshot().partition_columns == on_disk
    read_back: list[int] = []

    @dg.asset(key=["shop", "same"], partitions_def=partitions, ins={"sales": dg.AssetIn(["shop", "sales"])})
    def same(sales: pa.Table) -> None:
        read_back.append(sales.num_rows)

    for key in keys:
        run(here, [sales, same], key, select=["shop/same"])
    assert read_back == [given[key] for key in keys]


@pytest.mark.parametrize(
    ("kind", "stamp"),
    [
        (pd.DataFrame, pa.date32()),
        (ds.Dataset, pa.date32()),
        (pa.Table, pa.timestamp("us", "UTC")),
        (pl.LazyFrame, pa.timestamp("us", "UTC")),
        (pl.LazyFrame, pa.timestamp("us")),
        (pa.Table, pa.timestamp("us")),
    ],
)
def test_a_month_reads_all_of_its_days_whatever_reads_it(here: DeltaIOManager, kind: Any, stamp: pa.DataType) -> None:
    moment = date.fromisoformat if pa.types.is_date(stamp) else datetime.fromisoformat
    naive = ["day"] if stamp == pa.timestamp("us") else []
    sales = asset("sales", lambda keys: days(keys, 1, kind=stamp, read=moment), DAILY, partition_expr="day", naive=naive)
    run(here, [sales], ("2024-01-30", "2024-02-03"))
    read: list[list[Any]] = []

    @dg.asset(key=["shop", "month"], partitions_def=MONTHLY, ins={"sales": dg.AssetIn(["shop", "sales"])})
    def month(sales: kind) -> None:
        found: Any = sales.collect() if kind is pl.LazyFrame else sales.to_table() if kind is ds.Dataset else sales
        read.append(sorted(found["value"].to_pylist() if isinstance(found, pa.Table) else found["value"]))
        assert len(list(found["day"])) == len(found["value"])

    for key in ("2024-01-01", "2024-02-01"):
        run(here, [sales, month], key, select=["shop/month"])
    assert read == [["2024-01-30#0", "2024-01-31#0"], ["2024-02-01#0", "2024-02-02#0", "2024-02-03#0"]]


def test_partitions_that_come_to_be(here: DeltaIOManager, instance: dg.DagsterInstance) -> None:
    shops = dg.DynamicPartitionsDefinition(name="shops")
    sales = asset("sales", days, shops, partition_expr="day")
    instance.add_dynamic_partitions("shops", ["one", "two"])
    for key in ("one", "two", "one"):
        run(here, [sales], key, instance)
    assert [key for key, _ in stored.rows()] == ["one"] * 3 + ["two"] * 3


CELLS = dg.MultiPartitionsDefinition({"country": dg.StaticPartitionsDefinition(["CH", "US"]), "day": DAILY})


def cells(keys: Sequence[str]) -> pl.DataFrame:
    found = [
        key.keys_by_dimension if isinstance(key, dg.MultiPartitionKey) else CELLS.get_partition_key_from_str(key).keys_by_dimension for key in keys
    ]
    return pl.DataFrame(
        {
            "country": [each["country"] for each in found],
            "day": [date.fromisoformat(each["day"]) for each in found],
            "value": [str(key) for key in keys],
        },
        schema={"country": pl.String, "day": pl.Date, "value": pl.String},
    )


def test_several_dimensions_are_cells_and_not_their_cross_product(here: DeltaIOManager) -> None:
    sales = asset("sales", cells, CELLS, partition_expr={"country": "country", "day": "day"})
    for country in ("CH", "US"):
        for day in ("2024-01-01", "2024-01-02"):
            run(here, [sales], dg.MultiPartitionKey({"country": country, "day": day}))
    assert stored.snapshot().partition_columns == ("day", "country")
    run(here, [sales], dg.MultiPartitionKey({"country": "CH", "day": "2024-01-02"}))
    assert stored.count() == 4
    read: list[int] = []

    @dg.asset(key=["shop", "daily"], partitions_def=DAILY, ins={"sales": dg.AssetIn(["shop", "sales"])})
    def daily(sales: pa.Table) -> None:
        read.append(sales.num_rows)

    run(here, [sales, daily], "2024-01-02", select=["shop/daily"])
    assert read == [2]


def test_cells_on_a_diagonal_are_not_the_whole_square() -> None:
    columns = PartitionColumns("shop/sales", CELLS, {"day": "day", "country": "country"})
    keys = [dg.MultiPartitionKey({"country": country, "day": day}) for country, day in (("CH", "2024-01-01"), ("US", "2024-01-02"))]
    regions = columns.regions(keys, [Field("country", STRING), Field("day", DATE)])
    square = " UNION ALL ".join(
        f"SELECT '{country}' AS country, DATE '{day}' AS day" for country in ("CH", "US") for day in ("2024-01-01", "2024-01-02")
    )
    with memory_session() as session:
        inside = session.rows(f"SELECT country, CAST(day AS VARCHAR) FROM ({square}) WHERE {condition(regions)} ORDER BY ALL")
    assert inside == [("CH", "2024-01-01"), ("US", "2024-01-02")]
    month = [dg.MultiPartitionKey({"country": country, "day": f"2024-01-{day:02}"}) for country in ("CH", "US") for day in range(1, 32)]
    assert len(columns.regions(month, [Field("country", STRING), Field("day", DATE)])) == 1


@pytest.mark.parametrize("mode", ["overwrite", "append", "upsert"])
def test_rows_of_other_partitions_are_an_error_before_anything_is_written(here: DeltaIOManager, mode: str) -> None:
    key = {"key": ["value"]} if mode == "upsert" else {}
    good = asset("sales", lambda keys: days(keys, kind=pa.date32(), read=date.fromisoformat), DAILY, partition_expr="day", mode=mode, **key)
    bad = asset(
        "sales",
        lambda _: days(["2024-01-02", "2024-01-03"], 2, kind=pa.date32(), read=date.fromisoformat),
        DAILY,
        partition_expr="day",
        mode=mode,
        **key,
    )
    run(here, [good], "2024-01-03")
    before = stored.rows()
    with pytest.raises(LakehouseError, match=r"2 of its 4 rows are not of 2024-01-02, the first has day = 2024-01-03; nothing was committed"):
        run(here, [bad], "2024-01-02")
    assert stored.rows() == before


def test_a_day_that_gives_nothing_is_emptied(here: DeltaIOManager) -> None:
    rows = {"2024-01-01": days(["2024-01-01"]), "2024-01-02": days(["2024-01-02"])}
    sales = asset("sales", lambda keys: rows[keys[0]], DAILY, partition_expr="day")
    for key in rows:
        run(here, [sales], key)
    rows["2024-01-01"] = pd.DataFrame()
    told = materialization(run(here, [sales], "2024-01-01"), "sales")
    assert (told["dagster/partition_row_count"], told["dagster/row_count"], told["rows_removed"]) == (0, 3, 3)


@pytest.mark.parametrize(
    ("partitions", "key", "kind", "read", "expr", "complaint"),
    [
        (DAILY, "2024-01-01", pa.date32(), date.fromisoformat, None, 'say in its metadata which column holds them, "partition_expr"'),
        (
            DAILY,
            "2024-01-01",
            pa.date32(),
            date.fromisoformat,
            "dya",
            "partition_expr names the column 'dya', which its rows lack; they have day, value",
        ),
        (HOURLY, "2024-01-01-05:00", pa.date32(), lambda _: date(2024, 1, 1), "day", "is a date, and its partitions are no whole days"),
        (DAILY, "2024-01-01", pa.float64(), lambda _: 1.0, "day", "is DOUBLE, of which no partition is told"),
        (COUNTRIES, "CH", pa.int32(), lambda _: 1, "day", "the partition key 'CH' is no value of column 'day', which is INT"),
        (CELLS, dg.MultiPartitionKey({"country": "CH", "day": "2024-01-01"}), pa.string(), str, "day", '"partition_expr": {"country": "its_column"'),
    ],
)
def test_what_no_partition_can_be_told_of_is_an_error(  # noqa: PLR0917 -- parameters of a table of cases
    here: DeltaIOManager, partitions: Any, key: str, kind: pa.DataType, read: Any, expr: str | None, complaint: str
) -> None:
    metadata = {} if expr is None else {"partition_expr": expr}
    with pytest.raises(LakehouseError, match=complaint):
        run(here, [asset("sales", lambda keys: days(keys, kind=kind, read=read), partitions, **metadata)], key)


def test_a_clock_without_a_zone_says_whether_it_is_the_partitions_own(here: DeltaIOManager) -> None:
    sales = asset("sales", lambda keys: days(keys, kind=pa.timestamp("us"), read=wall), ZURICH, partition_expr="day")
    with pytest.raises(LakehouseError, match="naive"):
        run(here, [sales], "2024-03-31")

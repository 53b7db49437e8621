"""Fourteen ways in which dagster-deltalake 0.29.27 loses data, reads too little or hides what it does: each is shown there, none is here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import dagster_deltalake.handler as theirs
import deltalake
import pyarrow as pa
import pytest
from dagster_deltalake import DeltaLakePyarrowIOManager, LocalConfig, WriteMode
from deltalake import DeltaTable

from lakehouse_platform.delta import handle as ours
from lakehouse_platform.orchestration.io_manager import DeltaIOManager
from lakehouse_platform.problems import TransientFault
from lakehouse_platform_tests.orchestration.io_manager import stored
from lakehouse_platform_tests.orchestration.io_manager.assets import asset, days, materialization, run

DAILY = dg.DailyPartitionsDefinition(start_date="2024-01-01", end_date="2024-02-01")
HOURLY = dg.HourlyPartitionsDefinition(start_date="2024-01-01-00:00", end_date="2024-01-02-00:00")
WEEKLY = dg.WeeklyPartitionsDefinition(start_date="2024-01-01", day_offset=1)
REGIONS = dg.StaticPartitionsDefinition(["ap", "eu", "us"])
NUMBERS = dg.StaticPartitionsDefinition(["1", "2", "3"])
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
HOURS = ("2024-01-01-00:00", "2024-01-01-01:00", "2024-01-01-02:00")


@pytest.fixture
def there(tmp_path: Path) -> DeltaLakePyarrowIOManager:
    return DeltaLakePyarrowIOManager(root_uri=str(tmp_path / "there"), storage_options=LocalConfig())


def rows_there(tmp_path: Path) -> int:
    return int(DeltaTable(tmp_path / "there" / "shop" / "sales").count())


def by_day(kind: pa.DataType, read: Callable[[str], Any]) -> Callable[[Any], pa.Table]:
    return lambda keys: days(keys, kind=kind, read=read)


def hour(key: str) -> datetime:
    return datetime.strptime(key, "%Y-%m-%d-%H:%M").replace(tzinfo=UTC)


DATES = by_day(pa.date32(), date.fromisoformat)
NAIVE = by_day(pa.timestamp("us"), datetime.fromisoformat)
TEXTS = by_day(pa.string(), str)
NUMERALS = by_day(pa.int32(), int)
INSTANTS = by_day(pa.timestamp("us", "UTC"), hour)


def failing_once(fault: Exception) -> Callable[..., Any]:
    """Opens tables, but for the first time, as storage does that is not there for a moment."""
    opened: list[object] = []

    class Failing(DeltaTable):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            opened.append(arguments)
            if len(opened) == 1:
                raise fault
            super().__init__(*arguments, **options)

    return Failing


def test_h1_there_a_table_that_cannot_be_opened_is_replaced_whole(
    tmp_path: Path, there: DeltaLakePyarrowIOManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = asset("sales", DATES, DAILY, partition_expr="day")
    for day in DAYS:
        run(there, [sales], day)
    assert rows_there(tmp_path) == 9
    monkeypatch.setattr(theirs, "DeltaTable", failing_once(OSError("503 Service Unavailable")))
    assert run(there, [sales], DAYS[1]).success
    assert rows_there(tmp_path) == 3


def test_h1_here_it_is_an_error_and_nothing_is_written(here: DeltaIOManager, monkeypatch: pytest.MonkeyPatch) -> None:
    sales = asset("sales", DATES, DAILY, partition_expr="day")
    for day in DAYS:
        run(here, [sales], day)
    before = stored.snapshot().version
    with monkeypatch.context() as patched:
        patched.setattr(ours, "DeltaTable", failing_once(OSError("503 Service Unavailable")))
        with pytest.raises(TransientFault, match="503 Service Unavailable"):
            run(here, [sales], DAYS[1])
    assert (stored.snapshot().version, stored.count()) == (before, 9)
    run(here, [sales], DAYS[1])
    assert stored.count() == 9


OTHER_TYPES = [
    pytest.param(DAILY, DAYS, NAIVE, id="h2-naive-timestamp"),
    pytest.param(NUMBERS, ("1", "2", "3"), NUMERALS, id="h3-int"),
    pytest.param(DAILY, DAYS, TEXTS, id="h4-text-under-days"),
]


@pytest.mark.parametrize(("partitions", "keys", "rows"), OTHER_TYPES)
def test_h2_to_h4_there_a_partition_of_another_type_replaces_the_whole_table(
    tmp_path: Path, there: DeltaLakePyarrowIOManager, partitions: Any, keys: tuple[str, ...], rows: Any
) -> None:
    sales = asset("sales", rows, partitions, partition_expr="day")
    for key in keys:
        assert run(there, [sales], key).success
    assert rows_there(tmp_path) == 3


@pytest.mark.parametrize(("partitions", "keys", "rows"), OTHER_TYPES)
def test_h2_to_h4_here_it_replaces_itself(here: DeltaIOManager, partitions: Any, keys: tuple[str, ...], rows: Any) -> None:
    sales = asset("sales", rows, partitions, partition_expr="day")
    for key in (*keys, keys[1]):
        run(here, [sales], key)
    assert sorted(value for _, value in stored.rows()) == sorted(f"{key}#{number}" for key in keys for number in range(3))


def test_h5_there_a_static_range_replaces_the_partitions_beside_it(tmp_path: Path, there: DeltaLakePyarrowIOManager) -> None:
    sales = asset("sales", TEXTS, REGIONS, partition_expr="day")
    for region in ("ap", "eu", "us"):
        run(there, [sales], region)
    assert run(there, [sales], ("eu", "us")).success
    assert rows_there(tmp_path) == 6


def test_h5_here_it_replaces_its_own(here: DeltaIOManager) -> None:
    sales = asset("sales", TEXTS, REGIONS, partition_expr="day")
    for region in ("ap", "eu", "us"):
        run(here, [sales], region)
    run(here, [sales], ("eu", "us"))
    assert [key for key, _ in stored.rows()] == ["ap"] * 3 + ["eu"] * 3 + ["us"] * 3


def test_h6_there_a_range_of_days_cannot_be_written(there: DeltaLakePyarrowIOManager) -> None:
    sales = asset("sales", DATES, DAILY, partition_expr="day")
    run(there, [sales], DAYS[0])
    with pytest.raises(deltalake.exceptions.DeltaError, match="validation"):
        run(there, [sales], (DAYS[0], DAYS[2]))


def test_h6_here_it_is_one_commit(here: DeltaIOManager) -> None:
    sales = asset("sales", DATES, DAILY, partition_expr="day")
    run(here, [sales], DAYS[0])
    run(here, [sales], (DAYS[0], DAYS[2]))
    assert (stored.snapshot().version, stored.count()) == (1, 9)


def test_h7_there_hours_cannot_be_written(there: DeltaLakePyarrowIOManager) -> None:
    sales = asset("sales", INSTANTS, HOURLY, partition_expr="day")
    run(there, [sales], HOURS[0])
    with pytest.raises(deltalake.exceptions.DeltaError, match="validation"):
        run(there, [sales], HOURS[1])


def test_h7_here_each_hour_is_its_own(here: DeltaIOManager) -> None:
    sales = asset("sales", INSTANTS, HOURLY, partition_expr="day")
    for key in (*HOURS, HOURS[1]):
        run(here, [sales], key)
    assert [instant.hour for instant, _ in stored.rows()] == [0] * 3 + [1] * 3 + [2] * 3


def weekly(read: list[int]) -> dg.AssetsDefinition:
    @dg.asset(key=["shop", "weekly"], partitions_def=WEEKLY, ins={"sales": dg.AssetIn(["shop", "sales"])})
    def made(sales: pa.Table) -> None:
        read.append(sales.num_rows)

    return made


def test_h8_there_a_week_reads_one_of_its_days(there: DeltaLakePyarrowIOManager) -> None:
    sales, read = asset("sales", DATES, DAILY, partition_expr="day"), list[int]()
    for number in range(1, 9):
        run(there, [sales], f"2024-01-{number:02}")
    assert run(there, [sales, weekly(read)], "2024-01-01", select=["shop/weekly"]).success
    assert read == [3]


def test_h8_here_it_reads_all_seven_and_no_other(here: DeltaIOManager) -> None:
    sales, read = asset("sales", DATES, DAILY, partition_expr="day"), list[int]()
    run(here, [sales], ("2024-01-01", "2024-01-08"))
    run(here, [sales, weekly(read)], "2024-01-01", select=["shop/weekly"])
    assert read == [21]


def test_h9_h11_there_neither_rows_nor_size_nor_schema_are_told(there: DeltaLakePyarrowIOManager) -> None:
    told = materialization(run(there, [asset("sales", TEXTS, REGIONS, partition_expr="day")], "eu"), "sales")
    assert not {"size_bytes", "num_rows", "dagster/row_count", "dagster/column_schema"} & told.keys()
    assert "table_columns" in told


def test_h9_h11_here_they_are_under_the_names_that_dagster_shows(here: DeltaIOManager) -> None:
    sales = asset("sales", TEXTS, REGIONS, partition_expr="day")
    run(here, [sales], "ap")
    told = materialization(run(here, [sales], "eu"), "sales")
    assert (told["dagster/row_count"], told["dagster/partition_row_count"], told["delta_version"]) == (6, 3, 1)
    assert [(column.name, column.type) for column in told["dagster/column_schema"].columns] == [("day", "STRING"), ("value", "STRING")]
    assert (told["files"], told["files_added"]) == (2, 1)
    assert told["bytes"] == sum(file.size_bytes for file in stored.snapshot().files)
    assert told["dagster/table_name"] == "shop.sales"


CONFIGURATION = {"delta.deletedFileRetentionDuration": "interval 30 days"}


def test_h10_there_table_configuration_is_dropped(tmp_path: Path) -> None:
    there = DeltaLakePyarrowIOManager(root_uri=str(tmp_path / "there"), storage_options=LocalConfig(), table_config=CONFIGURATION)
    run(there, [asset("sales", lambda _: days(["eu"]))])
    assert DeltaTable(tmp_path / "there" / "shop" / "sales").metadata().configuration == {}


def test_h10_here_it_is_the_tables(here: DeltaIOManager) -> None:
    run(
        DeltaIOManager(table_config=CONFIGURATION),
        [asset("sales", lambda _: days(["eu"]), table_config={"delta.logRetentionDuration": "interval 9 days"})],
    )
    assert stored.snapshot().configuration.items() >= {**CONFIGURATION, "delta.logRetentionDuration": "interval 9 days"}.items()


def again(first: dg.ExecuteInProcessResult) -> dict[str, str]:
    """The tags of a run that repeats another."""
    return {"dagster/root_run_id": first.run_id, "dagster/parent_run_id": first.run_id}


def test_h12_there_an_append_that_is_repeated_doubles_its_rows_and_nothing_is_upserted(
    tmp_path: Path, there: DeltaLakePyarrowIOManager, instance: dg.DagsterInstance
) -> None:
    sales = asset("sales", TEXTS, REGIONS, partition_expr="day", mode="append")
    first = run(there, [sales], "eu", instance)
    run(there, [sales], "eu", instance, tags=again(first))
    assert rows_there(tmp_path) == 6
    assert {mode.value for mode in WriteMode} == {"error", "append", "overwrite", "ignore"}


def test_h12_here_it_is_known_and_a_run_of_its_own_appends(here: DeltaIOManager, instance: dg.DagsterInstance) -> None:
    sales = asset("sales", TEXTS, REGIONS, partition_expr="day", mode="append")
    first = run(here, [sales], "eu", instance)
    told = materialization(run(here, [sales], "eu", instance, tags=again(first)), "sales")
    assert (told["written_before"], stored.count()) == (True, 3)
    run(here, [sales], "eu", instance)
    assert stored.count() == 6


def test_h13_there_an_overwrite_without_a_predicate_appends(
    tmp_path: Path, there: DeltaLakePyarrowIOManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = asset("sales", TEXTS, REGIONS, partition_expr="day")
    run(there, [sales], "eu")
    monkeypatch.setattr(theirs, "_build_partition_predicate", lambda *_: None)
    run(there, [sales], "eu")
    assert rows_there(tmp_path) == 6


def loaded_by(code: str) -> set[str]:
    """The modules of a fresh interpreter after some code."""
    told = f"{code}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    shown = subprocess.run([sys.executable, "-W", "ignore", "-c", told], check=True, capture_output=True, text=True)
    return set(json.loads(shown.stdout.splitlines()[-1]))


def test_h14_there_its_import_loads_the_readers_of_every_format_and_cloud() -> None:
    assert {"deltalake", "pyarrow._dataset_orc", "pyarrow._s3fs", "pyarrow._gcsfs", "pyarrow.substrait"} <= loaded_by("import dagster_deltalake")


def test_h14_here_definitions_load_none_of_it_nor_any_library_of_frames() -> None:
    loaded = loaded_by("from lakehouse_platform.definitions import defs; defs()")
    assert not {"dagster_deltalake", "pandas", "polars", "pyarrow.dataset", "pyarrow._s3fs"} & loaded

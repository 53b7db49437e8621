"""Partitions of several grains in Dagster: what depends on what, what a day by hand asks for, backfills with a limit, what is missing or failed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_platform.medallion.history import versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.orchestration.backfills import Only
from lakehouse_platform.orchestration.build import build_definitions
from lakehouse_platform.orchestration.names import asset_key
from lakehouse_platform.orchestration.partitions import blocks, keys_between, keys_of, partition_mapping, partitions_definition
from lakehouse_platform.orchestration.runs import Runner, open_runner
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.attributes import Partitions
from lakehouse_platform.tables.periods import Unit
from lakehouse_platform_tests.orchestration.events import materialized
from lakehouse_platform_tests.properties.test_grains import FOLDERS, PROJECT

TICKS, RATES = "silver/ticks", "silver/rates"
HOURS, DAYS, WEEKS, MONTHS, VALUED = "gold/hours", "gold/days", "gold/weeks", "gold/months", "gold/valued"
GOLD = (HOURS, DAYS, WEEKS, MONTHS, VALUED)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The project of all grains, with a tick and a rate on some days."""
    for folder in FOLDERS:
        place = tmp_path / "project" / "defs" / folder.name
        place.mkdir(parents=True)
        for name, text in folder.files.items():
            (place / name).write_text(text, encoding="utf-8")
    settings = Settings(home=tmp_path / "home", project=tmp_path / "project", threads=1, retry_seconds=0)
    land(settings, "one", [date(2024, 1, 1), date(2024, 1, 3), date(2024, 1, 10)])
    return settings


@pytest.fixture
def runner(settings: Settings) -> Iterator[Runner]:
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as opened:
        yield opened


def land(settings: Settings, name: str, days: Iterable[date]) -> None:
    """A tick at five in the morning, and a rate, of each of these days."""
    lines: dict[str, list[dict[str, object]]] = {"ticks": [], "rates": []}
    for day in days:
        lines["ticks"].append({"tick": f"{name} {day}", "at": f"{day}T05:30:00Z", "amount": 2})
        lines["rates"].append({"day": str(day), "rate": 3})
    for feed, records in lines.items():
        path = settings.landing / feed / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        os.utime(path, (1_700_000_000, 1_700_000_000))


def definition(table: str) -> dg.TimeWindowPartitionsDefinition:
    found = partitions_definition(PROJECT.tables[table])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("table", "first", "text", "keys"),
    [
        (HOURS, "2023-12-01-00:00", "2024-01-03-05:00", ["2024-01-03-05:00"]),
        (DAYS, "2023-12-01", "2024-01-03", ["2024-01-03"]),
        (DAYS, "2023-12-01", "2024-01-03-05:00", ["2024-01-03"]),
        (WEEKS, "2023-11-27", "2024-01-03", ["2024-01-01"]),
        (MONTHS, "2023-12-01", "2024-01-03", ["2024-01-01"]),
    ],
)
def test_partitions_begin_where_the_calendar_says(table: str, first: str, text: str, keys: list[str]) -> None:
    assert definition(table).get_first_partition_key() == first
    assert keys_of(definition(table), text) == keys


@pytest.mark.parametrize(("grain", "last"), [("hour", "2024-01-31-23:00"), ("day", "2024-01-31"), ("week", "2024-01-29"), ("month", "2024-01-01")])
def test_partitions_end_with_the_one_of_the_last_day(grain: Unit, last: str) -> None:
    table = PROJECT.tables[TICKS]
    partitions = Partitions(grain=grain, start=date(2024, 1, 1), end=date(2024, 1, 31))
    found = partitions_definition(replace(table, attributes=table.attributes.model_copy(update={"partitions": partitions})))
    assert found is not None and found.get_last_partition_key() == last


def test_a_day_stands_for_its_hours_and_a_range_for_all_that_it_meets() -> None:
    assert keys_of(definition(HOURS), "2024-01-03") == [f"2024-01-03-{hour:02}:00" for hour in range(24)]
    assert keys_between(definition(WEEKS), "2024-01-03", "2024-01-16") == ["2024-01-01", "2024-01-08", "2024-01-15"]
    assert keys_between(definition(MONTHS), "2024-01-31", "2024-02-01") == ["2024-01-01", "2024-02-01"]
    assert len(keys_between(definition(HOURS), "2024-01-03-22:00", "2024-01-04")) == 26


def test_blocks_are_cut_where_they_get_too_long() -> None:
    hours = ["2024-01-31-23:00", "2024-02-01-00:00", "2024-02-01-01:00", "2024-02-01-05:00"]
    assert blocks(definition(HOURS), hours) == [(hours[0], hours[2]), (hours[3], hours[3])]
    assert blocks(definition(HOURS), hours, 2) == [(hours[0], hours[1]), (hours[2], hours[2]), (hours[3], hours[3])]
    assert blocks(definition(WEEKS), ["2024-01-08", "2024-01-01", "2024-01-22"]) == [("2024-01-01", "2024-01-08"), ("2024-01-22", "2024-01-22")]


@pytest.mark.parametrize(
    ("table", "upstream", "key", "depends_on"),
    [
        (HOURS, TICKS, "2024-01-03-05:00", ["2024-01-03-05:00"]),
        (DAYS, HOURS, "2024-01-03", [f"2024-01-03-{hour:02}:00" for hour in range(24)]),
        (WEEKS, DAYS, "2024-01-01", [f"2024-01-{day:02}" for day in range(1, 8)]),
        # The week before the table's first day begins in November.
        (WEEKS, DAYS, "2023-11-27", ["2023-12-01", "2023-12-02", "2023-12-03"]),
        (MONTHS, DAYS, "2024-02-01", [f"2024-02-{day:02}" for day in range(1, 30)]),
        (VALUED, DAYS, "2024-01-03", ["2024-01-03"]),
        (VALUED, RATES, "2024-01-03", ["2024-01-02"]),
        (VALUED, RATES, "2023-12-01", []),
    ],
)
def test_a_partition_depends_on_those_that_it_is_made_from(table: str, upstream: str, key: str, depends_on: list[str]) -> None:
    mapping = partition_mapping(PROJECT.tables[table], PROJECT.tables[upstream])
    mine, theirs = definition(table), definition(upstream)
    assert mapping is not None
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(mine.subset_with_partition_keys([key]), mine, theirs)
    assert sorted(found.partitions_subset.get_partition_keys()) == depends_on
    assert not list(found.required_but_nonexistent_subset.get_partition_keys())
    for each in depends_on[:2]:
        back = mapping.get_downstream_partitions_for_partitions(theirs.subset_with_partition_keys([each]), theirs, mine)
        assert list(back.get_partition_keys()) == [key]


def test_a_late_day_moves_its_own_partitions_and_the_day_after_its_rate(runner: Runner) -> None:
    increment(runner)
    before = {table: versions(runner, table) for table in GOLD}
    land(runner.settings, "late", [date(2024, 1, 2)])
    increment(runner)
    moved = {table: sorted(partitions for version in versions(runner, table)[len(before[table]) :] for partitions in version) for table in GOLD}
    assert moved == {
        HOURS: ["2024-01-02-05:00"],
        DAYS: ["2024-01-02"],
        WEEKS: ["2024-01-01"],
        MONTHS: ["2024-01-01"],
        # Its own day by its tick, and the third of January by the rate of the second.
        VALUED: ["2024-01-02", "2024-01-03"],
    }
    assert materialized(runner.instance, VALUED)["2024-01-03"]["dagster/partition_row_count"] == 1


def test_partitions_by_hand_go_on_to_their_own_day_week_and_month_and_to_the_day_after(runner: Runner) -> None:
    cursor: object = None

    def tick() -> dict[str, list[str]]:
        nonlocal cursor
        result = dg.evaluate_automation_conditions(defs=runner.definitions, instance=runner.instance, cursor=cursor)  # type: ignore[arg-type]
        cursor = result.cursor
        requested = {table: sorted(str(key) for key in result.get_requested_partitions(asset_key(table))) for table in GOLD}
        return {table: keys for table, keys in requested.items() if keys}

    tick()
    increment(runner)
    assert tick() == {}
    asked: list[dict[str, list[str]]] = [{TICKS: ["2024-01-03-05:00"]}]
    while asked[-1]:
        for table, keys in asked[-1].items():
            runs = runner.partitions([table], keys)
            assert all(run.success for run in runs), runs
        asked.append(tick())
    # Tables of one grain go together; another grain follows when those that it reads are done.
    assert asked[1:] == [
        {HOURS: ["2024-01-03-05:00"]},
        {DAYS: ["2024-01-03"], VALUED: ["2024-01-03"]},
        {WEEKS: ["2024-01-01"], MONTHS: ["2024-01-01"]},
        {},
    ]
    assert all(run.success for run in runner.partitions([RATES], ["2024-01-02"]))
    assert tick() == {VALUED: ["2024-01-03"]}


def test_70_days_in_the_past_no_two_adjacent_are_one_run_and_one_commit_a_table(runner: Runner) -> None:
    days = [date(2024, 1, 1) + timedelta(days=2 * number) for number in range(70)]
    increment(runner)
    before = {table: len(versions(runner, table)) for table in (TICKS, *GOLD)}
    land(runner.settings, "past", days)
    run = runner.increment("bronze/ticks")
    assert run.success, run.failures
    for table, partitions in ((TICKS, 70), (HOURS, 70), (DAYS, 70), (WEEKS, 20), (MONTHS, 5), (VALUED, 70)):
        assert [len(version) for version in versions(runner, table)[before[table] :]] == [partitions], table
        snapshot = Lakehouse(runner.settings, runner.project).snapshot(table)
        told = [metadata["delta_version"] for metadata in materialized(runner.instance, table).values()]
        assert snapshot is not None and told.count(snapshot.version) == partitions


def test_a_limit_cuts_backfills_into_runs(settings: Settings) -> None:
    limited = settings.model_copy(update={"backfill_partitions": 3})
    assets = {each.key: each.backfill_policy for each in build_definitions(limited).assets or () if isinstance(each, dg.AssetsDefinition)}
    assert assets[asset_key(DAYS)] == dg.BackfillPolicy.multi_run(3)
    assert assets[asset_key("bronze/ticks")] is None
    with dg.DagsterInstance.ephemeral() as instance, open_runner(limited, instance=instance) as runner:
        increment(runner)
        runs = runner.partitions([DAYS, VALUED], first="2024-01-01", last="2024-01-08")
        assert [run.success for run in runs] == [True] * 3
        assert [len(version) for version in versions(runner, DAYS)[1:]] == [3, 3, 2]


def test_what_is_missing_is_filled_up_to_the_last_day_with_rows(runner: Runner) -> None:
    increment(runner)
    runs = runner.partitions([DAYS, WEEKS], only=Only.MISSING, first="2024-01-01")
    assert [run.success for run in runs] == [True, True], runs
    assert set(materialized(runner.instance, DAYS)) == {f"2024-01-{day:02}" for day in range(1, 11)}
    assert [sorted(version) for version in versions(runner, DAYS)[1:]] == [["2024-01-02"], [f"2024-01-{day:02}" for day in range(4, 10)]]
    assert runner.partitions([DAYS, WEEKS], only=Only.MISSING, first="2024-01-01") == []
    # An open beginning is the table's own, here a month before any row.
    runs = runner.partitions([DAYS], only=Only.MISSING)
    assert len(runs) == 1 and len(materialized(runner.instance, DAYS)) == 41


def test_what_was_committed_and_never_told_is_not_missing(runner: Runner) -> None:
    from lakehouse_platform.medallion.steps import run_step

    lakehouse = Lakehouse(runner.settings, runner.project)
    for table in ("bronze/ticks", TICKS, HOURS, DAYS):
        run_step(lakehouse, table, run_id="killed")
    assert materialized(runner.instance, DAYS) == {}
    assert runner.partitions([DAYS], ["2024-01-01", "2024-01-03"], only=Only.MISSING) == []


def test_what_failed_and_nothing_else_is_tried_again(runner: Runner) -> None:
    increment(runner)
    assert runner.partitions([DAYS], only=Only.FAILED) == []
    (broken,) = [path for path in Path(Lakehouse(runner.settings, runner.project).location(HOURS)).rglob("*.parquet") if "2024-01-10" in str(path)]
    away = broken.rename(broken.with_suffix(".away"))
    (run,) = runner.partitions([DAYS], ["2024-01-10"])
    assert not run.success
    assert runner.partitions([DAYS], ["2024-01-01"])[0].success
    away.rename(broken)
    (run,) = runner.partitions([DAYS], only=Only.FAILED)
    assert run.success
    assert sorted(versions(runner, DAYS)[-1]) == ["2024-01-10"]
    assert runner.partitions([DAYS], only=Only.FAILED) == []


def test_an_open_end_where_there_are_no_rows_asks_for_one(runner: Runner) -> None:
    with pytest.raises(LakehouseError, match="say which, with --to"):
        runner.partitions([DAYS], first="2024-01-01")
    with pytest.raises(LakehouseError, match="gold/days has no partition 2023-11-30: they go from 2023-12-01"):
        runner.partitions([DAYS], ["2023-11-30"])
    with pytest.raises(LakehouseError, match="has no partition from 2022-01-01 to 2022-01-02"):
        runner.partitions([DAYS], first="2022-01-01", last="2022-01-02")


def test_the_running_hour_is_a_partition() -> None:
    last = definition(HOURS).get_last_partition_key()
    assert last is not None and last >= f"{datetime.now(UTC) - timedelta(minutes=5):%Y-%m-%d-%H}:00"


def increment(runner: Runner) -> None:
    for source in ("bronze/ticks", "bronze/rates"):
        run = runner.increment(source)
        assert run.success, run.failures


def versions(runner: Runner, table: str) -> list[list[str]]:
    """The partitions that each commit of a table touched."""
    lakehouse = Lakehouse(runner.settings, runner.project)
    return [sorted(version.record.partitions) for version in versions_since(lakehouse, table) if version.record is not None]

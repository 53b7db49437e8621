"""When a table is refreshed: on change, at its times, after so many rows, or by hand; what was passed over comes with the next refresh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.medallion.waiting import rows_waiting
from lakehouse_platform.orchestration.names import asset_key, refresh_job_name
from lakehouse_platform.orchestration.reporting import is_reported
from lakehouse_platform.orchestration.runs import Run, Runner, open_runner
from lakehouse_platform_tests.orchestration.events import check, materialized
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, DAILY, FACT, PRODUCT, SILVER, SOURCE, TABLES, land, order, write_shop

MANUAL = "automation: manual"
CRON = 'automation: {cron: "30 6 * * 1-5", timezone: Europe/Zurich}'
AFTER = "automation: {after_rows: 3}"


@contextmanager
def shop(root: Path, **attributes: str) -> Iterator[Runner]:
    """A shop with orders of two days, in which some gold tables have an automation of their own."""
    settings = write_shop(root, {f"gold/{name}": line for name, line in attributes.items()})
    land(settings, "one.csv", [order(1, "2026-01-02"), order(2, "2026-01-05")])
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as runner:
        yield runner


def passed_over(run: Run) -> dict[str, str]:
    """Why each table was passed over."""
    return {name: result.passed_over for name, result in run.results.items() if result.passed_over is not None}


def rows(runner: Runner, table: str) -> int:
    snapshot = Lakehouse(runner.settings, runner.project).snapshot(table)
    return snapshot.rows if snapshot is not None else 0


def test_a_manual_table_is_passed_over_until_it_is_named(tmp_path: Path) -> None:
    with shop(tmp_path, dim_shop_product=MANUAL) as runner:
        for file in ("two.csv", "three.csv"):
            run = runner.increment(SOURCE)
            assert run.success, run.failures
            assert passed_over(run) == {PRODUCT: "it is manual, `lakehouse materialize gold/dim_shop_product` refreshes it"}
            land(runner.settings, file, [order(len(file), "2026-01-09")])
        told = [entry.user_message for entry in runner.instance.all_logs(run.run_id) if "passed over" in entry.user_message]
        assert told == [f"{PRODUCT} is passed over: {passed_over(run)[PRODUCT]}"]
        assert (rows(runner, PRODUCT), rows(runner, FACT)) == (0, 3)

        run = runner.refresh(PRODUCT)
        assert run.success and set(run.results) == {PRODUCT, FACT}, "what follows it is refreshed with it"
        assert rows(runner, PRODUCT) == 3, "the products of both files and the row for none"
        record = run.results[FACT].record
        assert record is not None and set(record.partitions) == {"2026-01-02", "2026-01-05", "2026-01-09"}


def test_a_table_with_times_has_a_schedule_that_runs_by_itself(tmp_path: Path) -> None:
    with shop(tmp_path, shop_customer=CRON, shop_daily=MANUAL) as runner:
        schedules = {each.name: each for each in runner.definitions.get_repository_def().schedule_defs}
        assert set(schedules) == {"daily", "maintain", refresh_job_name(CUSTOMER)}
        timed = schedules[refresh_job_name(CUSTOMER)]
        assert (timed.cron_schedule, timed.execution_timezone) == ("30 6 * * 1-5", "Europe/Zurich")
        assert timed.default_status is dg.DefaultScheduleStatus.RUNNING
        (spec,) = (each for each in runner.definitions.resolve_all_asset_specs() if each.key == asset_key(CUSTOMER))
        assert spec.metadata["automation"] == "cron 30 6 * * 1-5, timezone Europe/Zurich"
        assert passed_over(runner.increment(SOURCE)).keys() == {CUSTOMER, DAILY}

        job = runner.definitions.resolve_job_def(timed.job_name)
        assert job.execute_in_process(instance=runner.instance).success
        assert rows(runner, CUSTOMER) == 2
        assert set(materialized(runner.instance, CUSTOMER)) == {None}


def test_a_table_waits_for_so_many_rows(tmp_path: Path) -> None:
    with shop(tmp_path, shop_daily=AFTER) as runner:
        assert passed_over(runner.increment(SOURCE)) == {DAILY: "2 rows wait, and it is refreshed after 3"}
        # The second row corrects one that is there (of two rows of one time, the file that comes later by name holds).
        land(runner.settings, "two.csv", [order(3, "2026-01-09"), order(2, "2026-01-05", "11.00")])
        assert runner.increment(SOURCE).results[DAILY].record is not None
        assert rows(runner, DAILY) == 3

        land(runner.settings, "two_more.csv", [order(4, "2026-01-09"), order(2, "2026-01-05", "12.00")])
        assert passed_over(runner.increment(SOURCE)) == {DAILY: "2 rows wait, and it is refreshed after 3"}
        assert passed_over(runner.increment(SOURCE)).keys() == {DAILY}, "rows that wait stay waiting"
        land(runner.settings, "one_more.csv", [order(5, "2026-01-10")])
        record = runner.increment(SOURCE).results[DAILY].record
        assert record is not None and set(record.partitions) == {"2026-01-05", "2026-01-09", "2026-01-10"}


def test_rows_that_wait_are_told_by_the_logs_of_any_input(tmp_path: Path) -> None:
    with shop(tmp_path, shop_daily=MANUAL) as runner:
        lakehouse = Lakehouse(runner.settings, runner.project)
        tables = runner.project.tables
        assert {name: rows_waiting(lakehouse, tables[name]) for name in (SILVER, DAILY)} == {SILVER: 0, DAILY: 0}
        run_step(lakehouse, SOURCE, run_id="r")
        assert {name: rows_waiting(lakehouse, tables[name]) for name in (SILVER, DAILY)} == {SILVER: 2, DAILY: 0}
        run_step(lakehouse, SILVER, run_id="r")
        assert {name: rows_waiting(lakehouse, tables[name]) for name in (SILVER, DAILY)} == {SILVER: 0, DAILY: 2}


def test_what_was_committed_to_a_manual_table_is_told_where_it_is_passed_over(tmp_path: Path) -> None:
    with shop(tmp_path, shop_daily=MANUAL) as runner:
        assert runner.increment(SOURCE).success
        lakehouse = Lakehouse(runner.settings, runner.project)
        run_step(lakehouse, DAILY, run_id="killed")
        snapshot = lakehouse.snapshot(DAILY)
        assert snapshot is not None and not is_reported(runner.instance, lakehouse, DAILY, snapshot)
        assert passed_over(runner.increment(SOURCE)).keys() == {DAILY}
        assert set(materialized(runner.instance, DAILY)) == {"2026-01-02", "2026-01-05"}


@pytest.mark.parametrize("line", [MANUAL, CRON, AFTER])
def test_only_what_is_on_change_follows_what_was_materialised_by_hand(tmp_path: Path, line: str) -> None:
    with shop(tmp_path, shop_daily=line) as runner:
        graph = runner.definitions.resolve_asset_graph()
        conditions = {key.to_user_string(): graph.get(key).automation_condition for key in graph.materializable_asset_keys}
        assert conditions[DAILY] is None and conditions[CUSTOMER] is not None


def test_the_daily_job_brings_every_table_up_to_date_and_checks_it(tmp_path: Path) -> None:
    with shop(tmp_path, shop_customer=MANUAL) as runner:
        done = runner.definitions.resolve_job_def("daily").execute_in_process(instance=runner.instance)
        assert done.success
        assert {table for table in TABLES if rows(runner, table)} == {*TABLES} - {CUSTOMER}
        steps = [event.step_key for event in done.all_events if event.is_step_success]
        last_table = max(steps.index(table.replace("/", "__")) for table in TABLES)
        assert {steps.index(f"{table.replace('/', '__')}__checks") > last_table for table in TABLES} == {True}
        assert check(runner.instance, SILVER, "key_unique")[0]


def test_the_daily_job_fails_with_a_failed_check_and_checks_the_others(tmp_path: Path) -> None:
    with shop(tmp_path) as runner:
        contract = runner.settings.defs_root / "shop" / "gold_shop_daily" / "contract.yaml"
        rule = '{id: busy, type: sql, severity: error, query: "SELECT count(*) FROM ${table}", mustBeGreaterThan: 100}'
        text = contract.read_text(encoding="utf-8")
        contract.write_text(text.replace("    physicalType: table\n", f"    physicalType: table\n    quality: [{rule}]\n"), encoding="utf-8")
        with open_runner(runner.settings, instance=runner.instance) as strict:
            done = strict.definitions.resolve_job_def("daily").execute_in_process(instance=runner.instance, raise_on_error=False)
        assert [event.step_key for event in done.all_events if event.is_step_failure] == ["gold__shop_daily__checks"]
        assert not check(runner.instance, DAILY, "busy")[0]
        assert check(runner.instance, FACT, "pandera")[0]

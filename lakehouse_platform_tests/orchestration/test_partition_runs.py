"""Runs with partitions: they recompute exactly those, each with its own metadata, and automation carries them on to gold."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.orchestration.names import asset_key, increment_job_name, step_name
from lakehouse_platform.orchestration.runs import Runner
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.orchestration.events import check, materializations, materialized
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, DAILY, FACT, PRODUCT, SILVER, SOURCE, TABLES, land, order


class Automation:
    """Ticks of the automation sensor over a runner's instance."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._cursor: object = None

    def tick(self) -> dict[str, list[str]]:
        """What one tick asks for: partitions by table, [""] for a table without partitions."""
        result = dg.evaluate_automation_conditions(defs=self._runner.definitions, instance=self._runner.instance, cursor=self._cursor)  # type: ignore[arg-type]
        self._cursor = result.cursor
        found = {}
        for table in TABLES:
            if result.get_num_requested(asset_key(table)):
                keys = result.get_requested_partitions(asset_key(table)) if table in (SILVER, DAILY, FACT) else {""}
                found[table] = sorted(key or "" for key in keys)
        return found


def test_a_partition_run_recomputes_its_days_with_metadata_of_each(runner: Runner) -> None:
    runner.increment(SOURCE)
    before = materializations(runner.instance, DAILY)
    runs = runner.partitions([SILVER, DAILY], ["2026-01-02", "2026-01-03", "2026-01-05"])
    assert [run.success for run in runs] == [True, True], runs
    assert materializations(runner.instance, DAILY) == before + 3
    days = materialized(runner.instance, SILVER)
    assert {day: metadata["dagster/partition_row_count"] for day, metadata in days.items()} == {"2026-01-02": 2, "2026-01-03": 0, "2026-01-05": 1}
    assert check(runner.instance, SILVER, "pandera")[0]


def test_a_partition_run_moves_no_cursor(runner: Runner) -> None:
    runner.increment(SOURCE)
    land(runner.settings, "two.csv", [order(5, "2026-01-02")])
    runner.partitions([SILVER], ["2026-01-05"])
    assert runner.increment(SOURCE).results[SILVER].rows_read == 1


def test_a_range_without_bounds_is_every_partition_in_one_run(runner: Runner) -> None:
    runner.increment(SOURCE)
    runs = runner.partitions([DAILY], first="2026-01-01", last="2026-01-10")
    assert len(runs) == 1 and runs[0].success
    assert len(materialized(runner.instance, DAILY)) == 10


def test_a_partitioned_table_without_partitions_says_what_to_launch(runner: Runner) -> None:
    runner.increment(SOURCE)
    job = runner.definitions.resolve_implicit_global_asset_job_def()
    with pytest.raises(LakehouseError, match="choose some, or launch the job increment_shop_orders"):
        job.execute_in_process(instance=runner.instance, asset_selection=[asset_key(SILVER)])


def test_automation_asks_for_nothing_after_an_increment(runner: Runner) -> None:
    automation = Automation(runner)
    assert automation.tick() == {}
    runner.increment(SOURCE)
    assert automation.tick() == {}
    land(runner.settings, "two.csv", [order(5, "2026-01-02"), order(6, "2026-01-20")])
    runner.increment(SOURCE)
    assert automation.tick() == {}


def test_automation_leaves_an_increment_that_still_runs_alone(runner: Runner) -> None:
    automation = Automation(runner)
    automation.tick()
    job = runner.definitions.resolve_job_def(increment_job_name(SOURCE))
    half = [step_name(SOURCE), step_name(SILVER)]
    assert job.execute_in_process(instance=runner.instance, op_selection=half).success
    assert set(materialized(runner.instance, SILVER)) == {"2026-01-02", "2026-01-05"}
    assert automation.tick() == {}
    assert automation.tick() == {}


def test_a_silver_day_by_hand_goes_on_to_gold_and_no_further(runner: Runner) -> None:
    automation = Automation(runner)
    automation.tick()
    runner.increment(SOURCE)
    automation.tick()
    assert all(run.success for run in runner.partitions([SILVER], ["2026-01-02"]))
    day = ["2026-01-02"]
    assert automation.tick() == {DAILY: day, FACT: day, PRODUCT: [""], CUSTOMER: [""]}
    runs = runner.partitions([DAILY, FACT, PRODUCT, CUSTOMER], day)
    assert all(run.success for run in runs), runs
    assert automation.tick() == {}


def test_a_lost_commit_is_told_before_a_partition_run(runner: Runner) -> None:
    from lakehouse_platform.medallion.steps import run_step

    lakehouse = Lakehouse(runner.settings, runner.project)
    for table in (SOURCE, SILVER):
        run_step(lakehouse, table, run_id="killed")
    assert runner.partitions([SILVER], ["2026-01-05"])[0].success
    assert set(materialized(runner.instance, SILVER)) == {"2026-01-02", "2026-01-05"}

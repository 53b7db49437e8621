"""Increments: one run from the files to gold, whose events tell what the Delta logs say, also after a kill in between."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.orchestration.reporting import report, reported_through, unreported
from lakehouse_platform.orchestration.runs import Runner
from lakehouse_platform_tests.orchestration.events import check, materializations, materialized
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, DAILY, FACT, PRODUCT, SILVER, SOURCE, TABLES, land, order


def test_an_increment_materialises_the_days_that_it_touched(runner: Runner) -> None:
    run = runner.increment(SOURCE)
    assert run.success, run.failures
    assert set(run.results) == {SOURCE, *TABLES}
    for table in (SILVER, DAILY, FACT):
        assert set(materialized(runner.instance, table)) == {"2026-01-02", "2026-01-05"}
    for table in (SOURCE, PRODUCT, CUSTOMER):
        assert set(materialized(runner.instance, table)) == {None}

    land(runner.settings, "two.csv", [order(5, "2026-01-05"), order(6, "2026-02-01")])
    before = materialized(runner.instance, SILVER)["2026-01-02"]
    assert runner.increment(SOURCE).success
    after = materialized(runner.instance, SILVER)
    assert set(after) == {"2026-01-02", "2026-01-05", "2026-02-01"}
    assert after["2026-01-02"] == before
    assert after["2026-01-05"]["dagster/partition_row_count"] == 2


def test_an_increment_with_nothing_new_logs_nothing(runner: Runner) -> None:
    runner.increment(SOURCE)
    before = {table: materializations(runner.instance, table) for table in TABLES}
    assert runner.increment(SOURCE).success
    assert {table: materializations(runner.instance, table) for table in TABLES} == before


def test_each_partition_has_its_own_metadata(runner: Runner) -> None:
    runner.increment(SOURCE)
    days = materialized(runner.instance, SILVER)
    assert (days["2026-01-02"]["dagster/partition_row_count"], days["2026-01-05"]["dagster/partition_row_count"]) == (2, 1)
    day = days["2026-01-05"]
    assert (day["commit_rows_read"], day["commit_rows_accepted"], day["commit_rows_rejected"]) == (4, 3, 1)
    assert day["dagster/uri"] == Lakehouse(runner.settings, runner.project).location(SILVER)
    assert day["dagster/table_name"] == "silver.shop_orders"
    snapshot = Lakehouse(runner.settings, runner.project).snapshot(SILVER)
    assert snapshot is not None
    assert day["delta_version"] == snapshot.version
    assert day["tags"]["dagster/data_version"] == f"delta:{snapshot.version}@{snapshot.table_id}"
    assert materialized(runner.instance, CUSTOMER)[None]["dagster/row_count"] == 2


def test_rules_are_checks_with_counts(runner: Runner) -> None:
    runner.increment(SOURCE)
    passed, counts = check(runner.instance, SILVER, "amount_not_negative")
    assert (passed, counts["failing_rows"], counts["rows_read"]) == (False, 1, 4)
    assert check(runner.instance, SILVER, "amount_type")[0]
    assert check(runner.instance, SILVER, "key_unique") == (True, {"measured": 0.0, "must": "mustBe 0"})
    for table, rows in ((SILVER, 3), (DAILY, 2), (CUSTOMER, 2)):
        passed, counts = check(runner.instance, table, "pandera")
        assert (passed, counts["rows"], counts["failing_rows"]) == (True, rows, 0)


def test_a_commit_whose_events_were_lost_is_told_by_the_next_run(runner: Runner) -> None:
    lakehouse = Lakehouse(runner.settings, runner.project)
    for table in (SOURCE, SILVER):
        run_step(lakehouse, table, run_id="killed")
    assert materialized(runner.instance, SILVER) == {}
    assert runner.increment(SOURCE).success
    assert set(materialized(runner.instance, SILVER)) == set(materialized(runner.instance, DAILY)) == {"2026-01-02", "2026-01-05"}


@pytest.mark.parametrize("stored", range(4))
def test_a_log_that_stopped_half_way_is_taken_up_where_it_stopped(runner: Runner, stored: int) -> None:
    lakehouse = Lakehouse(runner.settings, runner.project)
    for table in (SOURCE, SILVER):
        run_step(lakehouse, table, run_id="killed")
    events = [event for event in unreported(runner.instance, lakehouse, SILVER) if isinstance(event, dg.AssetMaterialization)]
    assert len(events) == 2
    for event in events[:stored]:
        runner.instance.report_runless_asset_event(event)

    snapshot = lakehouse.snapshot(SILVER)
    assert snapshot is not None
    is_whole = stored >= len(events)
    assert (reported_through(runner.instance, SILVER, snapshot.table_id) == snapshot.version) is is_whole
    assert (list(unreported(runner.instance, lakehouse, SILVER)) == []) is is_whole
    report(runner.instance, lakehouse, SILVER, runner.instance.report_runless_asset_event)
    assert set(materialized(runner.instance, SILVER)) == {"2026-01-02", "2026-01-05"}
    assert list(unreported(runner.instance, lakehouse, SILVER)) == []


def test_a_table_that_fails_leaves_those_beside_it_alone(runner: Runner) -> None:
    location = Lakehouse(runner.settings, runner.project).location(DAILY)
    runner.settings.home.joinpath("tables", "gold").mkdir(parents=True)
    # A file where the table's folder should be: nothing can be created there.
    runner.settings.home.joinpath("tables", DAILY).write_text("in the way", encoding="utf-8")
    run = runner.increment(SOURCE)
    assert not run.success
    assert set(run.failures) == {"gold__shop_daily"}
    assert location.endswith(DAILY)
    assert set(materialized(runner.instance, FACT)) == {"2026-01-02", "2026-01-05"}

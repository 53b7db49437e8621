"""The file sensor: it asks once for what has landed, and for what a killed run left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
import pytest

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.orchestration.automation import RECOMPUTED_TAG
from lakehouse_platform.orchestration.names import increment_job_name, landing_key, sensor_name
from lakehouse_platform.orchestration.runs import Runner, open_runner
from lakehouse_platform.orchestration.sensors import GROWING_SECONDS, TRIES, observe_landing
from lakehouse_platform_tests.orchestration.events import materialized
from lakehouse_platform_tests.orchestration.shop import FACT, SILVER, SOURCE, land, order


@dataclass(frozen=True)
class Tick:
    """What a tick gave. `skipped` is its reason to ask for nothing."""

    request: dg.RunRequest | None
    observations: tuple[dg.AssetObservation, ...]
    cursor: str | None
    skipped: str | None


def tick(runner: Runner, cursor: str | None = None) -> Tick:
    with dg.build_sensor_context(
        instance=runner.instance, cursor=cursor, resources={"lakehouse": Lakehouse(runner.settings, runner.project)}, definitions=runner.definitions
    ) as context:
        result = runner.definitions.resolve_sensor_def(sensor_name(SOURCE)).evaluate_tick(context)
    requests = list(result.run_requests or [])
    assert len(requests) <= 1
    observations = tuple(event for event in result.asset_events if isinstance(event, dg.AssetObservation))
    return Tick(requests[0] if requests else None, observations, result.cursor, result.skip_message)


def launch(runner: Runner, tags: Mapping[str, str]) -> dg.ExecuteInProcessResult:
    job = runner.definitions.resolve_job_def(increment_job_name(SOURCE))
    return job.execute_in_process(instance=runner.instance, tags=dict(tags), raise_on_error=False)


def test_files_are_asked_for_until_a_run_took_them_in(runner: Runner) -> None:
    asked = tick(runner)
    wanted, observation = asked.request, asked.observations[0]
    assert wanted is not None
    assert observation.asset_key == landing_key(SOURCE) and observation.metadata["files"].value == 1

    again = tick(runner, asked.cursor).request
    assert again is not None and again.run_key == wanted.run_key, "the daemon launches a run key once"
    assert launch(runner, wanted.tags).success
    assert tick(runner, asked.cursor).request is None

    land(runner.settings, "two.csv", [order(9, "2026-01-09")])
    more = tick(runner, asked.cursor).request
    assert more is not None and more.run_key != wanted.run_key


def test_a_run_from_the_command_line_leaves_nothing_to_ask_for(runner: Runner) -> None:
    assert runner.increment(SOURCE).success
    assert tick(runner).request is None


def test_nothing_is_asked_for_while_a_run_is_in_flight(runner: Runner) -> None:
    job = runner.definitions.resolve_job_def(increment_job_name(SOURCE))
    run = runner.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert tick(runner).skipped == "an increment is in flight"
    runner.instance.report_run_failed(run)
    assert tick(runner).request is not None


def test_a_fault_of_data_is_not_tried_again_until_something_changes(runner: Runner) -> None:
    assert runner.increment(SOURCE).success
    # Content changed inside a record that was taken: bronze refuses it.
    land(runner.settings, "one.csv", [order(1, "2026-01-02", "11.00")])
    wanted = tick(runner).request
    assert wanted is not None
    assert not launch(runner, wanted.tags).success
    refused = tick(runner)
    assert refused.request is None and refused.skipped is not None and "would again" in refused.skipped

    land(runner.settings, "two.csv", [order(9, "2026-01-09")])
    wanted = tick(runner).request
    assert wanted is not None, "new files are a new state"
    assert not launch(runner, wanted.tags).success, "the first file is refused still"
    assert "2026-01-09" in materialized(runner.instance, FACT), "what could be taken went on to gold"


def test_a_run_that_was_killed_is_started_three_times(runner: Runner) -> None:
    keys = set()
    for _ in range(TRIES):
        wanted = tick(runner).request
        assert wanted is not None
        keys.add(wanted.run_key)
        job = runner.definitions.resolve_job_def(increment_job_name(SOURCE))
        killed = runner.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=dict(wanted.tags))
        runner.instance.report_run_failed(killed)
    assert len(keys) == TRIES
    assert tick(runner).request is None


def test_a_mended_contract_is_a_new_state(runner: Runner) -> None:
    wanted = tick(runner).request
    assert wanted is not None
    query = runner.settings.defs_root / "shop" / "silver_shop_orders" / "transform.sql"
    query.write_text(query.read_text(encoding="utf-8").replace("product_name,", "trim(product_name) AS product_name,"), encoding="utf-8")
    with open_runner(runner.settings, instance=runner.instance) as mended:
        again = tick(mended).request
    assert again is not None and again.run_key != wanted.run_key


def test_a_commit_without_events_is_asked_for(runner: Runner) -> None:
    assert runner.increment(SOURCE).success
    run_step(Lakehouse(runner.settings, runner.project), SILVER, run_id="killed", partitions=["2026-01-02"])
    wanted = tick(runner).request
    assert wanted is not None
    asset_run = runner.instance.create_run_for_job(
        runner.definitions.resolve_implicit_global_asset_job_def(), status=dg.DagsterRunStatus.STARTED, tags={RECOMPUTED_TAG: "true"}
    )
    assert tick(runner).request is None, "a run of assets is about to tell of its commit itself"
    runner.instance.report_run_failed(asset_run)
    assert launch(runner, wanted.tags).success
    assert tick(runner).request is None


@pytest.mark.parametrize("age_seconds", [0.0, 60.0])
def test_a_file_counts_once_it_rests_or_has_long_been_growing(runner: Runner, age_seconds: float) -> None:
    lakehouse = Lakehouse(runner.settings, runner.project)
    path = land(runner.settings, "growing.csv", [order(9, "2026-01-09")], age_seconds=age_seconds)
    now = path.stat().st_mtime + age_seconds
    landing, since = observe_landing(lakehouse, SOURCE, None, now)
    if age_seconds:
        assert (landing.files, since) == (2, None)
        return
    assert (landing.files, since) == (1, now)
    path.touch()
    later = path.stat().st_mtime + 1
    assert observe_landing(lakehouse, SOURCE, later - GROWING_SECONDS, later)[0].files == 2


def test_the_cursor_is_readable(runner: Runner) -> None:
    assert set(json.loads(tick(runner).cursor or "")) == {"growing_since", "landing"}

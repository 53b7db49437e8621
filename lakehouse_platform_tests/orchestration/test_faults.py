"""Transient faults are tried again, faults of data or contract never: a place that is not there yet, a table in the way, files that are refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_platform.delta.retry import CommitRetriesExhausted
from lakehouse_platform.engine.duckdb import StorageError, memory_session
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.orchestration.faults import FAULT_TAG, RETRIES, TRANSIENT
from lakehouse_platform.orchestration.names import asset_key
from lakehouse_platform.orchestration.runs import Runner, open_runner
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform_tests.orchestration.shop import DAILY, FACT, SILVER, SOURCE, land, order, write_shop


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    """A shop with an order, whose steps wait a fifth of a second before they are tried again."""
    settings = write_shop(tmp_path).model_copy(update={"retry_seconds": 0.2})
    land(settings, "one.csv", [order(1, "2026-01-02")])
    return settings


@pytest.fixture
def runner(shop: Settings) -> Iterator[Runner]:
    with dg.DagsterInstance.ephemeral() as instance, open_runner(shop, instance=instance) as opened:
        yield opened


def unmounted(settings: Settings, table: str) -> Path:
    """Make a table's folder a link to a place that is not there, and give that place: its mount is gone."""
    place = settings.home / "mounted" / table.replace("/", "_")
    link = Path(settings.tables_root) / table
    link.parent.mkdir(parents=True)
    link.symlink_to(place, target_is_directory=True)
    return place


@contextmanager
def healed(runner: Runner, mend: Callable[[], object]) -> Iterator[None]:
    """Mend storage once the run has met its fault."""

    def heal() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not retries(runner):
            time.sleep(0.01)
        mend()

    healing = threading.Thread(target=heal)
    healing.start()
    try:
        yield
    finally:
        healing.join()


def retries(runner: Runner) -> list[str]:
    """The steps that asked for another try in the last run, in order."""
    (run, *_) = [*runner.instance.get_runs(limit=1), None]
    if run is None:
        return []
    events = runner.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    return [str(event.step_key) for event in events]


def fault(runner: Runner) -> str | None:
    """What the last run's tag says of its fault."""
    return runner.instance.get_runs(limit=1)[0].tags.get(FAULT_TAG)


def test_a_step_is_tried_again_until_storage_is_back(runner: Runner) -> None:
    place = unmounted(runner.settings, DAILY)
    with healed(runner, lambda: place.mkdir(parents=True)):
        run = runner.increment(SOURCE)
    assert run.success, run.failures
    assert 1 <= len(retries(runner)) <= RETRIES
    assert set(retries(runner)) == {"gold__shop_daily"}
    assert (place / "_delta_log").is_dir()
    told = [entry.user_message for entry in runner.instance.all_logs(run.run_id) if "again in" in entry.user_message]
    assert len(told) == len(retries(runner)) and told[0].startswith("try 1 of 4 failed")


def test_storage_that_stays_away_fails_the_step_after_three_more_tries(runner: Runner) -> None:
    unmounted(runner.settings, DAILY)
    run = runner.increment(SOURCE)
    assert retries(runner) == ["gold__shop_daily"] * RETRIES
    assert set(run.failures) == {"gold__shop_daily"} and DAILY in run.failures["gold__shop_daily"]
    assert fault(runner) is None
    assert Lakehouse(runner.settings, runner.project).snapshot(FACT) is not None


def test_a_partition_run_is_tried_again_too(runner: Runner) -> None:
    assert runner.increment(SOURCE).success
    table = Path(runner.settings.tables_root) / SILVER
    place = table.rename(runner.settings.home / "unmounted").with_name("mounted")
    table.symlink_to(place, target_is_directory=True)
    with healed(runner, lambda: place.with_name("unmounted").rename(place)):
        runs = runner.partitions([SILVER], ["2026-01-02"])
    assert runs[0].success, runs[0].failures
    assert set(retries(runner)) == {asset_key(SILVER).to_python_identifier()}


def test_a_fault_of_data_is_not_tried_again(runner: Runner) -> None:
    assert runner.increment(SOURCE).success
    land(runner.settings, "one.csv", [order(1, "2026-01-02", "11.00")])
    run = runner.increment(SOURCE)
    assert set(run.failures) == {"bronze__shop_orders__refused"}
    assert "was taken already" in run.failures["bronze__shop_orders__refused"]
    assert (retries(runner), fault(runner)) == ([], "data")


def test_partitions_of_what_was_never_ingested_are_not_tried_again(runner: Runner) -> None:
    run = runner.partitions([SILVER], ["2026-01-02"])[0]
    assert "ingest it before" in next(iter(run.failures.values()))
    assert (retries(runner), fault(runner)) == ([], "data")


def test_errors_are_told_apart_by_their_type() -> None:
    with memory_session() as session, pytest.raises(StorageError) as raised:
        session.rows("SELECT * FROM read_parquet('/nowhere/at/all.parquet')")
    assert isinstance(raised.value, TRANSIENT)
    assert issubclass(CommitRetriesExhausted, TRANSIENT)
    assert issubclass(PermissionError, TRANSIENT)
    assert not issubclass(LakehouseError, TRANSIENT)

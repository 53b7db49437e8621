"""A blocked batch in Dagster: the run fails and says why, what is downstream goes on, the check says since when, a ruling is a run of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import Ruling
from lakehouse_platform.orchestration.rulings import RULING_TAG
from lakehouse_platform.orchestration.runs import Run, Runner, open_runner
from lakehouse_platform_tests.orchestration.events import check, materialized
from lakehouse_platform_tests.orchestration.shop import DAILY, SILVER, SOURCE, land, order, write_shop

BLOCKED = "silver__shop_orders__blocked"


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """A shop whose silver table is judged from four rows on; three good orders are in it, and five of which four are bad have landed."""
    settings = write_shop(tmp_path)
    defs = tmp_path / "project" / "defs" / "shop" / "silver_shop_orders" / "defs.yaml"
    defs.write_text(defs.read_text(encoding="utf-8") + "  gate: {minimum_rows: 4}\n", encoding="utf-8")
    land(settings, "one.csv", [order(number, "2026-01-02") for number in range(3)])
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as opened:
        assert opened.increment(SOURCE).success
        land(settings, "two.csv", [order(10, "2026-01-03"), *(order(number, "2026-01-03", "-1.00") for number in range(11, 15))])
        yield opened


def batch_of(runner: Runner, run: Run) -> str:
    passed, metadata = check(runner.instance, SILVER, "gate")
    assert not passed
    batch: str = metadata["batch_id"]
    assert batch[:12] in run.failures[BLOCKED]
    return batch


def rows(runner: Runner, table: str) -> int:
    snapshot = Lakehouse(runner.settings, runner.project).snapshot(table)
    return 0 if snapshot is None else snapshot.rows


def test_a_blocked_batch_fails_the_run_and_holds_up_nothing_else(runner: Runner) -> None:
    run = runner.increment(SOURCE)
    assert not run.success
    assert set(run.failures) == {BLOCKED}
    assert "20.00 % of 5 rows are valid, below 70.00 %" in run.failures[BLOCKED]
    assert run.results[DAILY].record is None
    assert (rows(runner, SILVER), rows(runner, DAILY)) == (3, 1)
    assert set(materialized(runner.instance, SILVER)) == {"2026-01-02"}
    _, metadata = check(runner.instance, SILVER, "gate")
    assert (metadata["rows_read"], metadata["failing_rows"], metadata["share"]) == (5, 4, 0.2)
    assert metadata["blocked_since"].startswith("20")
    # A fault of data: no sensor starts it again by itself.
    (stored,) = runner.instance.get_runs(dg.RunsFilter(run_ids=[run.run_id]))
    assert stored.tags["lakehouse/fault"] == "data"


@pytest.mark.parametrize(("state", "days"), [("released", {"2026-01-02", "2026-01-03"}), ("rejected", {"2026-01-02"})])
def test_a_ruling_is_a_run_that_goes_on_downstream(runner: Runner, state: str, days: set[str]) -> None:
    batch = batch_of(runner, runner.increment(SOURCE))
    land(runner.settings, "three.csv", [order(20, "2026-01-04")])
    run = runner.settle(SILVER, Ruling.model_validate({"batch_id": batch, "state": state, "reason": "seen"}))
    assert run.success, run.failures
    assert SOURCE not in run.results
    for table in (SILVER, DAILY):
        assert set(materialized(runner.instance, table)) == days
    passed, metadata = check(runner.instance, SILVER, "gate")
    assert (passed, metadata[state], metadata["failing_rows"]) == (state == "released", "seen", 0 if state == "released" else 1)
    (stored,) = runner.instance.get_runs(dg.RunsFilter(run_ids=[run.run_id]))
    assert batch in stored.tags[RULING_TAG]

    assert runner.increment(SOURCE).success
    assert set(materialized(runner.instance, DAILY)) == {*days, "2026-01-04"}
    assert check(runner.instance, SILVER, "gate")[0]


def test_an_assets_run_by_hand_tells_of_the_block_too(tmp_path: Path) -> None:
    settings = write_shop(tmp_path)
    folder = tmp_path / "project" / "defs" / "shop" / "silver_shop_orders"
    (folder / "defs.yaml").write_text(
        "type: lakehouse_platform.Table\nattributes: {table: silver/shop_orders, refresh: append, gate: {minimum_rows: 1}}\n"
    )
    contract = (folder / "contract.yaml").read_text(encoding="utf-8")
    (folder / "contract.yaml").write_text(contract.replace(", partitioned: true, partitionKeyPosition: 1", ""), encoding="utf-8")
    for name in ("gold_shop_daily", "gold_shop_fact", "gold_dim_shop_product", "gold_shop_customer"):
        (folder.parent / name / "defs.yaml").unlink()
        (folder.parent / name / "contract.yaml").unlink()
        (folder.parent / name / "transform.sql").unlink()
    land(settings, "one.csv", [order(1, "2026-01-02", "-1.00")])
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as runner:
        run = runner.partitions([SILVER])[0]
        assert not run.success
        runner.increment(SOURCE)
        run = runner.partitions([SILVER])[0]
        assert "is blocked since" in run.failures["silver__shop_orders"]
        assert not check(instance, SILVER, "gate")[0]

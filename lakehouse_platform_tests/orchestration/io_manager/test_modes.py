"""How a table is written: whole, appended to once, upserted, with new columns; and what stands in the way of it."""

# Annotations are not postponed here: Dagster looks at those of assets itself.

import importlib
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest

from lakehouse_platform.delta import commit as commits
from lakehouse_platform.orchestration.io_manager import DeltaIOManager
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.orchestration.io_manager import stored
from lakehouse_platform_tests.orchestration.io_manager.assets import asset, days, materialization, run
from lakehouse_platform_tests.orchestration.io_manager.test_fourteen import CONFIGURATION, REGIONS


def frame(**columns: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(columns)


def test_without_partitions_a_run_writes_the_whole_table(here: DeltaIOManager) -> None:
    given = [frame(id=[1, 2], v=["a", "b"]), frame(id=[3], v=["c"])]
    sales = asset("sales", lambda _: given.pop(0))
    run(here, [sales])
    told = materialization(run(here, [sales]), "sales")
    assert stored.rows() == [(3, "c")]
    assert (told["rows_added"], told["rows_removed"], told["dagster/row_count"]) == (1, 2, 1)


def test_an_upsert_gives_each_key_its_row(here: DeltaIOManager) -> None:
    given = [frame(id=[1, 2], v=["a", "b"]), frame(id=[2, 3], v=["B", "c"]), frame(id=[4, 4], v=["x", "y"])]
    sales = asset("sales", lambda _: given.pop(0), mode="upsert", key="id")
    run(here, [sales])
    run(here, [sales])
    assert stored.rows() == [(1, "a"), (2, "B"), (3, "c")]
    with pytest.raises(LakehouseError, match="4"):
        run(here, [sales])
    assert stored.count() == 3


class FailsAfterWriting(DeltaIOManager):
    """Fails once the rows are committed, as a process that is killed there does."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        super().handle_output(context, obj)
        if context.step_context.previous_attempt_count == 0:
            raise OSError("gone")


def test_a_step_that_is_tried_again_appends_once(here: DeltaIOManager) -> None:
    @dg.asset(key=["shop", "sales"], metadata={"mode": "append"}, retry_policy=dg.RetryPolicy(max_retries=1))
    def sales() -> pl.DataFrame:
        return frame(id=[1])

    assert run(FailsAfterWriting(), [sales]).success
    assert stored.rows() == [(1,)]


def test_a_run_that_repeats_another_for_another_partition_appends_that_one(here: DeltaIOManager, instance: dg.DagsterInstance) -> None:
    @dg.asset(key=["shop", "sales"], partitions_def=dg.DailyPartitionsDefinition("2026-01-01"), metadata={"mode": "append", "partition_expr": "day"})
    def sales(context: dg.AssetExecutionContext) -> pa.Table:
        return pa.table({"day": [date.fromisoformat(context.partition_key)]})

    def run(day: str, **tags: str) -> str:
        return dg.materialize([sales], instance=instance, resources={"io_manager": here}, partition_key=day, tags=tags).run_id

    root = {"dagster/root_run_id": run("2026-01-05")}
    run("2026-01-06", **root)
    run("2026-01-05", **root)
    run("2026-01-06", **root)
    assert stored.rows() == [(date(2026, 1, 5),), (date(2026, 1, 6),)]


def test_rows_with_an_id_of_their_own_are_appended_once_whichever_run_brings_them(here: DeltaIOManager) -> None:
    ids = iter(["one.csv", "one.csv", "two.csv"])

    @dg.asset(key=["shop", "sales"], metadata={"mode": "append"})
    def sales() -> dg.Output[pl.DataFrame]:
        return dg.Output(frame(id=[1]), metadata={"transaction_id": next(ids)})

    counts = [(run(here, [sales]), stored.count())[1] for _ in range(3)]
    assert counts == [1, 1, 2]


def test_new_columns_are_an_error_until_the_asset_asks_for_them(here: DeltaIOManager) -> None:
    run(here, [asset("sales", lambda _: days(["ap"]), REGIONS, partition_expr="day")], "ap")
    wider = lambda keys: days(keys).append_column("extra", [list(range(3))])  # noqa: E731
    with pytest.raises(LakehouseError, match="extra"):
        run(here, [asset("sales", wider, REGIONS, partition_expr="day")], "eu")
    run(here, [asset("sales", wider, REGIONS, partition_expr="day", evolve=True)], "eu")
    assert [field.name for field in stored.snapshot().columns] == ["day", "value", "extra"]
    with pytest.raises(LakehouseError, match="its rows lack extra, which its table has"):
        run(here, [asset("sales", days, REGIONS, partition_expr="day")], "us")
    run(here, [asset("sales", days, REGIONS, partition_expr="day", evolve=True)], "us")
    assert [row[2] for row in stored.rows()] == [None] * 3 + [0, 1, 2] + [None] * 3


def test_another_type_is_refused_by_name_and_a_whole_table_may_have_others(here: DeltaIOManager) -> None:
    run(here, [asset("sales", lambda _: frame(id=[1], v=["a"]))])
    with pytest.raises(LakehouseError, match="column 'v' is STRING in the table and BIGINT in the rows"):
        run(here, [asset("sales", lambda _: frame(id=[1], v=[7]))])
    run(here, [asset("sales", lambda _: frame(v=[7]), evolve=True)])
    assert stored.rows() == [(7,)]


def test_configuration_that_the_table_does_not_have_is_an_error(here: DeltaIOManager) -> None:
    run(here, [asset("sales", lambda _: days(["eu"]))])
    with pytest.raises(LakehouseError, match=r"delta.deletedFileRetentionDuration is to be interval 30 days, and its table at .* lacks it"):
        run(here, [asset("sales", lambda _: days(["eu"]), table_config=CONFIGURATION)])


def test_a_commit_that_lost_its_race_is_derived_anew(here: DeltaIOManager, monkeypatch: pytest.MonkeyPatch) -> None:
    run(here, [asset("sales", days, REGIONS, partition_expr="day")], "ap")
    raced = threading.Event()
    genuine = commits.commit

    def overtaken(*arguments: Any, **options: Any) -> int:
        if not raced.is_set():
            raced.set()
            run(here, [asset("sales", days, REGIONS, partition_expr="day")], "us")
        return genuine(*arguments, **options)

    monkeypatch.setattr("lakehouse_platform.writes.committing.commit", overtaken)
    run(here, [asset("sales", days, REGIONS, partition_expr="day")], "eu")
    assert sorted({row[0] for row in stored.rows()}) == ["ap", "eu", "us"]
    assert (stored.count(), stored.snapshot().version) == (9, 2)


def test_a_table_may_lie_elsewhere(here: DeltaIOManager, tmp_path: Path) -> None:
    run(here, [asset("sales", lambda _: frame(id=[1]), location=str(tmp_path / "elsewhere"))])
    run(DeltaIOManager(root_uri=str(tmp_path / "root")), [asset("sales", lambda _: frame(id=[1]))])
    assert (tmp_path / "elsewhere" / "_delta_log").is_dir() and (tmp_path / "root" / "shop" / "sales" / "_delta_log").is_dir()


@pytest.fixture(params=[{"mode": "merge"}, {"mode": "upsert"}, {"key": "id"}, {"merge_key": "id"}, {"partition_column": "day"}])
def mistaken(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    yield request.param


def test_mistakes_in_the_metadata_are_told(here: DeltaIOManager, mistaken: dict[str, Any]) -> None:
    with pytest.raises(LakehouseError, match=r"the metadata of shop/sales: .*(mode|key|partition_expr)"):
        run(here, [asset("sales", lambda _: frame(id=[1]), **mistaken)])


def test_names_of_the_platforms_own_tables_are_refused(here: DeltaIOManager) -> None:
    @dg.asset(key=["silver", "orders__quarantine"])
    def quarantine() -> pl.DataFrame:
        return frame(id=[1])

    with pytest.raises(LakehouseError, match="tables of that name are the platform's own"):
        run(here, [quarantine])


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dagster_deltalake", "dagster_deltalake.config"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "lakehouse_platform.orchestration.io_manager")
    with pytest.raises(ImportError, match=r"pip install 'lakehouse-platform\[io-manager\]'"):
        importlib.import_module("lakehouse_platform.orchestration.io_manager")

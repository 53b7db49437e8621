"""What the shipped products are in Dagster, and how their definitions load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_platform.orchestration.build import build_definitions
from lakehouse_platform.orchestration.components import Source, Table
from lakehouse_platform.problems import ProjectError
from lakehouse_platform.settings import Settings
from lakehouse_platform_tests.orchestration.shop import write_shop

ASSETS = {
    "landing": ["activity_events", "airport_changes", "retail_transactions", "sensor_readings"],
    "bronze": ["activity_events", "airport_changes", "retail_transactions", "sensor_readings"],
    "silver": ["airports", "order_lines", "sensor_readings", "user_events"],
    "gold": [
        *("customer_value", "daily_sales", "daily_user_aggregates", "dim_airport", "dim_customer", "dim_date", "dim_product", "dim_user"),
        *("fact_sales", "sensor_hourly"),
    ],
}
SOURCES = ASSETS["bronze"]
PARTITIONED = {"silver/order_lines", "silver/sensor_readings", "silver/user_events", "gold/daily_sales", "gold/daily_user_aggregates"} | {
    "gold/fact_sales",
    "gold/sensor_hourly",
}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(Settings(home=tmp_path_factory.mktemp("home"), project=None))


def spec(definitions: dg.Definitions, key: str) -> dg.AssetSpec:
    return next(spec for spec in definitions.resolve_all_asset_specs() if spec.key.to_user_string() == key)


def test_every_table_is_an_asset_with_its_layer_first(shipped: dg.Definitions) -> None:
    keys = sorted(key.to_user_string() for key in shipped.resolve_all_asset_keys())
    assert keys == sorted(f"{layer}/{name}" for layer, names in ASSETS.items() for name in names)


def test_jobs_and_sensors(shipped: dg.Definitions) -> None:
    repository = shipped.get_repository_def()
    jobs = {job.name for job in shipped.resolve_all_job_defs()} - {"__ASSET_JOB"}
    assert jobs == {"daily", "maintain", *(f"increment_{source}" for source in SOURCES)}
    assert {(schedule.name, schedule.cron_schedule, schedule.default_status) for schedule in repository.schedule_defs} == {
        ("daily", "0 3 * * *", dg.DefaultScheduleStatus.RUNNING),
        ("maintain", "0 4 * * *", dg.DefaultScheduleStatus.RUNNING),
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {"automation", "maintenance_due", *(f"{source}_files" for source in SOURCES)}
    assert {sensor.default_status for sensor in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}


def test_partitioned_tables_backfill_in_one_run(shipped: dg.Definitions) -> None:
    graph = shipped.resolve_asset_graph()
    partitioned = {key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).partitions_def is not None}
    assert partitioned == PARTITIONED
    assert {graph.get(dg.AssetKey(name.split("/"))).backfill_policy for name in partitioned} == {dg.BackfillPolicy.single_run()}


def test_an_asset_says_what_an_engineer_looks_for(shipped: dg.Definitions) -> None:
    lines = spec(shipped, "silver/order_lines")
    assert (lines.group_name, lines.owners, lines.tags["domain"]) == ("silver", ["team:retail"], "retail")
    assert {"deltalake", "duckdb"} <= lines.kinds
    assert lines.code_version and lines.description
    assert isinstance(lines.freshness_policy, dg.FreshnessPolicy)
    schema = lines.metadata["dagster/column_schema"]
    price = next(column for column in schema.columns if column.name == "unit_price")
    assert (price.type, price.constraints.nullable) == ("DECIMAL(18,3)", False)
    assert next(column for column in schema.columns if column.name == "customer_id").tags == {"classification": "pii", "key": ""}
    lineage = spec(shipped, "gold/daily_sales").metadata["dagster/column_lineage"]
    assert dg.TableColumnDep(dg.AssetKey(["silver", "order_lines"]), "country") in lineage.deps_by_column["country"]


def test_rules_are_checks_and_only_what_judges_the_committed_table_blocks(shipped: dg.Definitions) -> None:
    graph = shipped.resolve_asset_graph()
    lines = {key.name: graph.get_check_spec(key) for key in graph.asset_check_keys if key.asset_key.path == ["silver", "order_lines"]}
    assert {"price_not_negative", "unit_price_type", "unit_price_required", "country_known", "key_unique", "has_rows", "pandera", "decoding"} <= set(
        lines
    )
    assert {name for name, check in lines.items() if check.blocking} == {"key_unique", "has_rows", "pandera"}


def test_every_table_has_a_pool_of_its_own(shipped: dg.Definitions) -> None:
    pools = [
        pool for job in shipped.resolve_all_job_defs() if job.name.startswith("increment_") for node in job.nodes for pool in node.definition.pools
    ]
    assert len(pools) == len(set(pools)) == sum(len(ASSETS[layer]) for layer in ("bronze", "silver", "gold")) - 1  # dim_date reads no source
    assert "delta__silver__order_lines" in pools


def test_a_table_without_inputs_is_made_once(shipped: dg.Definitions) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        calendar = dg.AssetKey(["gold", "dim_date"])
        first = dg.evaluate_automation_conditions(defs=shipped, instance=instance)
        assert first.get_num_requested(calendar) == first.total_requested == 1
        instance.report_runless_asset_event(dg.AssetMaterialization(calendar))
        assert dg.evaluate_automation_conditions(defs=shipped, instance=instance, cursor=first.cursor).total_requested == 0


def test_loading_needs_nothing_of_what_only_some_runs_use() -> None:
    """How long loading takes is measured in benchmarks; what would make it long is not there."""
    heavy = {"pandera", "pandas", "polars", "obstore", "fsspec", "dagster_deltalake"}
    code = f"import sys; from lakehouse_platform.definitions import defs; defs(); print(*{heavy} & {{*sys.modules}})"
    assert not subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def test_a_users_project_loads_from_its_own_folder(tmp_path: Path) -> None:
    settings = write_shop(tmp_path)
    extra = settings.defs_root / "extra"
    extra.mkdir()
    (extra / "report.py").write_text(
        "import dagster as dg\n\n@dg.asset(deps=[dg.AssetKey(['gold', 'shop_daily'])])\ndef report() -> None: ...\n", encoding="utf-8"
    )
    keys = {key.to_user_string() for key in build_definitions(settings).resolve_all_asset_keys()}
    assert {"silver/shop_orders", "gold/shop_daily", "landing/shop_orders", "report"} <= keys


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    settings = write_shop(tmp_path)
    shop = settings.defs_root / "shop"
    query = shop / "gold_shop_daily" / "transform.sql"
    query.write_text(query.read_text(encoding="utf-8").replace("sum(amount)", "sum(amout)"), encoding="utf-8")
    defs = shop / "silver_shop_orders" / "defs.yaml"
    defs.write_text(defs.read_text(encoding="utf-8").replace("refresh: upsert", "refresh: upset"), encoding="utf-8")
    (shop / "bronze_shop_orders" / "defs.yaml").write_text("type: lakehouse_platform.Source\nattributes: {table: bronze/x}\n", encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        build_definitions(settings)
    assert {problem.path.parent.name for problem in caught.value.problems} >= {"silver_shop_orders", "bronze_shop_orders"}
    assert all(problem.line > 0 and problem.mend for problem in caught.value.problems)


def test_the_editors_schema_is_the_attributes_own_model() -> None:
    table, source = Table.get_model_cls().model_json_schema(), Source.get_model_cls().model_json_schema()
    assert {"table", "refresh", "partitions", "sequence_by"} <= set(table["properties"])
    assert {"table", "files", "changes"} <= set(source["properties"])
    assert all(entry.get("description") for schema in (table, source) for entry in schema["properties"].values())

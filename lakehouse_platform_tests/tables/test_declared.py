"""Tables that a project's tables.py declares: the same project as by folders, once in Dagster, each mistake with its file and line."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from lakehouse_platform import table
from lakehouse_platform.cli.app import app
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.orchestration.names import asset_key
from lakehouse_platform.orchestration.runs import open_runner
from lakehouse_platform.problems import LakehouseError, Problem, ProjectError
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.orchestration.shop import DAILY, land, order, write_shop

TABLES = '''"""What the shop's analysts want to know."""

from .contracts import contract
from lakehouse_platform import source, table

QUERY = """
SELECT order_date, product, count(*) AS orders
FROM silver.shop_orders
GROUP BY order_date, product
"""

source("bronze/returns", files={"path": "returns/*.csv", "format": "csv"}, owner="team:shop")
table(
    "silver/returns",
    refresh="append",
    contract="returns.yaml",
    query="SELECT order_id, amount FROM bronze.returns",
)
for name in ("product", "again"):
    table(
        name=f"gold/daily_{name}",
        refresh="replace_partitions",
        partitions={"grain": "day", "start": "2026-01-01", "end": "2026-03-31"},
        contract=contract(f"daily_{name}"),
        query=QUERY,
    )
'''
CONTRACTS = """
def contract(name):
    day = {"name": "order_date", "logicalType": "date", "required": True, "partitioned": True, "primaryKey": True, "primaryKeyPosition": 1}
    product = {"name": "product", "logicalType": "string", "required": True, "primaryKey": True, "primaryKeyPosition": 2}
    orders = {"name": "orders", "logicalType": "integer", "physicalType": "BIGINT", "required": True}
    head = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": f"gold.{name}", "version": "1.0.0", "status": "active"}
    return {**head, "schema": [{"name": name, "properties": [day, product, orders]}]}
"""
RETURNS = """
apiVersion: v3.1.0
kind: DataContract
id: silver.returns
version: 1.0.0
status: active
schema:
  - name: returns
    properties:
      - {name: order_id, logicalType: string, required: true}
      - {name: amount, logicalType: number, physicalType: "DECIMAL(10,2)"}
      - {name: processed_timestamp, logicalType: timestamp, required: true}
      - {name: data_quality_score, logicalType: number, required: true}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The shop, whose analysts have a file of their own."""
    settings = write_shop(tmp_path)
    analysts = settings.defs_root / "analysts"
    analysts.mkdir()
    (analysts / "tables.py").write_text(TABLES, encoding="utf-8")
    (analysts / "contracts.py").write_text(CONTRACTS, encoding="utf-8")
    (analysts / "returns.yaml").write_text(RETURNS, encoding="utf-8")
    land(settings, "one.csv", [order(1, "2026-01-02"), order(2, "2026-01-02"), order(3, "2026-01-05")])
    (settings.landing / "returns").mkdir()
    (settings.landing / "returns" / "one.csv").write_text("order_id,amount\no1,2.50\n", encoding="utf-8")
    return settings


def test_declared_tables_are_tables_like_all_others(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as runner:
        keys = [key for asset in runner.definitions.assets or () if isinstance(asset, dg.AssetsDefinition) for key in asset.keys]
        assert sorted(keys) == sorted(set(keys)), "each table is one asset"
        assert {asset_key(name) for name in ("bronze/returns", "silver/returns", "gold/daily_product", "gold/daily_again", DAILY)} <= set(keys)
        for source in ("bronze/shop_orders", "bronze/returns"):
            assert runner.increment(source).success
        land(settings, "two.csv", [order(4, "2026-01-05")])
        done = runner.increment("bronze/shop_orders")
        record = done.results["gold/daily_product"].record
        assert record is not None
        assert (record.step, dict(record.partitions)) == ("increment", {"2026-01-05": 2})
        assert [run.success for run in runner.partitions(["gold/daily_again"], ["2026-01-02"])] == [True]

    monkeypatch.setenv("LAKEHOUSE_PROJECT", "")
    runner_of_commands = CliRunner(env={"LAKEHOUSE_HOME": str(settings.home)})
    rows = {}
    for command in (("tables",), ("check", "silver/returns"), ("lineage", "gold/daily_again.orders")):
        shown = runner_of_commands.invoke(app, ["--project", str(settings.project), *command, "--format", "json"])
        assert shown.exit_code == 0, shown.output
        rows[command[0]] = json.loads(shown.stdout)
    assert {row["table"]: row["rows"] for row in rows["tables"]}["gold/daily_again"] == 4
    assert {row["status"] for row in rows["check"]} == {"passed"}


def test_a_changed_file_counts_at_the_next_load(settings: Settings) -> None:
    path = settings.defs_root / "analysts" / "contracts.py"
    before = load_project(settings.defs_root).tables["gold/daily_product"]
    path.write_text(CONTRACTS.replace('"status": "active"', '"status": "deprecated"'), encoding="utf-8")
    assert (before.contract.status, load_project(settings.defs_root).tables["gold/daily_product"].contract.status) == ("active", "deprecated")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("FROM silver.shop_orders", "FROM silver.shop_orderz", 8, "there is no table silver.shop_orderz"),
        ("count(*) AS orders", "frobnicate(product) AS orders", 7, "frobnicate"),
        ("order_id, amount FROM", "order_id FROM", 14, "the query gives no column amount"),
        ('"append"', '"sometimes"', 15, "refresh"),
        ('"path": "returns/*.csv"', '"path": "../*.csv"', 12, "leaves the landing folder"),
        ("name=f", "colour=1, name=f", 21, "colour"),
        ('contract="returns.yaml"', 'contract="nowhere.yaml"', 16, "nowhere.yaml is missing"),
        ("for name in", "for name on", 19, "SyntaxError"),
        ("from lakehouse_platform import source, table", "import frobnicate", 4, "ModuleNotFoundError"),
        ('"silver/returns"', '"silver/shop_orders"', 13, "silver/shop_orders is already defined"),
    ],
)
def test_a_mistake_is_told_with_its_line(settings: Settings, old: str, new: str, line: int, message: str) -> None:
    path = settings.defs_root / "analysts" / "tables.py"
    assert old in TABLES
    path.write_text(TABLES.replace(old, new), encoding="utf-8")
    with pytest.raises(ProjectError) as raised:
        load_project(settings.defs_root)
    told = [problem for problem in raised.value.problems if message.lower() in problem.message.lower()]
    assert told, raised.value
    problem: Problem = told[0]
    assert problem.path == path or problem.path.name == "returns.yaml"
    assert problem.path != path or problem.line == line
    assert problem.mend


def test_a_mistake_in_a_contract_given_as_values_stands_at_the_call(settings: Settings) -> None:
    contracts = settings.defs_root / "analysts" / "contracts.py"
    contracts.write_text(CONTRACTS.replace('"logicalType": "integer"', '"logicalType": "colour"'), encoding="utf-8")
    with pytest.raises(ProjectError) as raised:
        load_project(settings.defs_root)
    (problem,) = raised.value.problems
    assert (problem.path.name, problem.line) == ("tables.py", TABLES.splitlines().index('        contract=contract(f"daily_{name}"),') + 1)


def test_outside_a_projects_file_nothing_would_know_of_the_table() -> None:
    with pytest.raises(LakehouseError, match=r"tables\.py"):
        table("gold/nothing", contract={}, query="SELECT 1 AS n", refresh="replace")


def test_the_lakehouse_is_the_same_by_folders(settings: Settings) -> None:
    project = load_project(settings.defs_root)
    assert project.declared == ("bronze/returns", "silver/returns", "gold/daily_product", "gold/daily_again")
    assert Lakehouse(settings, project).location("silver/returns").endswith("tables/silver/returns")
    assert project.tables["silver/returns"].folder.name == "silver_returns"

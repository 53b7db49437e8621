"""Commands that run something: nothing new changes nothing, partitions are recomputed, and each mistake has its exit code and a clear text."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lakehouse_platform.cli import main
from lakehouse_platform.cli.app import app
from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.cli.runs import _selected
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.orchestration.shop import land, order, write_shop

Run = Callable[..., Result]
RunJson = Callable[..., Any]


def test_started_again_nothing_is_new(run_json: RunJson) -> None:
    assert run_json("materialize", "*") == []


def test_what_is_new_ends_with_the_checks_that_did_not_pass(tmp_path: Path, in_memory: None) -> None:
    settings = write_shop(tmp_path)
    land(settings, "one.csv", [order(1, "2026-01-02"), order(2, "2026-01-02", "-1.00"), order(3, "2026-01-02", "2000.00")])
    runner = CliRunner(env={"LAKEHOUSE_HOME": str(settings.home), "LAKEHOUSE_PROJECT": str(settings.project)})
    done = runner.invoke(app, ["materialize", "bronze/shop_orders"])
    assert done.exit_code == 0, done.output
    told = done.stderr.partition("Checks that did not pass")[2].splitlines()[1:]
    assert told == ["  silver/shop_orders amount_not_negative rejected rows: 1", "  silver/shop_orders amount_not_huge warned: 1"]
    again = runner.invoke(app, ["materialize", "bronze/shop_orders"])
    assert "Nothing is new." in again.stdout
    assert "Checks" not in again.stderr


def test_a_partition_can_be_recomputed(run_json: RunJson) -> None:
    (row,) = run_json("materialize", "gold/daily_sales", "--partition", "2010-12-01")
    assert (row["table"], row["step"], row["partitions"]) == ("gold/daily_sales", "backfill", 1)


def test_what_is_missing_is_computed_once(run: Run, run_json: RunJson) -> None:
    missing = ("materialize", "gold/daily_sales", "--from", "2010-12-01", "--to", "2010-12-04", "--missing")
    (row,) = run_json(*missing)
    assert (row["table"], row["step"], row["partitions"]) == ("gold/daily_sales", "backfill", 3)
    assert run_json(*missing) == []
    done = run("materialize", "gold/daily_sales", "--failed")
    assert done.exit_code == ExitCode.OK
    assert "No partition's last attempt failed" in done.stderr


def test_a_partition_that_does_not_exist_ends_with_1(run: Run) -> None:
    done = run("materialize", "gold/daily_sales", "--partition", "2010-11-30")
    assert done.exit_code == ExitCode.FAILED
    assert "no partition 2010-11-30: they go from 2010-12-01" in str(done.exception)


def test_everything_with_partitions_is_every_table_that_has_some(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    names = _selected(lakehouse, "*", only_partitioned=True)
    assert {"silver/order_lines", "gold/daily_sales"} <= set(names)
    assert not {"bronze/retail_transactions", "silver/airports", "gold/dim_date"} & set(names)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("materialize", "gold/nothing"), "gold/daily_sales"),
        (("materialize", "gold/daily_sales", "--partition", "2010-12-01", "--from", "2010-12-01"), "either"),
        (("materialize", "gold/daily_sales", "--from", "2010-12-02", "--to", "2010-12-01"), "after --to"),
        (("materialize", "gold/daily_sales", "--missing", "--failed"), "either --missing or --failed"),
        (("materialize", "gold/daily_sales", "--from", "2010-12-01-05:30"), "YYYY-MM-DD-HH:00"),
        (("materialize", "gold/customer_value", "--missing"), "no partitions"),
        (("materialize", "gold/daily_sales", "--partition", "2010-13-01"), "YYYY-MM-DD"),
        (("materialize", "gold/customer_value", "--partition", "2010-12-01"), "no partitions"),
        (("materialize", "bronze/retail_transactions", "--partition", "2010-12-01"), "files are read once"),
        (("accounts", "gold/daily_sales"), "silver/order_lines"),
        (("lineage", "gold/daily_sales.colour"), "net_revenue"),
        (("query", "SELECT * FROM gold.nothing"), "gold.nothing"),
        (("query", "SELEC 1"), "line 1"),
        (("query", "SELECT frobnicate(1) AS x FROM gold.dim_date"), "frobnicate"),
        (("query", "SELECT colour FROM gold.dim_date"), "colour"),
        (("query", "SELECT * FROM daily_sales"), "did you mean gold.daily_sales?"),
        (("query", "SELECT * FROM gold.daily_salez"), "did you mean gold.daily_sales?"),
        (("query", "SELECT * FROM frobnicate"), "`lakehouse tables` shows what there is"),
        (("query", "show tables"), "SHOW is no SELECT: `lakehouse tables`"),
        (("query", "DELETE FROM gold.daily_sales"), "queries only read"),
        (("query", "SELECT year FROM gold.dim_date WHERE"), "WHERE is not complete"),
    ],
)
def test_a_mistake_in_the_command_is_told_and_ends_with_2(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == ExitCode.USAGE, done.output
    # The frame around a mistake breaks its lines where the text, paths among it, happens to reach the edge.
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.output


def test_a_setting_that_is_no_number_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_THREADS", "many")
    done = run("tables")
    assert done.exit_code == ExitCode.USAGE
    assert "LAKEHOUSE_THREADS" in done.stderr


def test_a_query_that_fails_on_a_row_ends_with_1(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Path(next(row for row in run("tables", "--format", "json").stdout.split('"') if row.endswith("/tables/gold/dim_date"))).parents[2]
    monkeypatch.setenv("LAKEHOUSE_HOME", str(home))
    monkeypatch.setattr(sys, "argv", ["lakehouse", "query", "SELECT 1 / (year - year) AS x FROM gold.dim_date"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.FAILED
    assert capsys.readouterr().err.startswith("Failed: a division by zero: write try_divide")


def test_mistakes_of_a_project_are_listed_and_end_with_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "defs" / "silver_orders"
    folder.mkdir(parents=True)
    (folder / "defs.yaml").write_text("type: lakehouse_platform.Table\nattributes:\n  table: silver/orders\n  refresh: sometimes\n")
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["lakehouse", "--project", str(tmp_path), "tables"])
    # The option sets the variable for the processes that it starts; set here first, it is taken back after the test.
    monkeypatch.setenv("LAKEHOUSE_PROJECT", "")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.PROJECT
    assert f"{folder / 'defs.yaml'}:4" in capsys.readouterr().err


def test_help_loads_no_engine() -> None:
    program = "import sys, lakehouse_platform.cli.app; print([name for name in ('dagster', 'duckdb', 'deltalake', 'pyarrow') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SOURCE = "type: lakehouse_platform.Source\nattributes:\n  table: bronze/orders\n  files: {path: orders/*.csv, format: csv}\n"
TABLE = "type: lakehouse_platform.Table\nattributes:\n  table: silver/orders\n  refresh: upsert\n"
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: silver.orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: processed_timestamp, logicalType: timestamp, required: true}
      - {name: data_quality_score, logicalType: number, required: true}
    quality:
      - {id: enough_rows, type: library, metric: rowCount, severity: error, mustBeGreaterThan: 100}
"""


def test_a_failed_check_of_ones_own_project_ends_with_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "project/defs/bronze_orders/defs.yaml": SOURCE,
        "project/defs/silver_orders/defs.yaml": TABLE,
        "project/defs/silver_orders/contract.yaml": CONTRACT,
        "project/defs/silver_orders/transform.sql": "SELECT id FROM bronze.orders",
        "home/landing/orders/one.csv": "id\n1\n2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    settings = Settings(home=tmp_path / "home", project=tmp_path / "project")
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    for table in ("bronze/orders", "silver/orders"):
        run_step(lakehouse, table, run_id="one")

    monkeypatch.setenv("LAKEHOUSE_PROJECT", "")
    runner = CliRunner(env={"LAKEHOUSE_HOME": str(tmp_path / "home")})
    done = runner.invoke(app, ["--project", str(tmp_path / "project"), "check", "--format", "json"])
    assert done.exit_code == ExitCode.CHECKS, done.output
    assert [row["check"] for row in json.loads(done.stdout) if row["status"] == "failed"] == ["enough_rows"]

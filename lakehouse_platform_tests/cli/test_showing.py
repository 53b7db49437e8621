"""Commands that show data: rows as JSON with stable columns, and as tables for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lakehouse_platform.cli.app import app
from lakehouse_platform.cli.output import Format, show
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.quality.accounts import DUPLICATE_KINDS
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.orchestration.shop import SILVER, SOURCE, land, order, write_shop

Run = Callable[..., Result]
RunJson = Callable[..., Any]
ENDS = ("read", "accepted", "duplicates", "rejected", "late", "filtered")


def test_accounts_add_up_by_run(run_json: RunJson) -> None:
    (entry,) = run_json("accounts", "silver/order_lines")
    assert list(entry) == ["table", "run_id", *ENDS, *DUPLICATE_KINDS]
    assert [entry[end] for end in ENDS] == [7, 4, 1, 2, 0, 0]
    assert [entry[kind] for kind in DUPLICATE_KINDS] == [1, 0, 0]
    everything = run_json("accounts")
    assert {row["table"] for row in everything} == {"silver/order_lines", "silver/user_events", "silver/airports", "silver/sensor_readings"}
    assert all(row["read"] == sum(row[end] for end in ENDS[1:]) for row in everything)


def test_query_is_spark_sql_and_decimals_are_exact(run: Run) -> None:
    sql = "SELECT date, SUM(net_revenue) AS revenue, CAST(TRUE AS BOOLEAN) AS yes FROM gold.daily_sales GROUP BY date"
    assert run("query", sql, "--format", "json").stdout == '[{"date": "2010-12-01", "revenue": 8.140, "yes": true}]\n'


def test_a_table_for_people_says_when_there_is_more(run: Run) -> None:
    shown = run("query", "SELECT invoice_no FROM silver.order_lines ORDER BY 1", "--limit", "2")
    assert shown.exit_code == 0
    assert shown.stdout.count("536365") == 2
    assert "more than 2 rows" in shown.stderr


def test_where_a_row_came_from_is_shown_to_who_names_it(run_json: RunJson) -> None:
    (row,) = run_json("query", "SELECT * FROM silver.order_lines LIMIT 1")
    assert "_source_position" not in row
    (row,) = run_json("query", "SELECT _source_position.source FROM silver.order_lines LIMIT 1")
    assert row == {"source": "retail/2010-12-01.csv"}


def test_numbers_stay_numbers_where_a_cell_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    show(("run", "repeated"), [("one", 1), ("two", None), ("three", 10_000)], Format.TABLE, only_filled=("repeated",))
    assert "│ one   │        1 │" in capsys.readouterr().out


def test_no_rows_are_told_in_words(run: Run) -> None:
    assert run("query", "SELECT year FROM gold.dim_date WHERE year < 0").stdout.strip() == "The query gives no rows."
    assert run("quarantine", "show", "silver/airports").stdout.strip() == "silver/airports has turned no row away."
    assert run("query", "SELECT year FROM gold.dim_date WHERE year < 0", "--format", "json").stdout == "[]\n"


def test_what_is_wider_than_the_screen_goes_below_each_other(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_platform.cli.output._PIPED_WIDTH", 80)
    for command in (("tables",), ("quarantine", "list"), ("quarantine", "show", "silver/order_lines"), ("query", "SELECT * FROM silver.order_lines")):
        shown = run(*command).stdout
        assert max(len(line) for line in shown.splitlines()) <= 80
    wide = run("query", "SELECT * FROM silver.order_lines ORDER BY stock_code").stdout
    assert "stock_code           71053" in wide
    assert "invoice_timestamp    2010-12-01 08:26:00Z" in wide
    (because,) = [line for line in run("quarantine", "show", "silver/order_lines", "--limit", "1").stdout.splitlines() if line.startswith("because")]
    assert "price_not_negative" in because


def test_bytes_that_are_no_text_are_shown_as_they_are(tmp_path: Path) -> None:
    settings = write_shop(tmp_path)
    path = land(settings, "one.csv", [order(1, "2026-01-02"), order(2, "2026-01-02").replace("name 2", "CAF@")])
    path.write_bytes(path.read_bytes().replace(b"@", b"\xe9"))
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    for name in (SOURCE, SILVER):
        run_step(lakehouse, name, run_id="one")
    runner = CliRunner(env={"LAKEHOUSE_HOME": str(settings.home), "LAKEHOUSE_PROJECT": str(settings.project)})
    assert "record   o2,2026-01-02 10:00:00,p2,CAF\\xe9,c0,10.00" in runner.invoke(app, ["quarantine", "show", SILVER]).stdout
    (row,) = json.loads(runner.invoke(app, ["quarantine", "show", SILVER, "--format", "json"]).stdout)
    assert (row["raw_data"], bytes.fromhex(row["raw_bytes"])) == (None, path.read_bytes().splitlines()[2])


def test_quarantine_tells_every_reason_and_the_record(run_json: RunJson) -> None:
    counted = run_json("quarantine", "list")
    assert [(row["table"], row["rule"], row["rows"]) for row in counted] == [
        ("silver/order_lines", "price_not_negative", 1),
        ("silver/order_lines", "quantity_type", 1),
    ]
    first, second = run_json("quarantine", "show", "silver.order_lines")
    assert first["reasons"][0]["rule"] == "price_not_negative"
    assert first["source_file"] == "retail/2010-12-01.csv"
    assert (second["reasons"][0]["field"], second["reasons"][0]["source_text"]) == ("quantity", "two")
    assert second["raw_data"].startswith("536370,22728")


def test_lineage_goes_back_to_the_records_fields(run_json: RunJson) -> None:
    rows = run_json("lineage", "gold/daily_sales.net_revenue")
    assert {(row["source_table"], row["source_column"], row["steps"]) for row in rows} >= {
        ("silver/order_lines", "quantity", 1),
        ("bronze/retail_transactions", "Quantity", 2),
        ("bronze/retail_transactions", "UnitPrice", 2),
    }


def test_tables_and_history_show_what_is_there(run_json: RunJson) -> None:
    tables = {row["table"]: row for row in run_json("tables")}
    assert (tables["bronze/retail_transactions"]["rows"], tables["silver/order_lines"]["rows"]) == (7, 4)
    assert tables["gold/dim_date"]["rows"] == 8035
    steps = [row["step"] for row in run_json("history", "silver.order_lines")]
    assert "increment" in steps or "rebuild" in steps


def test_check_judges_what_is_committed(run_json: RunJson) -> None:
    rows = {row["check"]: row for row in run_json("check", "silver/order_lines")}
    assert (rows["price_not_negative"]["status"], rows["price_not_negative"]["failing_rows"]) == ("rejected rows", 1)
    assert rows["customer_present"]["status"] == "warned"
    assert rows["pandera"]["status"] == "passed"
    assert rows["key_unique"]["status"] == "passed"

"""`lakehouse maintain`: what it is asked for, and tables of Python assets. What maintenance does: orchestration/test_maintenance.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lakehouse_platform.cli.app import app
from lakehouse_platform.engine.duckdb import open_session
from lakehouse_platform.settings import Settings
from lakehouse_platform.writes.tables import append
from lakehouse_platform_tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["silver/nothing"], "there is no table silver/nothing"),
        (["silver/order_lines", "--only", "pack"], "pack"),
        (["silver/order_lines", "--retention-hours", "1"], "Give the reason"),
    ],
)
def test_what_cannot_be_meant_is_told(run: Run, arguments: list[str], told: str) -> None:
    done = run("maintain", *arguments)
    assert done.exit_code == 2
    assert told in " ".join(done.output.replace("│", " ").split())


def test_a_dry_run_tells_of_every_table_and_of_the_platforms_own(run_json: Callable[..., Any]) -> None:
    told = {row["table"]: row for row in run_json("maintain", "--dry-run")}
    assert {
        "bronze/retail_transactions",
        "silver/order_lines",
        "silver/order_lines__quarantine",
        "gold/daily_sales",
        "system/run_metrics",
    } <= told.keys()
    assert told["system/run_metrics"]["files"] == told["system/run_metrics"]["files_after"] == told["system/run_metrics"]["packable"] > 1


def test_a_table_of_a_python_asset_is_maintained_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    settings = Settings(home=tmp_path)
    with open_session(settings) as session:
        for number in range(3):
            append(session, f"{settings.tables_root}/shop/sales", f"SELECT {number} AS id")
    done = CliRunner().invoke(app, ["maintain", "shop/sales", "--only", "optimize", "--format", "json"])
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    assert (told["files"], told["files_after"]) == (3, 1)

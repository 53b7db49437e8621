"""A table that increments pass over is told of, and refreshed where the command names it."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from lakehouse_platform.cli.app import app
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, land, order, write_shop


def test_a_manual_table_is_refreshed_where_it_is_named_and_not_by_everything(tmp_path: Path) -> None:
    settings = write_shop(tmp_path, {CUSTOMER: "automation: manual"})
    land(settings, "one.csv", [order(1, "2026-01-02"), order(2, "2026-01-05")])
    runner = CliRunner(env={"LAKEHOUSE_HOME": str(settings.home), "LAKEHOUSE_PROJECT": str(settings.project)})

    everything = runner.invoke(app, ["materialize", "*", "--format", "json"])
    assert everything.exit_code == 0, everything.output
    assert CUSTOMER not in {row["table"] for row in json.loads(everything.stdout)}
    assert f"{CUSTOMER}: passed over, it is manual" in everything.stderr

    named = runner.invoke(app, ["materialize", CUSTOMER, "--format", "json"])
    assert named.exit_code == 0, named.output
    assert [(row["table"], row["rows"]) for row in json.loads(named.stdout)] == [(CUSTOMER, 2)]

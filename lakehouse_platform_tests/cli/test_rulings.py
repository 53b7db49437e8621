"""Blocked batches on the command line: what a person sees, and that release and reject settle one and carry on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lakehouse_platform.cli.app import app
from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.medallion.blocks import BatchBlocked
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.orchestration.shop import DAILY, SILVER, SOURCE, land, order, write_shop

Run = Callable[..., Result]


def blocked_shop(root: Path) -> Run:
    """Runs a command over a shop of which a batch of five orders, four of them bad, is blocked."""
    settings = write_shop(root)
    defs = root / "project" / "defs" / "shop" / "silver_shop_orders" / "defs.yaml"
    defs.write_text(defs.read_text(encoding="utf-8") + "  gate: {minimum_rows: 4}\n", encoding="utf-8")
    land(settings, "one.csv", [order(10, "2026-01-03"), *(order(number, "2026-01-03", "-1.00") for number in range(11, 15))])
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    run_step(lakehouse, SOURCE, run_id="one")
    with pytest.raises(BatchBlocked):
        run_step(lakehouse, SILVER, run_id="one")
    runner = CliRunner(env={"LAKEHOUSE_HOME": str(settings.home), "LAKEHOUSE_PROJECT": str(root / "project"), "LAKEHOUSE_SETTLE_SECONDS": "0"})

    def run_command(*arguments: str) -> Result:
        return runner.invoke(app, list(arguments))

    return run_command


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A blocked shop that all look at and nobody changes."""
    return blocked_shop(tmp_path_factory.mktemp("blocked"))


def shown(run: Run, *arguments: str, exit_code: int = 0) -> Any:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == exit_code, done.output
    return json.loads(done.stdout)


def test_a_block_shows_wherever_one_looks(run: Run) -> None:
    (batch,) = shown(run, "quarantine", "blocked")
    assert (batch["table"], batch["state"], batch["read"], batch["rejected"], batch["share"]) == (SILVER, "open", 5, 4, 0.2)
    assert len(batch["bronze_batches"]) == 1
    tables = {row["table"]: row for row in shown(run, "tables")}
    assert tables[SILVER]["blocked_since"] == batch["blocked_since"]
    assert tables[DAILY]["blocked_since"] is None
    checks = run("check", SILVER, "--format", "json")
    assert checks.exit_code == ExitCode.CHECKS
    assert [(row["check"], row["failing_rows"]) for row in json.loads(checks.stdout) if row["status"] == "failed"] == [("gate", 4)]
    assert f"quarantine release {batch['batch'][:12]}" in checks.stderr

    (counted,) = shown(run, "quarantine", "list")
    assert (counted["rule"], counted["rows"], counted["held"]) == ("amount_not_negative", 4, batch["batch"])
    assert shown(run, "quarantine", "show", SILVER) == []
    held = shown(run, "quarantine", "show", SILVER, "--batch", batch["batch"][:6])
    assert [row["reasons"][0]["rule"] for row in held] == ["amount_not_negative"] * 4
    assert shown(run, "accounts", SILVER) == []
    # What is fine in it is shown from bronze.
    names = ", ".join(f"'{name}'" for name in batch["bronze_batches"])
    assert shown(run, "query", f"SELECT count(*) AS records FROM bronze.shop_orders WHERE batch_id IN ({names})") == [{"records": 5}]


@pytest.mark.parametrize(("command", "state", "rows"), [("release", "released", 1), ("reject", "rejected", 0)])
def test_a_batch_is_settled_and_carried_on(tmp_path: Path, command: str, state: str, rows: int) -> None:
    run = blocked_shop(tmp_path)
    (batch,) = shown(run, "quarantine", "blocked")
    settled = shown(run, "quarantine", command, batch["batch"][:8], "--reason", "seen")
    assert settled[0]["table"] == SILVER
    assert DAILY in {row["table"] for row in settled}
    assert {row["table"]: row["rows"] for row in shown(run, "tables")}[SILVER] == rows
    (booked,) = shown(run, "accounts", SILVER)
    assert (booked["read"], booked["rejected"]) == (5, 5 - rows)
    assert sum(row["rows"] for row in shown(run, "quarantine", "list")) == 5 - rows
    assert shown(run, "quarantine", "blocked") == []
    (known,) = shown(run, "quarantine", "blocked", "--all")
    assert (known["state"], known["reason"], known["blocked_since"]) == (state, "seen", batch["blocked_since"])


def test_a_block_and_how_it_was_settled_are_told_in_words(tmp_path: Path) -> None:
    run = blocked_shop(tmp_path)
    (batch,) = shown(run, "quarantine", "blocked")
    assert run("materialize", SILVER).exit_code == ExitCode.FAILED
    blocked = run("materialize", SILVER)
    assert (blocked.exit_code, blocked.stdout) == (ExitCode.FAILED, "")
    assert f"{SILVER} gate blocked: `lakehouse quarantine blocked`" in blocked.stderr
    assert f"\nFailed: {SILVER}: batch" in blocked.stderr
    assert "\n  Mend: correct" in blocked.stderr
    assert "LakehouseError" not in blocked.stderr
    assert "rejected rows" not in blocked.stderr

    released = run("quarantine", "release", batch["batch"], "--reason", "seen")
    assert released.exit_code == ExitCode.OK, released.output
    assert f"{SILVER} amount_not_negative rejected rows: 4" in released.stderr
    again = run("quarantine", "release", batch["batch"], "--reason", "seen")
    assert "was released before; nothing is new" in again.stdout
    turned = run("quarantine", "reject", batch["batch"], "--reason", "no")
    assert (turned.exit_code, turned.stdout) == (ExitCode.FAILED, "")
    assert "before; nothing is new" not in turned.stderr
    assert [row["blocked_batch"] for row in shown(run, "history", SILVER)].count("released") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("release", "0123456789", "--reason", "x"), "waiting are"),
        (("release", "", "--reason", "x"), "waiting are"),
        (("reject", "0123456789", "--reason", " "), "say why"),
        (("reject", "0123456789"), "--reason"),
        (("show", SILVER, "--batch", "x"), "waits on batch"),
    ],
)
def test_a_mistake_settles_nothing(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run("quarantine", *arguments)
    assert done.exit_code == ExitCode.USAGE, done.output
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert len(shown(run, "quarantine", "blocked")) == 1

"""`lakehouse doctor` over a lakehouse that is well, and over each thing that is broken in it: named, with its mend and an exit code."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from lakehouse_platform.cli.app import app
from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.doctor.machine import package_findings, python_finding
from lakehouse_platform.doctor.standing import standing_findings
from lakehouse_platform.findings import Status
from lakehouse_platform.medallion.blocks import BatchBlocked
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.orchestration.instance import open_instance
from lakehouse_platform.orchestration.resources import running_folder
from lakehouse_platform.orchestration.services import _alone, up_process
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, SILVER, SOURCE, land, order, write_shop


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A shop with some tables and an instance."""
    settings = write_shop(tmp_path)
    land(settings, "one.csv", [order(1, "2026-01-02"), order(2, "2026-01-02")])
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    for name in (SOURCE, SILVER, CUSTOMER):
        run_step(lakehouse, name, run_id="one")
    for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LAKEHOUSE_HOME", str(settings.home))
    monkeypatch.setenv("LAKEHOUSE_PROJECT", str(settings.project))
    with open_instance(settings):
        return settings


def doctor(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and what is not ok."""
    done = CliRunner().invoke(app, ["doctor", "--format", "json", *arguments])
    found = json.loads(done.stdout)
    assert all(each["mend"] for each in found if each["status"] != "ok"), "each has its mend"
    # Which packages the tests run with is theirs to choose.
    return done.exit_code, [each for each in found if each["status"] != "ok" and each["check"] not in ("package", "port", "disk")]


def test_a_lakehouse_that_is_well(settings: Settings) -> None:
    assert doctor() == (ExitCode.OK, [])
    shown = CliRunner().invoke(app, ["doctor"]).stdout
    assert "silver/shop_orders: version" in shown
    assert " ok" in shown.splitlines()[-1]


def test_tables_that_are_broken(settings: Settings) -> None:
    root = Path(settings.tables_root)
    next((root / CUSTOMER).glob("*.parquet")).unlink()
    (root / SOURCE / "_delta_log" / f"{0:020}.json").write_text("no log", encoding="utf-8")
    (root / "gold" / "nothing" / "_delta_log").mkdir(parents=True)
    code, found = doctor()
    assert code == ExitCode.CHECKS
    told = {each["subject"]: each["message"] for each in found if each["status"] == "failed"}
    assert set(told) == {CUSTOMER, SOURCE, "gold/nothing"}
    assert "1 of its 1 files are gone" in told[CUSTOMER]
    assert "version 0 of the log" in told[SOURCE] and "is damaged" in told[SOURCE]
    assert "no commits" in told["gold/nothing"]


def test_a_log_with_a_gap_is_a_warning(settings: Settings) -> None:
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    for number in range(3, 15):
        land(settings, f"{number}.csv", [order(number, "2026-01-03")])
        run_step(lakehouse, SOURCE, run_id=str(number))
    log = Path(lakehouse.location(SOURCE)) / "_delta_log"
    gone = (log / f"{3:020}.json").read_bytes()
    (log / f"{3:020}.json").unlink()
    code, found = doctor()
    assert code == ExitCode.OK
    assert [(each["subject"], each["status"]) for each in found] == [(SOURCE, "warning")]
    assert "lacks 1 commits between 0 and" in found[0]["message"]
    # An empty file in its place is worse: readers take it for a commit that changed nothing.
    (log / f"{3:020}.json").write_bytes(b"")
    code, found = doctor()
    assert (code, found[0]["status"]) == (ExitCode.CHECKS, "failed")
    assert "version 3 of its log is an empty file" in found[0]["message"]
    (log / f"{3:020}.json").write_bytes(gone)
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    code, found = doctor()
    assert code == ExitCode.OK
    assert f"damaged, and read round: {checkpoint}, {log}/_last_checkpoint" in found[0]["message"]
    # As it says: the next commit makes it anew.
    land(settings, "more.csv", [order(99, "2026-01-03")])
    run_step(lakehouse, SOURCE, run_id="more")
    assert doctor() == (ExitCode.OK, [])


def test_tables_that_are_not_what_the_project_says(settings: Settings) -> None:
    assert settings.project is not None
    shop = settings.project / "defs" / "shop"
    attributes = shop / "silver_shop_orders" / "defs.yaml"
    attributes.write_text(attributes.read_text(encoding="utf-8") + "  gate: {minimum_rows: 4}\n", encoding="utf-8")
    query = shop / "gold_shop_customer" / "transform.sql"
    query.write_text(query.read_text(encoding="utf-8").replace("count(*)", "count(*) + 1", 1), encoding="utf-8")
    land(settings, "bad.csv", [order(number, "2026-01-03", "-1.00") for number in range(11, 15)])
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    run_step(lakehouse, SOURCE, run_id="two")
    with pytest.raises(BatchBlocked) as blocked:
        run_step(lakehouse, SILVER, run_id="two")
    code, found = doctor()
    assert code == ExitCode.OK
    told = {each["subject"]: each for each in found}
    assert set(told) == {SILVER, CUSTOMER}
    assert f"batch {blocked.value.block.decision.batch_id[:12]} is blocked since" in told[SILVER]["message"]
    assert f"lakehouse rebuild {CUSTOMER}" in told[CUSTOMER]["mend"]


def test_a_table_that_is_laid_out_otherwise(settings: Settings) -> None:
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    tables = lakehouse.project.tables
    name = next(name for name, table in tables.items() if table.partition_column is not None and lakehouse.snapshot(name) is not None)
    project = replace(
        lakehouse.project, tables={name: replace(tables[name], attributes=tables[name].attributes.model_copy(update={"partitions": None}))}
    )
    (found,) = standing_findings(settings, project)
    assert (found.subject, found.status) == (name, Status.WARNING)
    assert f"partitioned by {tables[name].partition_column}, its contract wants" in found.message


def test_an_up_is_known_by_its_lock(settings: Settings) -> None:
    (settings.dagster_home / "up.lock").write_text("1", encoding="utf-8")
    assert up_process(settings) is None
    with _alone(settings):
        assert up_process(settings) == str(os.getpid())
    assert up_process(settings) is None


def test_an_instance_that_is_damaged_and_a_run_that_died(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = instance.create_run_for_job(dg.GraphDefinition(name="nothing").to_job(), status=dg.DagsterRunStatus.STARTED)
        running_folder(settings).mkdir(exist_ok=True)
        (running_folder(settings) / run.run_id).touch()
    (told,) = doctor()[1]
    assert run.run_id in told["message"]

    database = settings.dagster_home / "history" / "runs.db"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(database.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    database.write_bytes(bytes(content))
    code, found = doctor()
    assert code == ExitCode.CHECKS
    assert [(each["check"], each["subject"]) for each in found] == [("dagster", str(database))]


def test_what_a_user_wrote_wrong(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_THREAD", "3")
    late = land(settings, "late.csv", [order(9, "2026-01-02")])
    os.utime(late, (time.time() + 3600, time.time() + 3600))
    code, found = doctor()
    assert (code, found[0]["mend"]) == (ExitCode.OK, "did you mean LAKEHOUSE_THREADS?")
    assert "from the future, such as shop/late.csv" in found[1]["message"]

    assert settings.project is not None
    query = settings.project / "defs" / "shop" / "gold_shop_daily" / "transform.sql"
    query.write_text("SELECT nothing", encoding="utf-8")
    code, found = doctor()
    assert code == ExitCode.CHECKS
    assert any(each["check"] == "project" and str(query.parent) in each["subject"] for each in found)

    monkeypatch.setenv("LAKEHOUSE_THREADS", "many")
    code, found = doctor()
    assert code == ExitCode.CHECKS
    assert ("LAKEHOUSE_THREADS", "failed") in [(each["subject"], each["status"]) for each in found]


def test_the_machine(settings: Settings) -> None:
    settings.scratch.rmdir()
    settings.scratch.write_text("a file where the folder should be", encoding="utf-8")
    code, found = doctor()
    assert (code, [each["check"] for each in found]) == (ExitCode.CHECKS, ["scratch"])

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        shown = CliRunner().invoke(app, ["doctor", "--format", "json", "--port", str(taken.getsockname()[1])])
    assert [each["status"] for each in json.loads(shown.stdout) if each["check"] == "port"] == ["warning"]


def test_the_version_is_told() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == ExitCode.OK
    assert re.fullmatch(r"lakehouse \d+\.\d+\S*\n", done.stdout)


def test_versions_are_held_against_what_is_required(tmp_path: Path) -> None:
    assert python_finding("3.9.1").status is Status.FAILED
    assert python_finding().status is Status.OK
    lock = tmp_path / "requirements.lock"
    lock.write_text("duckdb==0.0.1\ncolorama==0.4.6 ; sys_platform == 'nowhere'\nnot-installed-here==1\n", encoding="utf-8")
    assert [(each.subject, each.status) for each in package_findings(lock)] == [("duckdb", Status.WARNING)]
    assert [each.subject for each in package_findings(tmp_path / "none")] == ["all"]

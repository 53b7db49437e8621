"""Layers apart, on disk and in buckets: where each table is, who is told of it, and what must not follow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lakehouse_platform.cli.app import app
from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.doctor.stores import store_findings
from lakehouse_platform.findings import Status
from lakehouse_platform.fixtures.running import run_cases
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.orchestration.services import _environment
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import files
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.faulty_store import Fault, FaultyStore
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, SILVER, SOURCE, land, order, write_shop


@pytest.fixture
def settings(tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A shop whose silver tables lie on disk, bronze and gold in buckets of their own."""
    on_disk = write_shop(tmp_path)
    roots = {"tables_bronze": f"{s3.new_bucket()}/raw", "tables_gold": s3.new_bucket()}
    for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)
    for name, value in {"home": str(on_disk.home), "project": str(on_disk.project), **roots}.items():
        monkeypatch.setenv(f"LAKEHOUSE_{name.upper()}", value)
    yield on_disk.model_copy(update=roots)


@pytest.fixture
def lakehouse(settings: Settings) -> Lakehouse:
    """After one run: an order that the contract rejects among others."""
    land(settings, "one.csv", [order(1, "2026-01-02"), order(2, "2026-01-02"), order(3, "2026-01-05", "-1.00")])
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    for name in (SOURCE, SILVER, CUSTOMER):
        run_step(lakehouse, name, run_id="one")
    return lakehouse


def doctor() -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(app, ["doctor", "--format", "json"])
    return done.exit_code, json.loads(done.stdout)


def test_each_layer_is_where_its_variable_says(lakehouse: Lakehouse) -> None:
    settings = lakehouse.settings
    assert lakehouse.location(SOURCE) == f"{settings.tables_bronze}/{SOURCE}"
    assert lakehouse.location(SILVER) == f"{settings.home}/tables/{SILVER}"
    assert lakehouse.location(CUSTOMER) == f"{settings.tables_gold}/{CUSTOMER}"
    for root, layers in ((settings.tables_bronze, ["bronze"]), (settings.tables_gold, ["gold"]), (settings.tables_root, ["silver", "system"])):
        assert root is not None
        assert set(files.folders(root)) <= set(layers)
        assert files.folders(root)[0] == layers[0]
    # What stands beside a table lies with its layer.
    assert open_snapshot(f"{settings.home}/tables/{SILVER}__quarantine") is not None


def test_an_increment_reads_across_them(lakehouse: Lakehouse) -> None:
    land(lakehouse.settings, "two.csv", [order(4, "2026-01-03")])
    for name in (SOURCE, SILVER, CUSTOMER):
        assert run_step(lakehouse, name, run_id="two").record is not None
    done = CliRunner().invoke(app, ["query", f"SELECT COUNT(*) AS n FROM {SILVER.replace('/', '.')}", "--format", "json"])
    assert json.loads(done.stdout) == [{"n": 3}]


def test_doctor_looks_at_all_of_them(lakehouse: Lakehouse) -> None:
    code, found = doctor()
    assert code == ExitCode.OK
    told = {(each["check"], each["subject"]): each["status"] for each in found}
    assert told["store", lakehouse.settings.tables_bronze] == told["store", lakehouse.settings.tables_gold] == "ok"
    assert {told["table", name] for name in (SOURCE, SILVER, CUSTOMER)} == {"ok"}
    assert all(list(files.walk(f"{root}/_doctor")) == [] for root in lakehouse.settings.remote_roots)


def test_doctor_names_what_is_gone_from_a_bucket_and_a_bucket_that_is_gone(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = lakehouse.snapshot(SOURCE)
    assert snapshot is not None
    files.delete([snapshot.files[0].uri])
    monkeypatch.setenv("LAKEHOUSE_TABLES_GOLD", "s3://there-is-none")
    code, found = doctor()
    assert code == ExitCode.CHECKS
    failed = {(each["check"], each["subject"]): each["message"] for each in found if each["status"] == "failed"}
    assert set(failed) == {("table", SOURCE), ("store", "s3://there-is-none")}
    assert "1 of its 1 files are gone" in failed["table", SOURCE]
    assert "there is no bucket there-is-none" in failed["store", "s3://there-is-none"]


def test_doctor_tells_of_tables_that_were_left_behind(lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_TABLES_SILVER", str(tmp_path / "elsewhere"))
    code, found = doctor()
    assert code == ExitCode.OK
    left = {each["subject"]: each for each in found if each["status"] == "warning" and each["check"] == "table"}
    assert f"move its folder to {tmp_path}/elsewhere/{SILVER}" in left[f"{lakehouse.settings.home}/tables/{SILVER}"]["mend"]


def test_doctor_finds_a_store_that_takes_one_name_twice(bucket: str, faulty: FaultyStore) -> None:
    settings = Settings(tables=f"{bucket}/tables")
    (found,) = store_findings(settings)
    assert found.status is Status.OK
    # As a server answers that knows nothing of If-None-Match.
    faulty.fail(Fault("instead", "PUT", "_doctor", status=200, headers={"ETag": '"1"'}, skip=1))
    (found,) = store_findings(settings)
    assert found.status is Status.FAILED
    assert "two writers would overwrite each other's commits" in found.message


def test_cases_of_a_table_run_in_a_place_of_their_own(settings: Settings) -> None:
    """`lakehouse test` must not write into the tables of this lakehouse, wherever these lie."""
    shipped = settings.model_copy(update={"project": None, "tables_silver": settings.tables_gold})
    project = load_project(shipped.defs_root)
    assert [result.differences for result in run_cases(shipped, project, project.tables["gold/sensor_hourly"])] == [()]
    assert [file for root in shipped.table_roots for file in files.walk(root)] == []


def test_processes_of_dagster_get_every_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = _environment(Settings(home=Path("h"), tables="t/", tables_gold="s3://lake/tables/", tables_silver="file:///data/x"))
    assert given["LAKEHOUSE_HOME"] == f"{tmp_path}/h"
    assert given["LAKEHOUSE_TABLES"] == f"{tmp_path}/t"
    assert given["LAKEHOUSE_TABLES_GOLD"] == "s3://lake/tables"
    assert given["LAKEHOUSE_TABLES_SILVER"] == "/data/x"
    assert "LAKEHOUSE_TABLES_BRONZE" not in given


def test_a_lakehouse_of_its_own_follows_no_root() -> None:
    settings = Settings(tables="s3://a", tables_bronze="s3://b", tables_silver="s3://c", tables_gold="s3://d")
    assert settings.remote_roots == ("s3://a", "s3://b", "s3://c", "s3://d")
    assert settings.alone_at(Path("/x")).table_roots == ("/x/tables",)
    assert settings.alone_at(Path("/x")).root_of("gold/t") == "/x/tables"

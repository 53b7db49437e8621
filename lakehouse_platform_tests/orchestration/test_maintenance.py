"""Maintenance as a run: small files packed, what nobody needs deleted, told to Dagster and in a table; and when it is due."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from lakehouse_platform.delta.properties import keep_properties
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.medallion.books import RUN_METRICS
from lakehouse_platform.medallion.history import last_record, versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.table_metrics import TABLE_METRICS, note, noted
from lakehouse_platform.medallion.time_travel import snapshot_at
from lakehouse_platform.medallion.upkeep import Upkeep, Work, due, maintain
from lakehouse_platform.orchestration.build import project_of
from lakehouse_platform.orchestration.names import asset_key
from lakehouse_platform.orchestration.runs import Runner, open_runner
from lakehouse_platform.problems import LakehouseError, ProjectError
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, DAILY, SILVER, SOURCE, TABLES, land, order, write_shop

FORCED = Upkeep(retention_hours=0, reason="nobody else reads these tables")


def increments(runner: Runner, count: int) -> Lakehouse:
    """So many increments, each of which adds a file to every day."""
    for number in range(count):
        land(runner.settings, f"{number}.csv", [order(10 * number + day, f"2026-01-0{1 + day % 3}") for day in range(6)])
        assert runner.increment(SOURCE).success
    return Lakehouse(runner.settings, runner.project)


def rows(lakehouse: Lakehouse, name: str) -> list[tuple[object, ...]]:
    with lakehouse.session() as session:
        snapshot = lakehouse.snapshot(name)
        assert snapshot is not None
        columns = ", ".join(field.name for field in snapshot.columns if field.name != "processed_timestamp")
        return sorted(session.rows(f"SELECT {columns} FROM ({snapshot_scan(snapshot)})"), key=str)


def files(lakehouse: Lakehouse, name: str) -> int:
    snapshot = lakehouse.snapshot(name)
    assert snapshot is not None
    return len(snapshot.files)


def test_a_run_packs_every_table_and_deletes_what_nobody_needs(runner: Runner) -> None:
    lakehouse = increments(runner, 3)
    tables = (SOURCE, SILVER, DAILY, CUSTOMER)
    before = {name: rows(lakehouse, name) for name in tables}
    assert files(lakehouse, SILVER) > 3
    run = runner.maintain(None, FORCED)
    assert run.success, run.failures
    assert {name: rows(lakehouse, name) for name in tables} == before
    # A file for each day, and one for all of bronze's day.
    days = {file.partition_values["order_date"] for file in lakehouse.snapshot(SILVER).files}  # type: ignore[union-attr]
    assert files(lakehouse, SILVER) == len(days)
    assert files(lakehouse, RUN_METRICS) == 1
    with lakehouse.session() as session:
        told = {each.table_name: each for each in noted(lakehouse, session, run.run_id)}
    assert {SOURCE, SILVER, f"{SILVER}__quarantine", DAILY, RUN_METRICS, TABLE_METRICS} <= told.keys()
    silver = told[SILVER]
    assert silver.files_before > silver.files_after == len(days)
    assert (silver.packable_files_after, silver.deleted_files > 0, silver.reason) == (0, True, FORCED.reason)
    (record,) = runner.instance.fetch_observations(asset_key(SILVER), 1).records
    metadata = record.event_log_entry.asset_observation.metadata  # type: ignore[union-attr]
    assert (metadata["files_before"].value, metadata["files_after"].value) == (silver.files_before, silver.files_after)
    assert "quarantine files_after" in metadata

    # Increments go on as if nothing had been: neither read again nor told again.
    version = lakehouse.snapshot(DAILY).version  # type: ignore[union-attr]
    assert runner.increment(SOURCE).success
    assert lakehouse.snapshot(DAILY).version == version  # type: ignore[union-attr]
    land(runner.settings, "late.csv", [order(99, "2026-01-01")])
    assert runner.increment(SOURCE).success
    assert len(rows(lakehouse, SILVER)) == len(before[SILVER]) + 1
    kept = rows(lakehouse, SILVER)
    assert runner.rebuild(SILVER).success
    assert rows(lakehouse, SILVER) == kept


def test_a_selection_and_a_part_of_the_work(runner: Runner) -> None:
    lakehouse = increments(runner, 2)
    before = files(lakehouse, DAILY), lakehouse.snapshot(DAILY)
    run = runner.maintain([SILVER], Upkeep(work=(Work.OPTIMIZE,)))
    assert run.success
    assert (files(lakehouse, DAILY), lakehouse.snapshot(DAILY)) == before
    with lakehouse.session() as session:
        assert {each.table_name.partition("__")[0] for each in noted(lakehouse, session, run.run_id)} == {SILVER}


def test_what_tables_downstream_have_not_read_stays(tmp_path: Path) -> None:
    settings = write_shop(tmp_path, {DAILY: "automation: manual"})
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as runner:
        lakehouse = increments(runner, 1)
        assert runner.refresh(DAILY).success
        increments(runner, 3)
        assert runner.maintain(None, FORCED).success
        assert runner.refresh(DAILY).success
        last = last_record(lakehouse, DAILY)
        assert last is not None and last.step == "increment" and last.rebuilt is None
        assert sum(int(str(row[1])) for row in rows(lakehouse, DAILY)) == len(rows(lakehouse, SILVER))


def test_maintenance_is_due_by_files_and_by_commits(tmp_path: Path) -> None:
    policies = {SILVER: "maintenance: {small_files: 4}", DAILY: "maintenance: {commits: 4}", SOURCE: "maintenance: off", CUSTOMER: "maintenance: off"}
    settings = write_shop(tmp_path, policies)
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as runner:
        lakehouse = increments(runner, 2)
        with lakehouse.session() as session:
            assert "files that could be packed" in dict(due(lakehouse, session))[SILVER]
            assert DAILY not in dict(due(lakehouse, session))
        increments(runner, 4)
        with lakehouse.session() as session:
            assert "commits since its last maintenance" in dict(due(lakehouse, session))[DAILY]
        with dg.build_sensor_context(instance=instance, resources={"lakehouse": lakehouse}, definitions=runner.definitions) as context:
            asked = runner.definitions.resolve_sensor_def("maintenance_due").evaluate_tick(context)
        (request,) = asked.run_requests or ()
        done = runner.definitions.resolve_job_def("maintain").execute_in_process(instance=instance, tags=dict(request.tags))
        assert done.success
        with lakehouse.session() as session:
            told = {each.table_name for each in noted(lakehouse, session, done.run_id)}
            assert {SILVER, DAILY} <= told and not {SOURCE, CUSTOMER} & told
            assert not dict(due(lakehouse, session)).keys() & {SILVER, DAILY}


def test_the_latest_versions_are_those_of_other_rows(tmp_path: Path) -> None:
    settings = write_shop(tmp_path, {DAILY: "maintenance: {keep_versions: 2}"})
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as runner:
        lakehouse = increments(runner, 3)
        versions = [each.version for each in versions_since(lakehouse, DAILY) if each.record is not None]
        for _ in range(3):
            # Each of them commits.
            assert runner.maintain([DAILY], FORCED).success
            before = lakehouse.snapshot(DAILY)
            assert before is not None
            keep_properties(before, {"owner": f"team {before.version}"})
        with pytest.raises(VersionGone):
            snapshot_at(lakehouse, DAILY, versions[0])
        for version in versions[1:]:
            assert snapshot_at(lakehouse, DAILY, version).version == version


def test_the_platforms_own_tables_are_asked_for_whenever_they_are_due(tmp_path: Path) -> None:
    settings = write_shop(tmp_path, dict.fromkeys((SOURCE, *TABLES), "maintenance: off"))
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as runner:
        lakehouse, keys, reasons = increments(runner, 1), list[str | None](), list[str]()
        # A run of the sensor's leaves two files there: what it packed, and the row of that.
        for rows_more in (32, 30):
            with lakehouse.session() as session:
                found = maintain(lakehouse, session, RUN_METRICS, Upkeep(), run_id="before")
                assert found is not None
                for number in range(rows_more):
                    note(lakehouse, session, replace(found, run_id=f"{uuid4()} {number}"))
                reasons.append(dict(due(lakehouse, session))["system"])
            with dg.build_sensor_context(instance=instance, resources={"lakehouse": lakehouse}, definitions=runner.definitions) as context:
                asked = runner.definitions.resolve_sensor_def("maintenance_due").evaluate_tick(context)
            (request,) = asked.run_requests or ()
            keys.append(request.run_key)
            assert runner.definitions.resolve_job_def("maintain").execute_in_process(instance=instance, tags=dict(request.tags)).success
        assert len(set(reasons)) == 1 and len(set(keys)) == 2, "Dagster starts no second run of one key"


def test_a_table_that_cannot_be_clustered_yet_keeps_none_of_the_others_waiting(tmp_path: Path) -> None:
    settings = write_shop(tmp_path, {SILVER: "cluster_by: [amount]", DAILY: "maintenance: {commits: 2}"})
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as runner:
        increments(runner, 2)
    folder = tmp_path / "project" / "defs" / "shop" / "silver_shop_orders"
    for name, before, after in (
        ("defs.yaml", "[amount]", "[note]"),
        ("contract.yaml", "- {name: customer,", "- {name: note, logicalType: string}\n      - {name: customer,"),
        ("transform.sql", "customer,", "customer AS note, customer,"),
    ):
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    with lakehouse.session() as session:
        found = dict(due(lakehouse, session))
        with pytest.raises(LakehouseError, match="cannot be clustered by 'note'"):
            maintain(lakehouse, session, SILVER, Upkeep(dry_run=True), run_id="")
    assert DAILY in found and SILVER not in found


def test_less_than_a_week_needs_a_reason_everywhere(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(LakehouseError, match=r"less than 168.*Give the reason"):
        Upkeep(retention_hours=1)
    for hours in (math.nan, math.inf, 1e9):
        with pytest.raises(LakehouseError, match="is no retention"):
            Upkeep(retention_hours=hours, reason="for ever")
    write_shop(tmp_path / "other", {SILVER: "maintenance: {retention_hours: 24}"})
    with pytest.raises(ProjectError) as caught:
        project_of(Settings(home=tmp_path, project=tmp_path / "other" / "project"))
    (problem,) = caught.value.problems
    assert problem.path.parent.name == "silver_shop_orders" and problem.line == 7
    assert "retention_hours 24 is less than 168: add retention_reason" in problem.message


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("maintenance: {target_file_size: large}", "'large' is no size"),
        ("maintenance: {smal_files: 3}", "smal_files"),
        ("maintenance: sometimes", "Input should be off or such as"),
        ("maintenance: {log_retention_hours: 24}", "168"),
        ("maintenance: {log_retention_hours: .inf}", "876000"),
        ("cluster_by: [amount, amount]", "not up to 8 different columns"),
        ("cluster_by: [order_date]", "by which its partitions lie apart already"),
    ],
)
def test_mistakes_in_a_policy_are_told_with_their_line(tmp_path: Path, said: str, complaint: str) -> None:
    settings = write_shop(tmp_path, {SILVER: said})
    with pytest.raises(ProjectError) as caught:
        project_of(settings)
    (problem,) = caught.value.problems
    assert complaint in problem.message + problem.mend and problem.line > 0


def test_a_dry_run_changes_nothing_and_tells_what_would_go(runner: Runner) -> None:
    lakehouse = increments(runner, 2)
    before = lakehouse.snapshot(SILVER)
    assert before is not None
    with lakehouse.session() as session:
        found = maintain(lakehouse, session, SILVER, Upkeep(retention_hours=0, reason="to see", dry_run=True), run_id="")
    assert found is not None and found.packable_files_after > 1
    assert lakehouse.snapshot(SILVER) == before and lakehouse.snapshot(TABLE_METRICS) is None

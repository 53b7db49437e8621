"""Maintenance as Dagster runs it: a job with an op for each table, a schedule, and a sensor that starts it when something is due.

Not here: what maintenance does (medallion/upkeep.py).
"""

# Annotations are not postponed here: Dagster looks at that of an op's context itself.

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict

import dagster as dg

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.table_metrics import Metrics, note
from lakehouse_platform.medallion.upkeep import Upkeep, Work, beside, due, maintain, system_tables
from lakehouse_platform.orchestration.faults import faults_judged
from lakehouse_platform.orchestration.metadata import reported as mark
from lakehouse_platform.orchestration.names import MAINTAIN_JOB, SYSTEM, asset_key, op_name, pool, step_name
from lakehouse_platform.orchestration.reporting import report, reported_through
from lakehouse_platform.orchestration.resources import LAKEHOUSE
from lakehouse_platform.orchestration.sensors import UNFINISHED
from lakehouse_platform.tables.project import Project

# An hour after the daily job, whose commits it then packs.
MAINTAIN_CRON = "0 4 * * *"
_WANTED_TAG, _TABLES_TAG = "lakehouse/maintain", "lakehouse/maintain_tables"
_LOOK_SECONDS = 600


def maintain_tags(upkeep: Upkeep, tables: Collection[str] | None = None) -> dict[str, str]:
    """The tags of a run that does only some of maintenance, or only to some tables."""
    tags = {_WANTED_TAG: json.dumps({"work": list(upkeep.work), "retention_hours": upkeep.retention_hours, "reason": upkeep.reason})}
    return {**tags, _TABLES_TAG: json.dumps(sorted(tables))} if tables is not None else tags


def maintain_job(project: Project) -> dg.JobDefinition:
    """Maintains every table and those beside it, then the platform's own. What fails leaves the others alone."""
    ops = [_maintain_op(name) for name in (*project.sources, *project.tables)]
    system = _system_op(ops)
    dependencies: dict[dg.NodeInvocation, dict[str, dg.DependencyDefinition]] = {}
    for name, op in zip((*project.sources, *project.tables), ops, strict=True):
        dependencies[dg.NodeInvocation(op.name, alias=step_name(name))] = {}
    dependencies[dg.NodeInvocation(system.name, alias=SYSTEM)] = {}
    description = "Small files packed, what no version needs deleted, logs cleaned: every table by its policy"
    # Dagster types the keys of `dependencies` more widely than a dict allows.
    graph = dg.GraphDefinition(name=MAINTAIN_JOB, description=description, node_defs=[*ops, system], dependencies=dict(dependencies))
    return graph.to_job(executor_def=dg.in_process_executor)


def maintain_schedule() -> dg.ScheduleDefinition:
    """Maintenance of all tables once a day; it runs from the start."""
    return dg.ScheduleDefinition(
        name=MAINTAIN_JOB,
        job_name=MAINTAIN_JOB,
        cron_schedule=MAINTAIN_CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def maintenance_sensor() -> dg.SensorDefinition:
    """Asks for maintenance of the tables of which something is due by their policy: so many small files, or so many commits."""

    @dg.sensor(
        name="maintenance_due",
        job_name=MAINTAIN_JOB,
        minimum_interval_seconds=_LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for maintenance of tables with many small files, or many commits since the last one",
        required_resource_keys={LAKEHOUSE},
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        lakehouse: Lakehouse = getattr(context.resources, LAKEHOUSE)
        if context.instance.get_runs(dg.RunsFilter(job_name=MAINTAIN_JOB, statuses=UNFINISHED), limit=1):
            return dg.SkipReason("maintenance is under way")
        with lakehouse.session() as session:
            found = dict(due(lakehouse, session))
        if not found:
            return dg.SkipReason("nothing is due")
        # The same state is asked for once: a run that fails is not started again before something else is committed.
        names = [each for name in found for each in (system_tables(lakehouse) if name == SYSTEM else beside(lakehouse, name))]
        versions = {name: getattr(lakehouse.snapshot(name), "version", None) for name in names}
        state = json.dumps(versions, sort_keys=True) + json.dumps(found)
        context.log.info("; ".join(found.values()))
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=state, tags=maintain_tags(Upkeep(), found))])

    return look


def _maintain_op(name: str) -> dg.OpDefinition:
    @dg.op(
        name=op_name(MAINTAIN_JOB, name),
        out=dg.Out(dg.Nothing),
        # One run at a time writes a table: packing waits for a refresh, and the other way round.
        pool=pool(name),
        required_resource_keys={LAKEHOUSE},
        tags={"table": name},
    )
    def one(context: dg.OpExecutionContext) -> None:
        lakehouse: Lakehouse = context.resources.lakehouse
        if _is_left_out(context.run.tags, name):
            return
        with faults_judged(context, lakehouse.settings):
            snapshot = lakehouse.snapshot(name)
            if snapshot is None:
                context.log.info(f"{name} does not exist yet")
                return
            # What Dagster has not been told yet stands in commits that are to go.
            report(context.instance, lakehouse, name, context.log_event)
            told = reported_through(context.instance, name, snapshot.table_id)
            done = [_done(context, each, told if each == name and told >= 0 else None) for each in beside(lakehouse, name)]
        if done and (mine := done[0]) is not None:
            metadata = {**_metadata([each for each in done if each is not None]), **mark(snapshot.table_id, max(told, snapshot.version))}
            context.log_event(dg.AssetObservation(asset_key(name), metadata=metadata, description=f"Maintained at version {mine.version_after}"))

    return one


def _system_op(others: Collection[dg.OpDefinition]) -> dg.OpDefinition:
    @dg.op(
        name=op_name(MAINTAIN_JOB, SYSTEM),
        out=dg.Out(dg.Nothing),
        required_resource_keys={LAKEHOUSE},
        tags={"dagster/priority": "-1"} if others else {},
    )
    def system(context: dg.OpExecutionContext) -> None:
        lakehouse: Lakehouse = context.resources.lakehouse
        if _is_left_out(context.run.tags, SYSTEM):
            return
        with faults_judged(context, lakehouse.settings):
            for name in system_tables(lakehouse):
                _done(context, name, None)

    return system


def _done(context: dg.OpExecutionContext, name: str, reported: int | None) -> Metrics | None:
    """Maintain one table in a session of its own, and note what that did."""
    lakehouse: Lakehouse = context.resources.lakehouse
    with lakehouse.session() as session:
        found = maintain(lakehouse, session, name, _upkeep_in(context.run.tags), run_id=context.run.run_id, reported=reported)
        if found is None:
            context.log.info(f"{name}: its maintenance is off")
            return None
        note(lakehouse, session, found)
    context.log.info(
        f"{name}: {found.files_before} files are {found.files_after}, {found.deleted_files} deleted, {found.removed_commits} commits removed"
    )
    return found


def _metadata(done: Collection[Metrics]) -> dict[str, int | str]:
    """The numbers of a table and, under their names, of those beside it."""
    left_out = ("table_name", "table_id", "run_id", "maintained_timestamp")
    told: dict[str, int | str] = {}
    for number, each in enumerate(done):
        prefix = "" if number == 0 else f"{each.table_name.rpartition('__')[2]} "
        told |= {f"{prefix}{name}": value for name, value in asdict(each).items() if name not in left_out and value is not None}
    return told


def _upkeep_in(tags: Mapping[str, str]) -> Upkeep:
    told = json.loads(tags.get(_WANTED_TAG, "{}"))
    work = tuple(Work(each) for each in told["work"]) if told.get("work") else tuple(Work)
    return Upkeep(work, told.get("retention_hours"), told.get("reason"))


def _is_left_out(tags: Mapping[str, str], name: str) -> bool:
    return _TABLES_TAG in tags and name not in json.loads(tags[_TABLES_TAG])

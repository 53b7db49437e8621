"""Jobs of ops: an increment a source, a refresh of each table that has times of its own, and the daily job. Not here: what an op does (ops.py).

They are no jobs of assets, because a run of assets without a partition key fails below a partitioned asset; each op logs its table's events itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from lakehouse_platform.orchestration.names import DAILY_JOB, increment_job_name, refresh_job_name, step_name
from lakehouse_platform.orchestration.ops import BLOCKED, DONE, REFUSED, checks_op, fault_op, ingest_op, step_op
from lakehouse_platform.tables.project import Project

# Runs of these jobs tell of what they commit themselves, some time after the commit.
REFRESHES_TAG = "lakehouse/refreshes"


@dataclass(frozen=True)
class _Plan:
    """What a job is made from: its tables, each after those that it reads, and those that it is for, whatever their automation says."""

    job: str
    description: str
    names: Sequence[str]
    named: Sequence[str] = ()
    has_checks: bool = False


def platform_jobs(project: Project) -> list[dg.JobDefinition]:
    """All jobs of a project."""
    timed = [name for name, table in project.tables.items() if table.attributes.automation != "on_change"]
    return [daily_job(project), *(increment_job(project, source) for source in project.sources), *(refresh_job(project, name) for name in timed)]


def increment_job(project: Project, source: str) -> dg.JobDefinition:
    """The increment of a source: it takes in the source's files, then refreshes every table downstream whose turn it is."""
    description = f"Ingest {source} and refresh what is downstream of it with what is new"
    return _job(project, _Plan(increment_job_name(source), description, (source, *project.downstream(source))))


def refresh_job(project: Project, table: str) -> dg.JobDefinition:
    """The refresh of a table by name, and of every table downstream of it whose turn it is."""
    description = f"Refresh {table} and what is downstream of it with what is new"
    return _job(project, _Plan(refresh_job_name(table), description, (table, *project.downstream(table)), (table,)))


def daily_job(project: Project) -> dg.JobDefinition:
    """Every source and table, bronze to gold, and then the checks of every table as it is."""
    description = "Every source and table with what is new, bronze to gold, then the checks of every table whole"
    return _job(project, _Plan(DAILY_JOB, description, (*project.sources, *project.tables), has_checks=True))


def _job(project: Project, plan: _Plan) -> dg.JobDefinition:
    inputs = {name: [each for each in project.tables[name].inputs if each in plan.names] if name in project.tables else [] for name in plan.names}
    nodes: list[dg.OpDefinition] = []
    # Within the job a step is called like its table; the op's own name must be unique in the whole project.
    dependencies: dict[dg.NodeInvocation, dict[str, dg.DependencyDefinition]] = {}

    def add(op: dg.OpDefinition, alias: str, needs: dict[str, dg.DependencyDefinition]) -> None:
        nodes.append(op)
        dependencies[dg.NodeInvocation(op.name, alias=alias)] = needs

    for name in plan.names:
        step = step_name(name)
        if name in project.sources:
            add(ingest_op(plan.job, name), step, {})
            add(fault_op(plan.job, name, REFUSED), f"{step}__{REFUSED}", {"text": dg.DependencyDefinition(step, REFUSED)})
            continue
        done = {step_name(each): dg.DependencyDefinition(step_name(each), DONE) for each in inputs[name]}
        add(step_op(plan.job, name, inputs[name], is_named=name in plan.named), step, done)
        if project.tables[name].layer == "silver":
            add(fault_op(plan.job, name, BLOCKED), f"{step}__{BLOCKED}", {"text": dg.DependencyDefinition(step, BLOCKED)})
        if plan.has_checks:
            add(checks_op(plan.job, name), f"{step}__checks", {step: dg.DependencyDefinition(step, DONE)})
    # Dagster types the keys of `dependencies` more widely than a dict allows.
    graph = dg.GraphDefinition(name=plan.job, description=plan.description, node_defs=nodes, dependencies=dict(dependencies))
    return graph.to_job(executor_def=dg.in_process_executor, tags={REFRESHES_TAG: "true"})

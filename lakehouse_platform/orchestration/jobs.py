"""Increments: one job a source, which ingests it and carries what is new through everything downstream. Not here: runs with partitions (assets.py).

An increment is a job of ops, because a run of assets without a partition key fails below a partitioned asset; each op logs its table's events itself.
"""

# Annotations are not postponed here: Dagster looks at that of an op's context itself.

import dagster as dg

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.orchestration.names import increment_job_name, pool, step_name
from lakehouse_platform.orchestration.reporting import report
from lakehouse_platform.orchestration.resources import LAKEHOUSE, LISTENER, Listener
from lakehouse_platform.tables.project import Project


def increment_job(project: Project, source: str) -> dg.JobDefinition:
    """The increment of a source: an op a table, each after the tables that it reads."""
    names = (source, *project.downstream(source))
    inputs = {name: [each for each in project.tables[name].inputs if each in names] if name in project.tables else [] for name in names}
    graph = dg.GraphDefinition(
        name=increment_job_name(source),
        description=f"Ingest {source} and refresh what is downstream of it with what is new",
        node_defs=[_step_op(source, name, inputs[name]) for name in names],
        dependencies={
            # Within the job a step is called like its table; the op's own name must be unique in the whole project.
            dg.NodeInvocation(_op_name(source, name), alias=step_name(name)): {
                step_name(each): dg.DependencyDefinition(step_name(each)) for each in inputs[name]
            }
            for name in names
        },
    )
    return graph.to_job(executor_def=dg.in_process_executor)


def _step_op(source: str, name: str, inputs: list[str]) -> dg.OpDefinition:
    @dg.op(
        name=_op_name(source, name),
        ins={step_name(each): dg.In(dg.Nothing) for each in inputs},
        out=dg.Out(dg.Nothing),
        pool=pool(name),
        required_resource_keys={LAKEHOUSE, LISTENER},
        tags={"table": name},
    )
    def step(context: dg.OpExecutionContext) -> None:
        lakehouse: Lakehouse = context.resources.lakehouse
        listener: Listener = context.resources.listener
        listener(name, None)
        result = run_step(lakehouse, name, run_id=context.run.run_id)
        report(context.instance, lakehouse, name, context.log_event)
        listener(name, result)

    return step


def _op_name(source: str, table: str) -> str:
    return f"{increment_job_name(source)}__{step_name(table)}"

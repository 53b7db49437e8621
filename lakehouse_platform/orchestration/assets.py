"""Tables and sources as assets: one a table, an external one for each source's files. Not here: increments, which are op jobs (jobs.py)."""

# Annotations are not postponed here: Dagster looks at that of an op's context itself.

import re
from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from lakehouse_platform.ingest.source import Source
from lakehouse_platform.medallion.blocks import BatchBlocked
from lakehouse_platform.medallion.history import last_record
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.orchestration.automation import RECOMPUTED_TAG, automation_condition
from lakehouse_platform.orchestration.checks import (
    GATE,
    blocked_outcome,
    check_evaluation,
    check_result,
    check_specs,
    committed_outcomes,
    counted_outcomes,
    gate_outcome,
)
from lakehouse_platform.orchestration.faults import faults_judged
from lakehouse_platform.orchestration.metadata import (
    column_metadata,
    commit_metadata,
    data_version,
    partition_rows,
    reported,
    source_metadata,
    table_metadata,
    table_rows,
)
from lakehouse_platform.orchestration.names import asset_key, increment_job_name, landing_key, pool
from lakehouse_platform.orchestration.partitions import partition_mapping, partitions_definition
from lakehouse_platform.orchestration.reporting import report
from lakehouse_platform.orchestration.resources import LAKEHOUSE
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.project import Project


def definitions_of(project: Project, name: str) -> dg.Definitions:
    """The definitions of one source or table of a project: what its defs.yaml gives, for those who write Python."""
    if name in project.sources:
        return dg.Definitions(assets=[landing_spec(project.sources[name]), source_asset(project.sources[name])])
    return dg.Definitions(assets=[table_asset(project, project.tables[name])])


def landing_spec(source: Source) -> dg.AssetSpec:
    """The files of a source as an external asset: Dagster shows and observes them, others make them."""
    return dg.AssetSpec(
        landing_key(source.name),
        description=f"Files that arrive as {source.attributes.files.path} in the landing folder",
        metadata={"files": source.attributes.files.path},
        group_name="landing",
        owners=_owners(source.attributes.owner),
        kinds={source.attributes.files.format, "file"},
    )


def source_asset(source: Source) -> dg.AssetsDefinition:
    """A bronze table: a run ingests the files that have not been taken yet."""

    @dg.asset(
        key=asset_key(source.name),
        deps=[landing_key(source.name)],
        description=source.attributes.description or None,
        metadata=source_metadata(source),
        group_name="bronze",
        owners=_owners(source.attributes.owner),
        kinds={"deltalake", source.attributes.files.format},
        tags={"layer": "bronze"},
        pool=pool(source.name),
        required_resource_keys={LAKEHOUSE},
    )
    def bronze(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows the bare class only
        return _materialize(context, source.name, None, None)

    return bronze


def table_asset(project: Project, table: Table) -> dg.AssetsDefinition:
    """A silver or gold table: a run with partitions recomputes them; one of a table without partitions takes in what changed."""

    @dg.asset(
        key=asset_key(table.name),
        deps=_dependencies(project, table),
        description=table.contract.description or None,
        metadata=table_metadata(table),
        group_name=table.layer,
        owners=_owners(table.contract.owner),
        kinds={"deltalake", "duckdb" if table.attributes.engine == "auto" else table.attributes.engine},
        tags={"layer": table.layer, **({"domain": _tag_value(table.contract.domain)} if table.contract.domain else {})},
        code_version=table.code_version or None,
        partitions_def=partitions_definition(table),
        backfill_policy=dg.BackfillPolicy.single_run() if table.attributes.partitions else None,
        automation_condition=automation_condition(project, table),
        freshness_policy=_freshness(table),
        check_specs=check_specs(table),
        pool=pool(table.name),
        required_resource_keys={LAKEHOUSE},
    )
    def refresh(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows the bare class only
        if table.attributes.partitions is not None and not (context.has_partition_key or context.has_partition_key_range):
            jobs = " or ".join(increment_job_name(source) for source in project.source_of(table.name))
            raise LakehouseError(f"{table.name} is recomputed by partitions: choose some, or launch the job {jobs} for what is new")
        partitions = list(context.partition_keys) if table.attributes.partitions is not None else None
        return _materialize(context, table.name, table, partitions)

    return refresh


def _materialize(context: dg.AssetExecutionContext, name: str, table: Table | None, partitions: list[str] | None) -> dg.MaterializeResult[None]:
    lakehouse: Lakehouse = context.resources.lakehouse
    context.instance.add_run_tags(context.run.run_id, {RECOMPUTED_TAG: "true"})
    with faults_judged(context, lakehouse.settings):
        report(context.instance, lakehouse, name, context.log_event)
        try:
            result = run_step(lakehouse, name, run_id=context.run.run_id, partitions=partitions)
        except BatchBlocked as blocked:
            context.log_event(check_evaluation(name, blocked_outcome(blocked.block)))
            raise
        snapshot = lakehouse.snapshot(name, result.version)
        if snapshot is None:
            raise LakehouseError(f"{name} does not exist yet: its input has no rows. Land files and launch an increment first")
    mark, ordered = reported(snapshot.table_id, snapshot.version), sorted(partitions or ())
    for partition in ordered:
        # The last partition bears the mark of this version: a log that stops before it is taken up again from the version before.
        marked = mark if partition == ordered[-1] else reported(snapshot.table_id, snapshot.version - 1)
        context.add_asset_metadata({**partition_rows(_rows_in(result, partition)), **marked}, partition_key=partition)
    return dg.MaterializeResult(
        metadata={
            **(commit_metadata(result.record, snapshot.version, lakehouse.location(name)) if result.record else {"delta_version": snapshot.version}),
            **(column_metadata(table) if table is not None else {}),
            **({**table_rows(snapshot.rows), **mark} if partitions is None else {}),
        },
        data_version=dg.DataVersion(data_version(snapshot.table_id, snapshot.version)),
        check_results=[] if table is None else list(_check_results(lakehouse, table, result, partitions)),
    )


def _check_results(lakehouse: Lakehouse, table: Table, result: StepResult, partitions: list[str] | None) -> Iterable[dg.AssetCheckResult]:
    # Dagster wants a result of each check, also of those of a commit where there was nothing to commit, and of a gate that was not asked.
    record = result.record or last_record(lakehouse, table.name)
    counted = list(counted_outcomes(table, record)) if record is not None else []
    yield from (check_result(table.name, outcome) for outcome in counted)
    if table.layer == "silver" and not any(outcome.check.name == GATE for outcome in counted):
        yield check_result(table.name, gate_outcome(lakehouse, table))
    yield from (check_result(table.name, outcome) for outcome in committed_outcomes(lakehouse, table, partitions))


def _rows_in(result: StepResult, partition: str) -> int:
    return result.record.partitions.get(partition, 0) if result.record is not None else 0


def _dependencies(project: Project, table: Table) -> list[dg.AssetDep]:
    mappings = {name: partition_mapping(table, project.tables[name]) for name in table.inputs if name in project.tables}
    return [dg.AssetDep(asset_key(name), partition_mapping=mappings.get(name)) for name in table.inputs]


def _freshness(table: Table) -> dg.FreshnessPolicy | None:
    seconds = table.contract.freshness_seconds
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(seconds=max(seconds, 60))) if seconds is not None else None


def _tag_value(text: str) -> str:
    """A contract's free text in the characters that Dagster allows in a tag."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:63]


def _owners(owner: str | None) -> list[str] | None:
    if not owner:
        return None
    return [owner if "@" in owner or owner.startswith("team:") else f"team:{owner}"]

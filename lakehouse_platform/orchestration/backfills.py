"""Which partitions a backfill takes, and how many at once. Not here: running them (runs.py), what a run does with them (assets.py)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.orchestration.names import asset_key
from lakehouse_platform.orchestration.partitions import keys_between, keys_of, partitions_definition, unknown_keys
from lakehouse_platform.orchestration.reporting import report
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.periods import LONGEST_HOURS, key_of, last_of, start_at, start_of


class Only(StrEnum):
    """Which partitions of those named are recomputed."""

    MISSING = "missing"
    FAILED = "failed"


@dataclass(frozen=True)
class Wanted:
    """Partitions that someone named: single ones by a day or hour of theirs, or all from the first to the last of a range.

    A range without a first begins where the table does; without a last it ends with the last partition that has rows. `only` takes
    those of them that were never materialised, or whose last attempt failed.
    """

    keys: Collection[str] | None = None
    first: str | None = None
    last: str | None = None
    only: Only | None = None


def chosen(instance: dg.DagsterInstance, lakehouse: Lakehouse, table: Table, wanted: Wanted) -> list[str]:
    """The partitions of a table to recompute. Raises LakehouseError where some that are named do not exist, and where a range holds none."""
    definition = partitions_definition(table)
    assert definition is not None
    named = _named(lakehouse, table, definition, wanted)
    if wanted.only is None or not named:
        return named
    # What was committed and not told yet, by a run that was killed, is there too.
    report(instance, lakehouse, table.name, instance.report_runless_asset_event)
    if wanted.only is Only.MISSING:
        there = instance.get_materialized_partitions(asset_key(table.name))
        return [key for key in named if key not in there]
    statuses = instance.get_status_by_partition(asset_key(table.name), named, definition) or {}
    return [key for key in named if statuses.get(key) is AssetPartitionStatus.FAILED]


def throttled(definitions: dg.Definitions, at_most: int | None) -> dg.Definitions:
    """The definitions with backfills of at most so many partitions a run, where there is a limit: a table's pool lets one run at a time."""
    if at_most is None:
        return definitions
    policy = dg.BackfillPolicy.multi_run(max_partitions_per_run=at_most)
    limited = [
        asset.with_attributes(backfill_policy=policy) if isinstance(asset, dg.AssetsDefinition) and asset.partitions_def is not None else asset
        for asset in definitions.assets or ()
    ]
    return dg.Definitions(
        assets=limited,
        asset_checks=definitions.asset_checks,
        schedules=definitions.schedules,
        sensors=definitions.sensors,
        jobs=definitions.jobs,
        resources=definitions.resources,
        executor=definitions.executor,
        loggers=definitions.loggers,
        metadata=definitions.metadata,
        component_tree=definitions.component_tree,
    )


def _named(lakehouse: Lakehouse, table: Table, definition: dg.TimeWindowPartitionsDefinition, wanted: Wanted) -> list[str]:
    if wanted.keys is not None:
        keys = sorted({key for text in wanted.keys for key in keys_of(definition, text)})
        if unknown := unknown_keys(definition, keys):
            first, last = definition.get_first_partition_key(), definition.get_last_partition_key()
            raise LakehouseError(f"{table.name} has no partition {', '.join(unknown[:3])}: they go from {first or '-'} to {last or '-'}")
        return keys
    last = wanted.last
    if last is None and wanted.only is not Only.FAILED and table.inputs:
        last = _last_with_rows(lakehouse, table)
        if last is None:
            raise LakehouseError(f"{table.name} and what it reads hold no rows yet, so there is no last partition: say which, with --to")
    found = keys_between(definition, wanted.first, last)
    if not found and wanted.only is None:
        raise LakehouseError(f"{table.name} has no partition from {wanted.first or 'its start'} to {last}")
    return found


def _last_with_rows(lakehouse: Lakehouse, table: Table) -> str | None:
    """The last partition that rows of the table lie in, or would by the partitions of its driving input."""
    partitions = table.attributes.partitions
    assert partitions is not None
    moments = [_last_moment(lakehouse, table)]
    driving = lakehouse.project.tables.get(str(table.driving))
    if driving is not None and driving.name in table.windows:
        shift, last = table.windows[driving.name].first, _last_moment(lakehouse, driving)
        moments.append(last and last - timedelta(hours=shift.hours + shift.months * LONGEST_HOURS["month"]))
    known = [moment for moment in moments if moment is not None]
    return key_of(start_of(max(known), partitions.grain), partitions.grain) if known else None


def _last_moment(lakehouse: Lakehouse, table: Table) -> datetime | None:
    """The last moment of the last partition in which a table has rows."""
    snapshot, column, partitions = lakehouse.snapshot(table.name), table.partition_column, table.attributes.partitions
    if snapshot is None or column is None or partitions is None:
        return None
    keys = [value for file in snapshot.files if (value := file.partition_values.get(column)) is not None]
    return last_of(start_at(max(keys), partitions.grain), partitions.grain) if keys else None

"""The one way to run a table's step, whatever its kind: Dagster, the CLI and the tests all call this."""

from __future__ import annotations

from collections.abc import Collection

from lakehouse_platform.medallion import bronze, dimension, gold, silver
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.periods import start_at

_KEYS = {"hour": "an hour, YYYY-MM-DD-HH:00", "day": "a day, YYYY-MM-DD", "week": "the Monday of a week", "month": "the first day of a month"}


def run_step(lakehouse: Lakehouse, name: str, *, run_id: str, partitions: Collection[str] | None = None) -> StepResult:
    """Bring one table up to its inputs, or, with `partitions`, recompute exactly those. Raises LakehouseError or CommitRetriesExhausted."""
    if name in lakehouse.project.sources:
        if partitions is not None:
            raise LakehouseError(f"{name} has no partitions to recompute: records are ingested once")
        return bronze.ingest(lakehouse, name, run_id=run_id)
    table = lakehouse.project.tables[name]
    _refuse_no_keys(table, partitions or ())
    if table.layer == "silver":
        return silver.refresh(lakehouse, name, run_id=run_id, partitions=partitions)
    if table.refresh in (Refresh.SCD1, Refresh.SCD2):
        if partitions is not None:
            raise LakehouseError(f"{name} has no partitions; refresh it without naming any")
        return dimension.refresh(lakehouse, name, run_id=run_id)
    return gold.refresh(lakehouse, name, run_id=run_id, partitions=partitions)


def _refuse_no_keys(table: Table, keys: Collection[str]) -> None:
    """A text that is no partition's key would pass for one that has no rows."""
    if table.attributes.partitions is None:
        return
    unit = table.attributes.partitions.grain
    for key in keys:
        try:
            start_at(key, unit)
        except ValueError:
            raise LakehouseError(f"{table.name} has no partition {key!r}: give {_KEYS[unit]}") from None

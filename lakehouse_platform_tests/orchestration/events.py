"""What Dagster shows of an asset: its materialised partitions, their metadata, its checks."""

from __future__ import annotations

from typing import Any

import dagster as dg

from lakehouse_platform.orchestration.names import asset_key


def materialized(instance: dg.DagsterInstance, table: str) -> dict[str | None, dict[str, Any]]:
    """The latest metadata of each materialised partition of a table; the key is None where it has none."""
    found: dict[str | None, dict[str, Any]] = {}
    for record in instance.fetch_materializations(asset_key(table), 1000).records:
        event = record.asset_materialization
        assert event is not None
        found.setdefault(event.partition, {name: value.value for name, value in event.metadata.items()} | {"tags": dict(event.tags or {})})
    return found


def materializations(instance: dg.DagsterInstance, table: str) -> int:
    """How many materialisations have been logged."""
    return len(instance.fetch_materializations(asset_key(table), 1000).records)


def check(instance: dg.DagsterInstance, table: str, name: str) -> tuple[bool, dict[str, Any]]:
    """Whether the latest evaluation of a check passed, and its metadata."""
    record = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(asset_key(table), name), limit=1)[0]
    assert record.event is not None and record.event.dagster_event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    return evaluation.passed, {name: value.value for name, value in evaluation.metadata.items()}

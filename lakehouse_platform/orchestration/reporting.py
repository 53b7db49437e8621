"""Dagster's events of what the Delta logs say was committed: logged after each commit, and found again after a kill in between (PROTOCOLS 3.4).

Every event bears the last version that is wholly reported once it is stored, so a log that stops half-way is taken up at the right commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.medallion.history import Version, versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.orchestration.checks import check_evaluation, committed_outcomes, counted_outcomes
from lakehouse_platform.orchestration.metadata import (
    DATA_VERSION_TAG,
    REPORTED,
    Metadata,
    column_metadata,
    commit_metadata,
    data_version,
    partition_rows,
    reported,
    table_rows,
)
from lakehouse_platform.orchestration.names import asset_key

Event = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation

# The mark stands on every event of ours; others (reported by hand, by other tools) are looked past this far.
_EVENTS_LOOKED_AT = 20


def report(instance: dg.DagsterInstance, lakehouse: Lakehouse, table: str, log: Callable[[Any], None]) -> None:
    """Log what a table's log has beyond what Dagster knows, and how the partitions that it touched stand to the contract now."""
    events = list(unreported(instance, lakehouse, table))
    known = lakehouse.project.tables.get(table)
    if events and known is not None:
        # Checks come first: once the last event is stored, the commit counts as reported and nobody comes back for them.
        touched = {event.partition for event in events if isinstance(event, dg.AssetMaterialization) and event.partition is not None}
        for outcome in committed_outcomes(lakehouse, known, touched if known.attributes.partitions is not None else None):
            log(check_evaluation(table, outcome))
    for event in events:
        log(event)


def unreported(instance: dg.DagsterInstance, lakehouse: Lakehouse, table: str) -> Iterator[Event]:
    """The events of every commit of a table that Dagster does not know of yet, oldest first."""
    snapshot = lakehouse.snapshot(table)
    if snapshot is None:
        return
    last = reported_through(instance, table, snapshot.table_id)
    for version in versions_since(lakehouse, table, last):
        if version.record is not None:
            yield from commit_events(lakehouse, table, snapshot.table_id, version, version.record)


def commit_events(lakehouse: Lakehouse, table: str, table_id: str, version: Version, record: CommitRecord) -> Iterator[Event]:
    """One commit's checks, and a materialisation of each partition that it touched, or of the table where it has none."""
    known = lakehouse.project.tables.get(table)
    if known is not None:
        yield from (check_evaluation(table, outcome) for outcome in counted_outcomes(known, record))
    columns = column_metadata(known) if known is not None else {}
    metadata = {**commit_metadata(record, version.version, lakehouse.location(table)), **columns}
    key, tags = asset_key(table), {DATA_VERSION_TAG: data_version(table_id, version.version)}
    if known is None or known.attributes.partitions is None:
        yield dg.AssetMaterialization(key, metadata={**metadata, **table_rows(record.rows), **reported(table_id, version.version)}, tags=tags)
        return
    if not record.partitions:
        yield dg.AssetObservation(key, metadata={**metadata, **reported(table_id, version.version)})
    for partition, marked in _marked(record, table_id, version.version):
        rows = partition_rows(record.partitions[partition])
        yield dg.AssetMaterialization(key, metadata={**metadata, **rows, **marked}, partition=partition, tags=tags)


def is_reported(instance: dg.DagsterInstance, lakehouse: Lakehouse, table: str, snapshot: Snapshot) -> bool:
    """Whether Dagster has all events of a table up to a snapshot. Commits of other tools and of upkeep have none."""
    last = reported_through(instance, table, snapshot.table_id)
    return last >= snapshot.version or not any(version.record for version in versions_since(lakehouse, table, last))


def reported_through(instance: dg.DagsterInstance, table: str, table_id: str) -> int:
    """The last version of a table that Dagster has all events of; -1 when it knows none."""
    key = asset_key(table)
    records = [*instance.fetch_materializations(key, _EVENTS_LOOKED_AT).records, *instance.fetch_observations(key, _EVENTS_LOOKED_AT).records]
    found = -1
    for record in records:
        event = record.asset_materialization or record.event_log_entry.asset_observation
        mark = event.metadata.get(REPORTED) if event is not None else None
        version, _, marked_id = str(mark.value if mark else "").removeprefix("delta:").partition("@")
        if marked_id == table_id:
            found = max(found, int(version))
    return found


def _marked(record: CommitRecord, table_id: str, version: int) -> Iterator[tuple[str, Metadata]]:
    partitions = sorted(record.partitions)
    for partition in partitions:
        yield partition, reported(table_id, version if partition == partitions[-1] else version - 1)

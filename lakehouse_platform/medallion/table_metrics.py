"""What maintenance did to each table, in `system/table_metrics`. Not here: maintaining (upkeep.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.writes.tables import append

TABLE_METRICS = "system/table_metrics"


@dataclass(frozen=True)
class Metrics:
    """One maintenance of a table. Files and bytes are those of its newest version; `packable_files` are small ones that could be packed.

    `deleted_files` and their bytes stood in storage for versions that are given up; `removed_commits` are gone from the log, which tells from
    `first_version` on; versions from `oldest_version` on can be read. `reason` is why less than a week was enough.
    """

    table_name: str
    table_id: str
    run_id: str
    maintained_timestamp: datetime
    version_before: int
    version_after: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    packable_files_before: int
    packable_files_after: int
    deleted_files: int
    deleted_bytes: int
    removed_commits: int
    first_version: int
    oldest_version: int
    reason: str | None = None


_COLUMNS = tuple(field.name for field in fields(Metrics))


def note(lakehouse: Lakehouse, session: Session, metrics: Metrics) -> None:
    """Add a row; a run that is tried again adds it once for each table and version."""
    values = ", ".join(f"{_typed(name, getattr(metrics, name))} AS {name}" for name in _COLUMNS)
    transaction = (f"maintained:{metrics.run_id}:{metrics.table_name}", metrics.version_after)
    append(session, lakehouse.location(TABLE_METRICS), f"SELECT {values}", transaction=transaction, tries=lakehouse.settings.commit_tries)


def noted(lakehouse: Lakehouse, session: Session, run_id: str) -> list[Metrics]:
    """What a run did, in the order in which it did it."""
    snapshot = lakehouse.snapshot(TABLE_METRICS)
    if snapshot is None:
        return []
    rows = session.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM ({snapshot_scan(snapshot)}) WHERE run_id = {literal(run_id)} ORDER BY maintained_timestamp"
    )
    return [Metrics(*row) for row in rows]


def maintained_through(lakehouse: Lakehouse, session: Session) -> Mapping[tuple[str, str], int]:
    """The version that the last maintenance left, by table and its id."""
    snapshot = lakehouse.snapshot(TABLE_METRICS)
    if snapshot is None:
        return {}
    rows = session.rows(f"SELECT table_name, table_id, max(version_after) FROM ({snapshot_scan(snapshot)}) GROUP BY ALL")
    return {(name, table_id): version for name, table_id, version in rows}


def _typed(name: str, value: object) -> str:
    if isinstance(value, int):
        return f"CAST({value} AS BIGINT)"
    if name == "reason":
        return f"CAST({literal(value)} AS VARCHAR)"  # type: ignore[arg-type]
    return literal(value)  # type: ignore[arg-type]

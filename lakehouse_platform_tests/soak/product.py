"""Carries an operation out on the platform's own writers and readers. Not here: which operation, and what becomes of what they answer (worker.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse_platform.contracts.types import BIGINT, STRING
from lakehouse_platform.delta.commit import create_table
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.delta.upkeep import clean_log
from lakehouse_platform.delta.vacuum import LEAST_RETENTION_HOURS, vacuum
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes import tables
from lakehouse_platform.writes.change import Options, Written
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform_tests.soak.checker import digest
from lakehouse_platform_tests.soak.operations import Append, Clean, Delete, Operation, Optimise, Read, Replace, Restore, Row, Upsert, Vacuum

COLUMNS = (Field("key", BIGINT, nullable=False), Field("part", STRING, nullable=False), Field("value", BIGINT), Field("mark", STRING))
# More than writes meet where each has its turn; eight writers of two tables lose races by the dozen.
TRIES = 25
_TARGET_BYTES = 1_000_000
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Answer:
    """What the platform said: the version, whether the transaction had been committed before, and the digest of the rows that were read."""

    version: int | None
    is_known: bool = False
    digest: str | None = None


def make_table(location: str) -> None:
    """The empty table that all operations are for."""
    create_table(location, COLUMNS, ["part"])


def newest_version(location: str) -> int:
    """The version that a reader finds."""
    return _opened(location).version


def perform(session: Session, location: str, invocation: str, operation: Operation, retention_seconds: float) -> Answer:
    """Do it; the commit says which invocation it is."""
    metadata = {"invocation": invocation}
    match operation:
        case Append() | Upsert() | Replace() | Delete():
            written = _written(session, location, operation, {"metadata": metadata, "transaction": operation.transaction, "tries": TRIES})
            return Answer(written.version, written.was_known)
        case Restore():
            return Answer(with_retries(lambda: restore(_opened(location), operation.version, metadata=metadata), TRIES))
        case Optimise():
            optimize(session, location, target_file_bytes=_TARGET_BYTES, small_file_bytes=_TARGET_BYTES)
            return Answer(None)
        case Vacuum():
            vacuum(location, retention_hours=retention_seconds / _SECONDS_PER_HOUR, reason="a test")
            return Answer(None)
        case Clean():
            # Commits are kept for a week at least; to this call it is later than to the others, by a week less the run's own retention.
            later = datetime.now(UTC) + timedelta(hours=LEAST_RETENTION_HOURS) - timedelta(seconds=retention_seconds)
            clean_log(location, keep_from_version=newest_version(location), log_retention_hours=LEAST_RETENTION_HOURS, now=later)
            return Answer(None)
        case Read():
            snapshot = _opened(location, operation.version)
            rows = session.rows(f"SELECT key, part, value, mark FROM ({snapshot_scan(snapshot)})")
            return Answer(snapshot.version, digest=digest(Row(*row) for row in rows))


def _written(session: Session, location: str, operation: Append | Upsert | Replace | Delete, options: Options) -> Written:
    match operation:
        case Append():
            return tables.append(session, location, _sql(operation.rows), **options)
        case Upsert():
            return tables.upsert(session, location, _sql(operation.rows), ["key"], **options)
        case Replace():
            return tables.replace_partitions(session, location, _sql(operation.rows), [{"part": part} for part in operation.parts], **options)
        case Delete():
            return tables.delete(session, location, operation.condition, **options)


def _opened(location: str, version: int | None = None) -> Snapshot:
    snapshot = open_snapshot(location, version)
    if snapshot is None:
        raise LakehouseError(f"{location} is no table")
    return snapshot


def _sql(rows: Sequence[Row]) -> str:
    values = ", ".join(f"({row.key}, {literal(row.part)}, {row.value}, {literal(row.mark)})" for row in rows)
    return f"SELECT key::BIGINT AS key, part, value::BIGINT AS value, mark FROM (VALUES {values}) AS given(key, part, value, mark)"

"""What a table's own log tells of its past: the records of its commits. Not here: what Dagster or the books make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lakehouse_platform.delta.log import commits
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import CommitRecord, record_of


@dataclass(frozen=True)
class Version:
    """One version of a table; `record` is None where another tool or an upkeep commit made it."""

    version: int
    timestamp_ms: int
    operation: str
    record: CommitRecord | None


def versions_since(lakehouse: Lakehouse, table: str, version: int = -1) -> Iterator[Version]:
    """The versions of a table after one, in order; none where the table does not exist."""
    for entry in commits(lakehouse.location(table), version):
        yield Version(entry.version, entry.timestamp_ms, entry.operation, record_of(entry.metadata))


def last_record(lakehouse: Lakehouse, table: str) -> CommitRecord | None:
    """The latest record in a table's log; None where no step has committed, or its commits are gone from the log."""
    records = [version.record for version in versions_since(lakehouse, table) if version.record is not None]
    return records[-1] if records else None


def rebuilt_at(steps: Sequence[str]) -> int:
    """The place of the last rebuild among the steps of a table, which started it again from nothing; 0 where there was none."""
    return max((place for place, step in enumerate(steps) if step == "rebuild"), default=0)

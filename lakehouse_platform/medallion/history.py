"""What a table's own log tells of its past: the records of its commits. Not here: what Dagster or the books make of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakehouse_platform.delta.actions import MAINTENANCE
from lakehouse_platform.delta.log import commits
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import CommitRecord, record_of


@dataclass(frozen=True)
class Version:
    """One version of a table; `record` is None where another tool or an upkeep commit made it, and `metadata` all that the commit says of itself."""

    version: int
    timestamp_ms: int
    operation: str
    record: CommitRecord | None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_upkeep(self) -> bool:
        """Whether it left every row as it was: files rearranged or deleted."""
        return MAINTENANCE in self.metadata


def versions_since(lakehouse: Lakehouse, table: str, version: int = -1) -> Iterator[Version]:
    """The versions of a table after one, in order; none where the table does not exist."""
    for entry in commits(lakehouse.location(table), version):
        yield Version(entry.version, entry.timestamp_ms, entry.operation, record_of(entry.metadata), entry.metadata)


def last_record(lakehouse: Lakehouse, table: str) -> CommitRecord | None:
    """The latest record in a table's log; None where no step has committed, or its commits are gone from the log."""
    return next(records_backwards(lakehouse, table), None)


def records_backwards(lakehouse: Lakehouse, table: str) -> Iterator[CommitRecord]:
    """The records in a table's log, the latest first: who needs only some of them reads no more of the log."""
    return (version.record for version in versions_backwards(lakehouse, table) if version.record is not None)


def versions_backwards(lakehouse: Lakehouse, table: str) -> Iterator[Version]:
    """The versions of a table, the latest first."""
    for entry in commits(lakehouse.location(table), newest_first=True):
        yield Version(entry.version, entry.timestamp_ms, entry.operation, record_of(entry.metadata), entry.metadata)


@dataclass(frozen=True)
class Past:
    """A commit as far as it decides which others count; `restored_version` is the one that a restore went back to."""

    version: int
    step: str
    restored_version: int | None = None


def standing(past: Sequence[Past]) -> list[int]:
    """The places of the commits, given in order, that a table is made of: none before its last rebuild, none that a restore took back."""
    before: list[int | None] = []
    last: int | None = None
    lasts: list[int | None] = []
    for place, commit in enumerate(past):
        before.append(None if commit.step == "rebuild" else last)
        if commit.step == "restore":
            older = [index for index in range(place) if past[index].version <= (commit.restored_version or 0)]
            last = lasts[older[-1]] if older else None
        else:
            last = place
        lasts.append(last)
    places = []
    while last is not None:
        places.append(last)
        last = before[last]
    return places[::-1]

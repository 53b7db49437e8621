"""What a table's state asks of maintenance: files, how many are small, commits since the last time. Not here: whether that is too much (policy)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse_platform.delta.actions import MAINTENANCE
from lakehouse_platform.delta.clustering import clustering_of
from lakehouse_platform.delta.integrity import log_state
from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.delta.tags import pinned_versions

Partition = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class TableState:
    """A table as maintenance finds it; sizes in bytes of parquet.

    `rows` is None where a file does not tell its rows. `small_files` counts, by partition, the files below the size asked about where there are two
    or more. `versions` is how many commits the log has from `first_version` on. `commits_since` counts those that changed rows after the last one
    of maintenance, which was `last_maintained`; None where the log has none.
    """

    version: int
    files: int
    size_bytes: int
    rows: int | None
    small_files: Mapping[Partition, int]
    clustered_by: tuple[str, ...]
    first_version: int
    versions: int
    checkpoint: int | None
    commits_since: int
    last_maintained: int | None
    pinned: frozenset[int]

    @property
    def small(self) -> int:
        """All files that could be packed with others."""
        return sum(self.small_files.values())


def inspect_table(location: str, small_file_bytes: int) -> TableState | None:
    """The state of a table; None where there is none. Reads the log back to the last maintenance, and no data."""
    snapshot, log = open_snapshot(location), log_state(location)
    if snapshot is None or log is None:
        return None
    small = Counter(tuple(sorted(file.partition_values.items())) for file in snapshot.files if file.size_bytes < small_file_bytes)
    since, last = _since_maintenance(snapshot.location)
    rows = [file.rows for file in snapshot.files]
    return TableState(
        version=snapshot.version,
        files=len(snapshot.files),
        size_bytes=sum(file.size_bytes for file in snapshot.files),
        rows=None if None in rows else sum(count or 0 for count in rows),
        small_files={partition: count for partition, count in small.items() if count > 1},
        clustered_by=clustering_of(snapshot),
        first_version=log.first,
        versions=log.last - log.first + 1,
        checkpoint=log.checkpoint,
        commits_since=since,
        last_maintained=last,
        pinned=pinned_versions(snapshot.location),
    )


def _since_maintenance(location: str) -> tuple[int, int | None]:
    """How many commits with rows came after the last rearrangement, and its version."""
    count = 0
    for commit in commits(location, newest_first=True):
        if commit.metadata.get(MAINTENANCE) in ("optimize", "zorder"):
            return count, commit.version
        count += commit.has_data_change
    return count, None

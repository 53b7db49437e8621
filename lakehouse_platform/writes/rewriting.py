"""Rewrites files of a table without some of their rows and with others in their place, group by group. Not here: which rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.engine.duckdb import Session

# As much as a new file holds: neighbours stay together, small ones become one, and what a try holds in memory is bounded.
GROUP_BYTES = 256_000_000


def grouped(files: Iterable[DataFile], group_bytes: int = GROUP_BYTES) -> list[tuple[DataFile, ...]]:
    """Files in groups of about so many bytes, partition by partition, and within one in the table's order."""
    ordered = sorted(files, key=lambda file: [value or "" for value in file.partition_values.values()])
    groups: list[list[DataFile]] = []
    size_bytes = group_bytes
    for file in ordered:
        if size_bytes + file.size_bytes > group_bytes:
            groups.append([])
            size_bytes = 0
        groups[-1].append(file)
        size_bytes += file.size_bytes
    return [tuple(group) for group in groups]


def rewritten(
    session: Session, target: Snapshot, groups: Sequence[Sequence[DataFile]], rows: Callable[[int, Sequence[DataFile]], str]
) -> list[WrittenFile]:
    """New files for each group of files; `rows` gives the SQL of the rows that a group, by its number, is to hold."""
    return [file for number, files in enumerate(groups) for file in session.write(rows(number, files), target.location, target.partition_columns)]

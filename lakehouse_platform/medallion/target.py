"""The table that a step writes: created when it is not there, and what a commit does to its partitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lakehouse_platform.delta.creation import open_or_create
from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import partition_columns, stored_fields


def ensure_table(lakehouse: Lakehouse, table: Table) -> Snapshot:
    """The table as it is, created empty where there is none."""
    return open_or_create(lakehouse.location(table.name), stored_fields(table), partition_columns(table))


def written_as_files(location: str, written: Iterable[WrittenFile]) -> tuple[DataFile, ...]:
    """Files just written, as a reader takes them before they are committed."""
    return tuple(DataFile(file.path, f"{location}/{file.path}", file.partition_values, file.size_bytes, file.rows) for file in written)


def partition_rows(table: Table, target: Snapshot, added: Sequence[WrittenFile], removed: Sequence[DataFile]) -> dict[str, int]:
    """Rows after the commit of each partition that it touches; 0 where it leaves one empty. Empty for a table without partitions."""
    column = table.partition_column
    if column is None:
        return {}
    changed: list[DataFile | WrittenFile] = [*added, *removed]
    touched = {str(file.partition_values[column]) for file in changed}
    gone = {file.path for file in removed}
    rows = dict.fromkeys(sorted(touched), 0)
    standing: list[DataFile | WrittenFile] = [file for file in target.files if file.path not in gone]
    for file in [*standing, *added]:
        key = str(file.partition_values[column])
        if key in touched:
            rows[key] += file.rows or 0
    return rows

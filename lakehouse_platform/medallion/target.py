"""The table that a step writes: created when it is not there, and what a commit does to its partitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lakehouse_platform.delta.creation import open_or_create
from lakehouse_platform.delta.files import DataFile, Field, Snapshot, WrittenFile
from lakehouse_platform.delta.properties import keep_properties, of_creation
from lakehouse_platform.engine.scan import scan, written_as_files
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import partition_columns, stored_fields


def ensure_table(lakehouse: Lakehouse, table: Table) -> Snapshot:
    """The table as it is, created empty where there is none. Raises LakehouseError where its files lie in other partitions than the contract's."""
    properties = table.attributes.properties
    location = lakehouse.location(table.name)
    target = open_or_create(location, stored_fields(table), partition_columns(table), configuration=of_creation(properties))
    if target.partition_columns != partition_columns(table):
        before, after = (", ".join(columns) or "nothing" for columns in (target.partition_columns, partition_columns(table)))
        raise LakehouseError(
            f"{table.name} is partitioned by {before} and its contract says {after}, which no commit can change. Put it back, "
            f"or remove {target.location} and what stands beside it, and materialize it anew (docs/operations.md, Changing a table)"
        )
    return keep_properties(target, properties)


def refuse_other_columns(table: Table, target: Snapshot) -> None:
    """Raise LakehouseError where new rows cannot stand beside those that are there: the contract's columns are others than the table's."""
    stored, wanted = ({field.name: field for field in fields} for fields in (target.columns, stored_fields(table)))
    misfits = sorted(name for name in stored.keys() | wanted.keys() if not _fits(stored.get(name), wanted.get(name)))
    if misfits:
        raise LakehouseError(
            f"{table.name}: its contract changed {', '.join(misfits)}, and new rows cannot stand beside those of the old columns; "
            f"nothing was committed. Run `lakehouse rebuild {table.name}`, or put the contract back"
        )


def _fits(stored: Field | None, wanted: Field | None) -> bool:
    # A column that became required is stored as one that may be null until the table is rebuilt: no reader is misled.
    return stored is not None and wanted is not None and stored.type == wanted.type and (stored.nullable or not wanted.nullable)


def written_rows(table: Table, location: str, written: Iterable[WrittenFile]) -> str:
    """SQL of the rows of files just written for a table, in the contract's columns, which may be others than the table's until they are committed."""
    return scan(stored_fields(table), partition_columns(table), written_as_files(location, written))


def partition_rows(table: Table, target: Snapshot, added: Sequence[DataFile | WrittenFile], removed: Sequence[DataFile]) -> dict[str, int]:
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

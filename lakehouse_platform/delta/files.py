"""The values that pass between planning, writing and committing: columns, files and snapshots. Nothing here touches storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deltalake.exceptions import DeltaError

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.storage.complaints import told


@dataclass(frozen=True)
class Field:
    """A column as it is stored."""

    name: str
    type: ColumnType
    nullable: bool = True


def same_columns(some: Sequence[Field], others: Sequence[Field]) -> bool:
    """Whether a table of some columns is one of the others, too: their order is of no account."""
    return {(field.name, field.type, field.nullable) for field in some} == {(field.name, field.type, field.nullable) for field in others}


@dataclass(frozen=True)
class WrittenFile:
    """A parquet file that was written but not yet committed.

    `path` is relative to the table, as it stands on disk. `statistics` is DuckDB's RETURN_STATS of the file by column name
    (min, max, null_count, has_nan …, all text); None in `partition_values` is the null partition.
    """

    path: str
    partition_values: Mapping[str, str | None]
    size_bytes: int
    rows: int
    statistics: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class DataFile:
    """A file of a snapshot. `path` is the log's spelling, `uri` what a reader opens.

    `minimums` and `maximums` hold the log's bounds by column, as Python values
    of the column's type (int, float, Decimal, str, date, datetime in UTC); a column without an entry has no bound.
    """

    path: str
    uri: str
    partition_values: Mapping[str, str | None]
    size_bytes: int
    rows: int | None
    minimums: Mapping[str, Any] = field(default_factory=dict)
    maximums: Mapping[str, Any] = field(default_factory=dict)
    null_counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """One version of a table: its columns (partition columns included), files and configuration, fixed once opened.

    `stored_columns` are the columns as the files spell them, in the same order; empty where they spell them the same. `field_ids`: what the
    files call a column or a part of one that is to be found by that id. `has_deletions`: some rows of the files are none of the table's.
    Only foreign tables have any of it (snapshot.open_foreign).
    `handle` is deltalake's own object, for this package alone.
    """

    location: str
    table_id: str
    version: int
    columns: tuple[Field, ...]
    partition_columns: tuple[str, ...]
    configuration: Mapping[str, str]
    files: tuple[DataFile, ...]
    stored_columns: tuple[Field, ...] = ()
    field_ids: Mapping[int, str] = field(default_factory=dict)
    has_deletions: bool = False
    handle: Any = field(default=None, repr=False, compare=False)

    def transaction_version(self, app_id: str) -> int | None:
        """The version last committed under an application id, as of this snapshot; None when there is none. Raises TransientFault.

        deltalake reads the log's files for it, now: storage may fail, or another may have cleaned them up since.
        """
        try:
            version: int | None = self.handle.transaction_version(app_id)
        except (DeltaError, OSError) as error:
            raise told(self.location, error) from error
        return version

    @property
    def rows(self) -> int:
        """Rows of the whole table by its statistics."""
        return sum(file.rows or 0 for file in self.files)

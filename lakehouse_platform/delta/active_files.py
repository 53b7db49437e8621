"""The files of an open table with their partition values and statistics, as delta-rs tells them. Not here: opening it (snapshot.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from deltalake import DeltaTable

from lakehouse_platform.delta.files import DataFile
from lakehouse_platform.storage.stored import is_remote, joined, unwrapped


def uri_of(location: str, path: str) -> str:
    """What a reader opens for a path of the log, which is URL-encoded once more than the name on disk."""
    # That of a file outside the table, as a shallow clone has them, is whole.
    on_disk = unwrapped(unquote(path))
    is_whole = is_remote(on_disk) or (on_disk.startswith("/") and not is_remote(location))
    return on_disk if is_whole else joined(location, on_disk)


def active_files(table: DeltaTable, location: str, *, has_statistics: bool = True) -> tuple[DataFile, ...]:
    """The table's files. `has_statistics`: whether bounds and null counts are told; with column mapping they stand under other columns' names."""
    actions = table.get_add_actions(flatten=True)
    partition_columns = table.metadata().partition_columns
    partition_values = [[_log_text(value) for value in actions.column(f"partition.{name}").to_pylist()] for name in partition_columns]
    columns = _bare_columns(table) if has_statistics else frozenset()
    minimums, maximums, null_counts = (_FileColumns(actions, prefix, columns) for prefix in ("min", "max", "null_count"))
    rows = actions.column("num_records").to_pylist() if "num_records" in actions.column_names else [None] * actions.num_rows
    return tuple(
        DataFile(
            path=path,
            uri=uri_of(location, path),
            partition_values={name: values[index] for name, values in zip(partition_columns, partition_values, strict=True)},
            size_bytes=size_bytes,
            rows=rows[index],
            minimums=_FileValues(minimums, index),
            maximums=_FileValues(maximums, index),
            null_counts=_FileValues(null_counts, index),
        )
        for index, (path, size_bytes) in enumerate(zip(actions.column("path").to_pylist(), actions.column("size_bytes").to_pylist(), strict=True))
    )


def _log_text(value: Any) -> str | None:
    """A partition value as the log spells it."""
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case datetime():
            return value.replace(tzinfo=None).isoformat(sep=" ")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case bytes():
            return value.decode()
        case _:
            return str(value)


def _bare_columns(table: DeltaTable) -> frozenset[str]:
    """Columns whose statistics are told under their name: that of `a.b` may be of the part b of a column a."""
    names = [field.name for field in table.schema().fields]
    return frozenset(name for name in names if not any(name.startswith(f"{other}.") for other in names))


class _FileColumns:
    """One statistic of all files by column, turned into Python values when a column is first asked for: most never are."""

    def __init__(self, actions: Any, prefix: str, columns: frozenset[str]) -> None:
        self._actions = actions
        self._prefix = f"{prefix}."
        told = (name.removeprefix(self._prefix) for name in actions.column_names if name.startswith(self._prefix))
        self.names = tuple(name for name in told if name in columns)
        self._values: dict[str, list[Any]] = {}

    def values(self, name: str) -> list[Any]:
        if name not in self._values:
            column = self._actions.column(self._prefix + name)
            try:
                self._values[name] = column.to_pylist()
            except (ValueError, OverflowError):
                # Days beyond Python's years 1 to 9999, in one file, cost all files their bounds.
                self._values[name] = [None] * len(column)
        return self._values[name]


class _FileValues(Mapping[str, Any]):
    """One file's values of one statistic; columns without one are not in it."""

    __slots__ = ("_columns", "_index")

    def __init__(self, columns: _FileColumns, index: int) -> None:
        self._columns = columns
        self._index = index

    def __getitem__(self, name: str) -> Any:
        value = self._columns.values(name)[self._index] if name in self._columns.names else None
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._columns.names if self._columns.values(name)[self._index] is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))

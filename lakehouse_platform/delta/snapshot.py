"""Opening a version of a table. Not here: changing it (commit.py), reading its history (log.py) or its rows (engine/scan.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.delta.handle import is_table
from lakehouse_platform.delta.opening import open_table
from lakehouse_platform.delta.schema import columns_of
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.storage.complaints import told

_NO_MAPPING = (None, "none")


class VersionGone(LakehouseError):
    """A version of a table that cannot be opened any more, or not yet."""


def open_snapshot(location: str, version: int | None = None) -> Snapshot | None:
    """The table at `location` as of `version`, or as it is now; None only where there is no table."""
    location = location.rstrip("/")
    try:
        table = open_table(location, version)
    except TableNotFoundError as error:
        if version is None or not is_table(location):
            return None
        raise _gone(location, version, error) from error
    except DeltaProtocolError as error:
        raise LakehouseError(f"{location} cannot be read: {error}") from error
    except OSError as error:
        raise told(location, error) from error
    except DeltaError as error:
        if version is None:
            raise TransientFault(f"{location} cannot be opened: {error}") from error
        raise _gone(location, version, error) from error
    metadata = table.metadata()
    _refuse_unreadable(table, location, metadata.configuration)
    return Snapshot(
        location=location,
        table_id=str(metadata.id),
        version=table.version(),
        columns=columns_of(table.schema()),
        partition_columns=tuple(metadata.partition_columns),
        configuration=metadata.configuration,
        files=_files(table, location),
        handle=table,
    )


def uri_of(location: str, path: str) -> str:
    """What a reader opens for a path of the log, which is URL-encoded once more than the name on disk."""
    on_disk = unquote(path)
    return on_disk if "://" in on_disk else f"{location}/{on_disk}"


def _gone(location: str, version: int, error: DeltaError) -> VersionGone:
    return VersionGone(f"{location} has no version {version} to open: it was cleaned up or never existed ({error})")


def _refuse_unreadable(table: DeltaTable, location: str, configuration: Mapping[str, str]) -> None:
    """Refuse what a reader of plain parquet files would read wrong."""
    features = set(table.protocol().reader_features or ())
    if configuration.get("delta.columnMapping.mode") not in _NO_MAPPING:
        features.add("columnMapping")
    if features:
        raise LakehouseError(
            f"{location} uses {', '.join(sorted(features))}, which its parquet files alone do not show: "
            "drop the feature from the table, or copy it into a plain one"
        )


def _files(table: DeltaTable, location: str) -> tuple[DataFile, ...]:
    actions = table.get_add_actions(flatten=True)
    partition_columns = table.metadata().partition_columns
    partition_values = [[_log_text(value) for value in actions.column(f"partition.{name}").to_pylist()] for name in partition_columns]
    minimums, maximums, null_counts = (_FileColumns(actions, prefix) for prefix in ("min", "max", "null_count"))
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
        case _:
            return str(value)


class _FileColumns:
    """One statistic of all files by column, turned into Python values when a column is first asked for: most never are."""

    def __init__(self, actions: Any, prefix: str) -> None:
        self._actions = actions
        self._prefix = f"{prefix}."
        self.names = tuple(name.removeprefix(self._prefix) for name in actions.column_names if name.startswith(self._prefix))
        self._values: dict[str, list[Any]] = {}

    def values(self, name: str) -> list[Any]:
        if name not in self._values:
            self._values[name] = self._actions.column(self._prefix + name).to_pylist()
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

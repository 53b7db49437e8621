"""What the partition keys of a user's asset are in the columns of its table. Not here: the platform's own tables (partitions.py).

A key that does not fit its column is an error: a region that is guessed would replace or leave out rows in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import dagster as dg

from lakehouse_platform.delta.files import Field
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes.regions import Interval, Region

# Types that a table can be partitioned by on disk: their values have one spelling in a path.
_IN_PATHS = ("string", "date", "int", "bigint", "boolean", "decimal")


@dataclass(frozen=True)
class PartitionColumns:
    """An asset's partitions and the column of its table that each dimension stands in (a single dimension is called "").

    `naive` columns hold clock times without a zone: those of the partitions' time zone.
    """

    asset: str
    definition: dg.PartitionsDefinition[Any]
    columns: Mapping[str, str]
    naive: Collection[str] = ()

    @property
    def is_utc(self) -> bool:
        """Whether all times of the partitions are UTC's."""
        dimensions = [self._dimension(name) for name in self.columns]
        return all(each.timezone == "UTC" for each in dimensions if isinstance(each, dg.TimeWindowPartitionsDefinition))

    def regions(self, keys: Sequence[str], fields: Sequence[Field]) -> list[Region]:
        """The regions of some keys: of several dimensions only the cells that are asked for, never the rest of their cross product."""
        types = self._types(fields)
        cells = [self._cell(key) for key in keys]
        dimensions = tuple(self.columns)
        if len(dimensions) == 1:
            return [self._region(dimensions, ([cell[0] for cell in cells],), types)]
        by_first: dict[tuple[str, ...], list[str]] = {}
        for first, *others in cells:
            by_first.setdefault(tuple(others), []).append(first)
        # Cells with the same keys of the first dimension are one region: a month of days and three countries is one, not ninety-three.
        alike: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for other, firsts in by_first.items():
            alike.setdefault(tuple(sorted(set(firsts))), []).append(other)
        return [self._region(dimensions, (firsts, *others), types) for firsts, those in alike.items() for others in _apart(those)]

    def on_disk(self, fields: Sequence[Field]) -> tuple[str, ...]:
        """The columns to partition a new table by: those of which a partition is a single value that a path can spell."""
        types = self._types(fields)
        return tuple(
            name
            for dimension, name in self.columns.items()
            if types[name].type.name in _IN_PATHS and (types[name].type.name != "date" or _is_a_day(self._dimension(dimension)))
        )

    def _types(self, fields: Sequence[Field]) -> dict[str, Field]:
        types = {field.name: field for field in fields}
        for name in self.columns.values():
            if name not in types:
                raise LakehouseError(f"{self.asset}: partition_expr names the column {name!r}, which its rows lack; they have {', '.join(types)}")
        return types

    def _cell(self, key: str) -> tuple[str, ...]:
        if not isinstance(self.definition, dg.MultiPartitionsDefinition):
            return (str(key),)
        found = key if isinstance(key, dg.MultiPartitionKey) else self.definition.get_partition_key_from_str(key)
        return tuple(found.keys_by_dimension[name] for name in self.columns)

    def _dimension(self, name: str) -> dg.PartitionsDefinition[Any]:
        if isinstance(self.definition, dg.MultiPartitionsDefinition):
            return self.definition.get_partitions_def_for_dimension(name)
        return self.definition

    def _region(self, dimensions: Sequence[str], keys: Sequence[Collection[str]], types: Mapping[str, Field]) -> Region:
        return {self.columns[name]: self._intervals(name, those, types[self.columns[name]]) for name, those in zip(dimensions, keys, strict=True)}

    def _intervals(self, dimension: str, keys: Collection[str], column: Field) -> list[Interval]:
        definition, kind = self._dimension(dimension), column.type.name
        if isinstance(definition, dg.TimeWindowPartitionsDefinition) and kind in ("date", "timestamp"):
            windows = [definition.time_window_for_partition_key(key) for key in dict.fromkeys(keys)]
            edges = self._instants if kind == "timestamp" else self._days
            return _joined([edges(window, column.name) for window in windows])
        read = _READ.get(kind)
        if read is None:
            raise LakehouseError(f"{self.asset}: column {column.name!r} is {column.type}, of which no partition is told; take another column")
        is_time = isinstance(definition, dg.TimeWindowPartitionsDefinition)
        values = {self._value(key, read, column, is_time=is_time) for key in keys}
        return [Interval(value, value) for value in sorted(values)]

    def _value(self, key: str, read: Callable[[str], Any], column: Field, *, is_time: bool) -> Any:
        # A time in a column of numbers is written as its digits: 2024-01-31 is 20240131.
        text = "".join(filter(str.isdigit, key)) if is_time and column.type.name in ("int", "bigint") else key
        try:
            return read(text)
        except (ValueError, InvalidOperation) as error:
            raise LakehouseError(f"{self.asset}: the partition key {key!r} is no value of column {column.name!r}, which is {column.type}") from error

    def _instants(self, window: dg.TimeWindow, column: str) -> Interval:
        if column not in self.naive:
            return Interval(window.start.astimezone(UTC), window.end.astimezone(UTC), below=True)
        start, end = window.start.replace(tzinfo=UTC), window.end.replace(tzinfo=UTC)
        if start >= end:
            raise LakehouseError(f"{self.asset}: column {column!r} has no zone, and its clock shows {start:%Y-%m-%d %H:%M} twice; store instants")
        return Interval(start, end, below=True)

    def _days(self, window: dg.TimeWindow, column: str) -> Interval:
        if any(edge.time() != datetime.min.time() for edge in (window.start.replace(tzinfo=None), window.end.replace(tzinfo=None))):
            raise LakehouseError(f"{self.asset}: column {column!r} is a date, and its partitions are no whole days; partition by a timestamp")
        return Interval(window.start.date(), window.end.date() - timedelta(days=1))


def _is_a_day(definition: dg.PartitionsDefinition[Any]) -> bool:
    """Whether a partition is one value of a date."""
    return not isinstance(definition, dg.TimeWindowPartitionsDefinition) or isinstance(definition, dg.DailyPartitionsDefinition)


def _apart(cells: Sequence[tuple[str, ...]]) -> list[tuple[list[str], ...]]:
    """The keys of the other dimensions, as lists whose product is just these cells."""
    if all(len(cell) == 1 for cell in cells):
        return [([cell[0] for cell in cells],)]
    return [tuple([key] for key in cell) for cell in cells]


def _joined(intervals: Sequence[Interval]) -> list[Interval]:
    """Intervals in order, those that follow each other as one."""
    found: list[Interval] = []
    for each in sorted(intervals):
        if found and each.low <= _next(found[-1]):
            found[-1] = Interval(found[-1].low, max(found[-1].high, each.high), each.below)
        else:
            found.append(each)
    return found


def _next(interval: Interval) -> Any:
    return interval.high if interval.below else interval.high + timedelta(days=1)


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse(text)


def _refuse(text: str) -> bool:
    raise ValueError(text)


_READ: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "int": int,
    "bigint": int,
    "date": date.fromisoformat,
    "timestamp": _instant,
    "boolean": _boolean,
    "decimal": Decimal,
}

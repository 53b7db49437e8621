"""Which files may hold rows within given bounds, by the log alone. Not here: reading them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.files import DataFile, Field

# Inclusive lower and upper bound; None is no bound on that side.
Bounds = tuple[Any, Any]


def files_that_may_hold(files: Sequence[DataFile], bounds: Mapping[str, Bounds], columns: Sequence[Field]) -> tuple[DataFile, ...]:
    """The files that may hold a row whose every bounded column lies within its bounds.

    Null lies within no bounds: leave a column out when rows with null there matter. Files without statistics stay.
    """
    types = {field.name: field.type for field in columns}
    given = [(name, types[name], low, high) for name, (low, high) in bounds.items() if (low, high) != (None, None)]
    return tuple(file for file in files if all(_may_hold(file, *bound) for bound in given))


def files_within(files: Sequence[DataFile], column: str, intervals: Sequence[Bounds], columns: Sequence[Field]) -> tuple[DataFile, ...]:
    """The files that may hold a row whose column lies in one of these closed intervals, which are in order and apart.

    As fast for thousands of intervals as for one: 300 days of hours over 9,000 files took a minute, one interval after the other.
    """
    kind = next(field.type for field in columns if field.name == column)
    lows = [_floored(low) for low, _ in intervals]
    highs = [high for _, high in intervals]
    return tuple(file for file in files if _meets(file, column, kind, lows, highs))


def _meets(file: DataFile, name: str, column_type: ColumnType, lows: Sequence[Any], highs: Sequence[Any]) -> bool:
    minimum, maximum = file.minimums.get(name), file.maximums.get(name)
    if name in file.partition_values:
        text = file.partition_values[name]
        if text is None:
            return False
        minimum = maximum = _partition_value(text, column_type)
    # The first interval that does not end before the file begins.
    position = 0 if minimum is None else bisect_left(highs, minimum)
    return position < len(lows) and (maximum is None or lows[position] <= maximum)


def _may_hold(file: DataFile, name: str, column_type: ColumnType, low: Any, high: Any) -> bool:
    if name in file.partition_values:
        text = file.partition_values[name]
        if text is None:
            return False
        value = _partition_value(text, column_type)
        return (low is None or value >= low) and (high is None or value <= high)
    minimum, maximum = file.minimums.get(name), file.maximums.get(name)
    low = _floored(low)
    return not ((low is not None and maximum is not None and maximum < low) or (high is not None and minimum is not None and minimum > high))


def _floored(low: Any) -> Any:
    # Other writers cut the maximum to milliseconds, so that values up to one millisecond above it are in the file.
    return low.replace(microsecond=low.microsecond // 1000 * 1000) if isinstance(low, datetime) else low


def _partition_value(text: str, column_type: ColumnType) -> Any:
    read = _PARTITION_VALUES.get(column_type.name)
    return text if read is None else read(text)


def _instant(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


_PARTITION_VALUES: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "bigint": int,
    "decimal": Decimal,
    "double": float,
    "boolean": "true".__eq__,
    "date": date.fromisoformat,
    "timestamp": _instant,
}

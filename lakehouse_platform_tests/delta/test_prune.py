"""Pruning: a file that holds a matching row is never left out, and most others are."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, DATE, DOUBLE, STRING, TIMESTAMP, ColumnType, decimal
from lakehouse_platform.delta.files import DataFile, Field
from lakehouse_platform.delta.prune import files_that_may_hold, files_within


def file(minimum: Any = None, maximum: Any = None, **partition_values: str | None) -> DataFile:
    minimums, maximums = ({} if value is None else {"c": value} for value in (minimum, maximum))
    return DataFile("p", "u", partition_values, 1, 1, minimums, maximums)


def stays(given_file: DataFile, low: Any, high: Any, column_type: ColumnType = BIGINT) -> bool:
    return files_that_may_hold([given_file], {"c": (low, high)}, [Field("c", column_type)]) == (given_file,)


@given(values=st.lists(st.integers(-20, 20), min_size=1), low=st.none() | st.integers(-20, 20), high=st.none() | st.integers(-20, 20))
def test_a_file_with_a_matching_row_stays(values: list[int], low: int | None, high: int | None) -> None:
    matches = any((low is None or value >= low) and (high is None or value <= high) for value in values)
    assert stays(file(min(values), max(values)), low, high) or not matches
    if len(values) == 1 and not (low is not None and high is not None and low > high):
        assert stays(file(values[0], values[0]), low, high) == matches


@given(
    bounds=st.lists(st.tuples(st.none() | st.integers(-20, 20), st.none() | st.integers(0, 9)), min_size=1),
    edges=st.sets(st.integers(-20, 20), max_size=8),
)
def test_many_intervals_leave_out_what_each_of_them_does(bounds: list[tuple[int | None, int | None]], edges: set[int]) -> None:
    files = [file(low, low + length if low is not None and length is not None else None) for low, length in bounds]
    cut = sorted(edges)
    intervals = list(zip(cut[::2], cut[1::2], strict=False))
    one_by_one = [each for each in files if any(stays(each, low, high) for low, high in intervals)]
    assert list(files_within(files, "c", intervals, [Field("c", BIGINT)])) == one_by_one


def test_a_file_without_statistics_stays() -> None:
    assert stays(file(), 1, 2)
    assert stays(file(minimum=1), 5, None)
    assert not stays(file(minimum=6), None, 5)
    assert stays(file(maximum=6), None, 5)


def test_a_maximum_that_another_writer_cut_to_milliseconds_holds() -> None:
    cut = datetime(2024, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)
    assert stays(file(cut, cut), cut.replace(microsecond=123999), None, TIMESTAMP)
    assert not stays(file(cut, cut), cut.replace(microsecond=124000), None, TIMESTAMP)


@pytest.mark.parametrize(
    ("column_type", "text", "value", "greater"),
    [
        (DATE, "2024-01-09", date(2024, 1, 9), date(2024, 1, 10)),
        (BIGINT, "9", 9, 10),
        (decimal(5, 2), "9.50", Decimal("9.5"), Decimal(10)),
        (DOUBLE, "9.5", 9.5, 10.0),
        (STRING, "a", "a", "b"),
        (BOOLEAN, "false", False, True),
        (TIMESTAMP, "2024-01-01 09:00:00", datetime(2024, 1, 1, 9, tzinfo=UTC), datetime(2024, 1, 1, 10, tzinfo=UTC)),
        (TIMESTAMP, "2024-01-01T09:00:00Z", datetime(2024, 1, 1, 9, tzinfo=UTC), datetime(2024, 1, 1, 10, tzinfo=UTC)),
    ],
)
def test_partition_values_are_compared_as_their_type(column_type: ColumnType, text: str, value: Any, greater: Any) -> None:
    assert stays(file(c=text), value, value, column_type)
    assert stays(file(c=text), None, greater, column_type)
    assert not stays(file(c=text), greater, None, column_type)


def test_the_null_partition_lies_in_no_bounds() -> None:
    assert not stays(file(c=None), 1, None)
    assert stays(file(c=None), None, None)


def test_every_bounded_column_counts() -> None:
    given_file = DataFile("p", "u", {"day": "2024-01-01"}, 1, 1, {"id": 5}, {"id": 9})
    columns = [Field("id", BIGINT), Field("day", DATE)]
    day = date(2024, 1, 1)
    assert files_that_may_hold([given_file], {"id": (9, 12), "day": (day, day)}, columns) == (given_file,)
    assert files_that_may_hold([given_file], {"id": (10, 12), "day": (day, day)}, columns) == ()

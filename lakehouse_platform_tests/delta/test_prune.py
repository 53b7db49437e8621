"""Pruning: a file that holds a matching row is never left out, whoever wrote its statistics, and most others are."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isinf, isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, DATE, DOUBLE, STRING, TIMESTAMP, TIMESTAMP_NTZ, ColumnType, decimal
from lakehouse_platform.delta.files import DataFile, Field
from lakehouse_platform.delta.prune import files_that_may_hold, files_within
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.delta.statistics import parsed_statistics


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


FOREIGN = (Field("x", DOUBLE), Field("d", decimal(30, 4)), Field("t", TIMESTAMP), Field("s", STRING), Field("n", TIMESTAMP_NTZ), Field("y", DATE))
_VALUES = st.fixed_dictionaries(
    {
        "x": st.floats() | st.sampled_from([0.0, -0.0]),
        "d": st.decimals(min_value=Decimal("-" + "9" * 26), max_value=Decimal("9" * 26), places=4),
        "t": st.datetimes(timezones=st.just(UTC)),
        "s": st.text(st.sampled_from("aé\ud7ff\ue000\U0010ffff"), max_size=40),
        "n": st.datetimes(),
        "y": st.dates(),
    }
)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(_VALUES, min_size=1, max_size=4),
    sought=_VALUES,
    missing=st.sets(st.tuples(st.sampled_from(["minValues", "maxValues"]), st.sampled_from("xdtsny"))),
    is_one_row=st.booleans(),
)
def test_bounds_of_careless_writers_leave_out_no_row(
    rows: list[dict[str, Any]], sought: dict[str, Any], missing: set[tuple[str, str]], is_one_row: bool
) -> None:
    stats: dict[str, Any] = {"numRecords": len(rows), "minValues": {}, "maxValues": {}, "tightBounds": False}
    for side, choose in (("minValues", min), ("maxValues", max)):
        for name in "xdtsny":
            values = [row[name] for row in rows if name != "x" or not isnan(row[name])]
            if values and (side, name) not in missing:
                stats[side][name] = carelessly(choose(values), side)
    sought = rows[0] if is_one_row else sought
    opened, logged = told_by_the_log(stats)
    for name in "xdtsny":
        for low, high in ((sought[name], sought[name]), (sought[name], None), (None, sought[name])):
            if any(is_within(row[name], low, high) for row in rows):
                for each in (opened, logged):
                    assert files_that_may_hold([each], {name: (low, high)}, FOREIGN) == (each,)
                    if name != "x":
                        interval = (EARLIEST[name] if low is None else low, LATEST[name] if high is None else high)
                        assert files_within([each], name, [interval], FOREIGN) == (each,)


EARLIEST = {"d": Decimal("-" + "9" * 26), "t": datetime.min.replace(tzinfo=UTC), "s": "", "n": datetime.min, "y": date.min}  # noqa: DTZ901 -- "n" has no zone
LATEST = {
    "d": Decimal("9" * 26),
    "t": datetime.max.replace(tzinfo=UTC),
    "s": "\U0010ffff" * 41,
    "n": datetime.max,  # noqa: DTZ901 -- a time without a zone
    "y": date.max,
}


def carelessly(value: Any, side: str) -> Any:
    """A bound as Spark, delta-rs and others write it: cut to milliseconds, through a double, to 32 characters and a last one."""
    match value:
        case datetime():
            cut = value.replace(microsecond=value.microsecond // 1000 * 1000, tzinfo=None)
            return f"{cut.isoformat(timespec='milliseconds')}{'Z' if value.tzinfo else ''}"
        case date():
            return value.isoformat()
        case Decimal():
            return float(value)
        case float() if isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        case str() if len(value) > 32:
            return value[:32] + ("\U0010ffff" if side == "maxValues" else "")
    return value


def told_by_the_log(stats: dict[str, Any]) -> tuple[DataFile, DataFile]:
    """The file with these statistics, as an open table and as a commit tell it."""
    kinds = {"x": "double", "d": "decimal(30,4)", "t": "timestamp", "s": "string", "n": "timestamp_ntz", "y": "date"}
    fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in kinds.items()]
    schema = json.dumps({"type": "struct", "fields": fields})
    metadata = {"id": "x", "format": {"provider": "parquet", "options": {}}, "schemaString": schema, "partitionColumns": [], "configuration": {}}
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz"]}
    add: dict[str, Any] = {"path": "p", "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True, "stats": json.dumps(stats)}
    with TemporaryDirectory() as folder:
        Path(folder, "_delta_log").mkdir()
        actions = [{"protocol": protocol}, {"metaData": metadata}, {"add": add}]
        Path(folder, "_delta_log", f"{0:020}.json").write_text("\n".join(json.dumps(each) for each in actions), encoding="utf-8")
        snapshot = open_snapshot(folder)
    assert snapshot is not None
    _, minimums, maximums, nulls = parsed_statistics(add["stats"], FOREIGN)
    return snapshot.files[0], DataFile("p", "p", {}, 1, None, minimums, maximums, nulls)


def is_within(value: Any, low: Any, high: Any) -> bool:
    """As the engine orders values: NaN is greater than every number."""
    at_least, at_most = (
        bound is None or order(value, bound) for bound, order in ((low, _not_less), (high, lambda one, other: _not_less(other, one)))
    )
    return at_least and at_most


def _not_less(one: Any, other: Any) -> bool:
    if isinstance(one, float) and (isnan(one) or isnan(other)):
        return isnan(one)
    return bool(one >= other)

"""Statistics: bounds of every value that was written, read back from the log by delta-rs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isinf, isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import BIGINT, BINARY, BOOLEAN, DATE, DOUBLE, INT, STRING, STRING_MAP, TIMESTAMP, array, decimal, struct
from lakehouse_platform.delta.commit import create_table
from lakehouse_platform.delta.files import DataFile, Field, WrittenFile
from lakehouse_platform.delta.log import changes_between
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.delta.statistics import MAX_TEXT_LENGTH, statistics_json
from lakehouse_platform.engine.duckdb import Session, memory_session
from lakehouse_platform.engine.spelling import duckdb_type, literal

COLUMNS = (
    Field("i", INT),
    Field("b", BIGINT),
    Field("x", DOUBLE),
    Field("d", decimal(38, 9)),
    Field("t", TIMESTAMP),
    Field("y", DATE),
    Field('s.p "q"', STRING),
)
# Mostly short texts, some around the cut, with code points on both sides of the surrogates and the last one.
_CHARACTERS = st.sampled_from("aZ\x00é𠀀\ud7ff\ue000\U0010ffff'\"\\😀") | st.characters(codec="utf-8")
_TEXTS = st.text(_CHARACTERS, max_size=5) | st.text(st.sampled_from("z\ud7ff\U0010ffff"), min_size=30, max_size=36)
_ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats() | st.sampled_from([0.0, -0.0]),
        st.none() | st.decimals(min_value=Decimal("-" + "9" * 29), max_value=Decimal("9" * 29), places=9),
        st.none() | st.datetimes(timezones=st.just(UTC)),
        st.none() | st.dates(),
        st.none() | _TEXTS,
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    with memory_session() as session:
        yield session


def written_and_read(session: Session, rows: list[tuple[Any, ...]], folder: str) -> tuple[DataFile, DataFile]:
    """The one file of a table with these rows, as the snapshot and as the log tell it."""
    outputs = ", ".join(
        f'CAST(c{number} AS {duckdb_type(field.type)}) AS "{field.name.replace(chr(34), chr(34) * 2)}"' for number, field in enumerate(COLUMNS)
    )
    values = ", ".join(f"({', '.join(literal(value) for value in row)})" for row in rows)
    names = ", ".join(f"c{number}" for number in range(len(COLUMNS)))
    added = session.write(f"SELECT {outputs} FROM (VALUES {values}) AS t({names})", folder, [])
    create_table(folder, COLUMNS, [], added=added)
    snapshot = open_snapshot(folder)
    assert snapshot is not None
    # The log's statistics must survive the checkpoint, from which later versions are opened.
    snapshot.handle.create_checkpoint()
    again = open_snapshot(folder)
    assert again is not None
    assert again.files == snapshot.files
    return snapshot.files[0], changes_between(folder, -1, 0).added[0]


@settings(max_examples=100, deadline=None)
@given(rows=_ROWS)
def test_bounds_hold_every_value_and_are_exact_unless_cut(shared: Session, rows: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        file, logged = written_and_read(shared, rows, str(Path(folder) / "table"))
    assert file.rows == len(rows)
    assert (dict(file.minimums), dict(file.maximums), dict(file.null_counts)) == (logged.minimums, logged.maximums, logged.null_counts)
    for number, field in enumerate(COLUMNS):
        column = [row[number] for row in rows]
        values = [value for value in column if value is not None]
        assert file.null_counts[field.name] == len(column) - len(values)
        assert (file.minimums.get(field.name), file.maximums.get(field.name)) == expected_bounds(field.type.name, values)


def expected_bounds(kind: str, values: list[Any]) -> tuple[Any, Any]:
    """The bounds as PROTOCOLS has them, computed from the values without the product."""
    if not values or (kind == "double" and any(isnan(value) for value in values)):
        return None, None
    low, high = min(values), max(values)
    if kind == "double":
        return (None if isinf(low) else low), (None if isinf(high) else high)
    if kind == "timestamp":
        millisecond = timedelta(milliseconds=1)
        low -= timedelta(microseconds=low.microsecond % 1000)
        beyond = timedelta(microseconds=-high.microsecond % 1000)
        return low, (high + beyond if high <= datetime.max.replace(tzinfo=UTC) - millisecond or not beyond else None)
    if kind == "string":
        return low[:MAX_TEXT_LENGTH], raised(high)
    return low, high


def raised(text: str) -> str | None:
    if len(text) <= MAX_TEXT_LENGTH:
        return text
    kept = text[:MAX_TEXT_LENGTH].rstrip("\U0010ffff")
    if not kept:
        return None
    last = ord(kept[-1]) + 1
    return kept[:-1] + ("\ue000" if last == 0xD800 else chr(last))


def file_with(**statistics: dict[str, str]) -> WrittenFile:
    return WrittenFile("x.parquet", {}, 1, 3, statistics)


def bounds(field: Field, **statistics: str) -> tuple[Any, Any]:
    """Minimum and maximum in the JSON for one column, as text where there is one."""
    found = json.loads(statistics_json(file_with(**{field.name: statistics}), [field]), parse_float=str, parse_int=str)
    return found["minValues"].get(field.name), found["maxValues"].get(field.name)


@pytest.mark.parametrize(
    ("column_type", "low", "high", "expected"),
    [
        (TIMESTAMP, "2024-01-01 00:00:00.123456+00", "2024-01-01 00:00:00.123456+00", ("2024-01-01T00:00:00.123Z", "2024-01-01T00:00:00.124Z")),
        (TIMESTAMP, "2024-01-01 00:00:00+00", "2023-12-31 23:59:59.9995+00", ("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.000Z")),
        (TIMESTAMP, "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999+00", ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z")),
        (TIMESTAMP, "-infinity", "9999-12-31 23:59:59.999001+00", (None, None)),
        (TIMESTAMP, "0044-03-15 (BC) 00:00:00+00", "infinity", (None, None)),
        (DATE, "-infinity", "29000-01-01", (None, None)),
        (DATE, "0001-01-01", "9999-12-31", ("0001-01-01", "9999-12-31")),
        (DOUBLE, "0.0", "-0.0", ("-0.0", "0.0")),
        (DOUBLE, "-inf", "inf", (None, None)),
        (DOUBLE, "0.1", "1e+300", ("0.1", "1e+300")),
        (decimal(38, 5), "-0.10000", "123456789012345678901234567890123.12345", ("-0.10000", "123456789012345678901234567890123.12345")),
        (STRING, "a" * 33, "a" * 33, ("a" * 32, "a" * 31 + "b")),
        (STRING, "é" * 32, "é" * 32, ("é" * 32, "é" * 32)),
        (STRING, "a" * 40, "a" * 31 + "\U0010ffff" * 2, ("a" * 32, "a" * 30 + "b")),
        (STRING, "a", "\U0010ffff" * 33, ("a", None)),
        (BOOLEAN, "0", "1", (None, None)),
        (BINARY, "00", "FF", (None, None)),
    ],
)
def test_bounds_of_each_type(column_type: Any, low: str, high: str, expected: tuple[str | None, str | None]) -> None:
    assert bounds(Field("c", column_type), min=low, max=high) == expected


def test_nan_leaves_no_bounds_though_duckdb_calls_them_exact() -> None:
    assert bounds(Field("c", DOUBLE), min="1.0", max="2.0", has_nan="true", max_is_exact="true") == (None, None)


def test_classified_and_partition_columns_show_no_values() -> None:
    file = WrittenFile(
        "x", {"day": "2024-01-01"}, 1, 3, {"name": {"min": "a", "max": "b", "null_count": "1"}, "day": {"min": "2024-01-01", "max": "2024-01-01"}}
    )
    text = statistics_json(file, [Field("name", STRING), Field("day", DATE)], unbounded=["name"])
    assert json.loads(text) == {"numRecords": 3, "minValues": {}, "maxValues": {}, "nullCount": {"name": 1}}


def test_nested_columns_have_null_counts_but_no_bounds(shared: Session, tmp_path: Path) -> None:
    columns = (Field("m", STRING_MAP), Field("l", array(BIGINT)), Field("s", struct(source=STRING, row=BIGINT)), Field("n", BIGINT))
    values = "(MAP {'a': 'x'}, [1, NULL], {'source': 'f', 'row': 1}, 5), (NULL, [], NULL, 6), (MAP {}, NULL, NULL, NULL)"
    outputs = ", ".join(f"CAST({field.name} AS {duckdb_type(field.type)}) AS {field.name}" for field in columns)
    location = str(tmp_path / "table")
    create_table(location, columns, [], added=shared.write(f"SELECT {outputs} FROM (VALUES {values}) AS t(m, l, s, n)", location, []))
    snapshot = open_snapshot(location)
    assert snapshot is not None
    (file,) = snapshot.files
    assert (dict(file.minimums), dict(file.maximums)) == ({"n": 5}, {"n": 6})
    assert {name: file.null_counts[name] for name in ("m", "l", "n")} == {"m": 1, "l": 1, "n": 1}


def test_texts_that_duckdb_cuts_stay_bounded(shared: Session, tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    columns = (Field("plain", STRING), Field("wide", STRING), Field("none", STRING))
    query = "SELECT repeat('z', 3000) AS plain, repeat('z', 200) || repeat('é', 60) AS wide, repeat('é', 3000) AS none"
    create_table(location, columns, [], added=shared.write(query, location, []))
    snapshot = open_snapshot(location)
    assert snapshot is not None
    (file,) = snapshot.files
    assert dict(file.minimums) == {"plain": "z" * 32, "wide": "z" * 32}
    assert dict(file.maximums) == {"plain": "z" * 31 + "{", "wide": "z" * 31 + "{"}


def test_every_column_of_a_wide_table_has_statistics(shared: Session, tmp_path: Path) -> None:
    location = str(tmp_path / "table")
    columns = tuple(Field(f"c{number}", BIGINT) for number in range(40))
    create_table(
        location, columns, [], added=shared.write("SELECT " + ", ".join(f"{number}::BIGINT AS c{number}" for number in range(40)), location, [])
    )
    snapshot = open_snapshot(location)
    assert snapshot is not None
    assert snapshot.files[0].minimums == {f"c{number}": number for number in range(40)}
    assert snapshot.files[0].null_counts == {f"c{number}": 0 for number in range(40)}

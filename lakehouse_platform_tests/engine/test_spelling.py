"""Spelling: values and types survive the way through SQL unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    STRING,
    STRING_MAP,
    TIMESTAMP,
    ColumnType,
    array,
    decimal,
    struct,
)
from lakehouse_platform.engine.duckdb import Session, memory_session
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote, type_of

_PLAIN = st.sampled_from([STRING, BOOLEAN, INT, BIGINT, DOUBLE, DATE, TIMESTAMP, BINARY, decimal(18, 3), decimal(38, 0)])
_NAMES = st.text(min_size=1, max_size=6).filter(lambda name: name.strip() and "\x00" not in name)

# Away from the first and last day, which another zone would push out of Python's years.
_INSTANTS = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])).filter(lambda instant: 1 < instant.year < 9999)


def _nested(inner: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[ColumnType]:
    structs = st.dictionaries(_NAMES.map(str.lower), inner, min_size=1, max_size=3).map(lambda fields: struct(**fields))
    return inner.map(array) | st.tuples(_PLAIN, inner).map(lambda items: ColumnType("map", items=items)) | structs


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with memory_session() as opened:
        yield opened


@given(column_type=st.recursive(_PLAIN, _nested, max_leaves=5))
def test_a_type_is_read_as_it_is_written(session: Session, column_type: ColumnType) -> None:
    assert type_of(duckdb_type(column_type)) == column_type
    assert session.describe(f"SELECT CAST(NULL AS {duckdb_type(column_type)}) AS c") == {"c": column_type}


@given(
    value=st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | _INSTANTS
    | st.decimals(min_value=-(10**20), max_value=10**20, places=9)
    | st.lists(st.text(), min_size=1)
)
def test_a_value_comes_back_as_it_went(session: Session, value: Any) -> None:
    (found,) = session.row(f"SELECT {literal(value)}")
    assert found == value or (isnan(found) and isnan(value))
    assert isinstance(found, type(value))


def test_decimals_keep_their_digits(session: Session) -> None:
    for text in ("0.000", "-1.50", "12345678901234567890123456789012345678", "1E+3", "1E-30"):
        assert session.row(f"SELECT {literal(Decimal(text))}") == (Decimal(text),)
    with pytest.raises(ValueError, match="NaN is no number"):
        literal(Decimal("NaN"))


def test_a_bool_is_no_number_and_an_instant_no_date() -> None:
    assert literal(value=True) == "true"
    assert literal(date(2024, 1, 31)) == "DATE '2024-01-31'"
    assert literal(datetime(2024, 1, 31, tzinfo=UTC)) == "TIMESTAMPTZ '2024-01-31 00:00:00+00:00'"


@given(name=_NAMES)
def test_a_quoted_name_is_that_name(session: Session, name: str) -> None:
    assert list(session.describe(f"SELECT 1 AS {quote(name)}")) == [name]


@pytest.mark.parametrize(
    "text", ["HUGEINT", "TIMESTAMP", "UUID", '"NULL"', "INTEGER[2]", "INTEGER[", "STRUCT(a INTEGER", "MAP(VARCHAR)", "DECIMAL(3", "INTEGER x", "?"]
)
def test_a_type_that_no_table_holds_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is none that a table holds: cast to one of STRING"):
        type_of(text)


def test_types_that_functions_give_are_read() -> None:
    assert type_of("JSON") == STRING
    assert type_of("SMALLINT") == INT
    assert type_of('STRUCT("a ""b" VARCHAR[], c MAP(VARCHAR, VARCHAR))') == struct(**{'a "b': array(STRING), "c": STRING_MAP})

"""Text becomes a type in one form only; judged against Python's own regular expressions and decimals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform.contracts.model import Column
from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, DATE, DOUBLE, INT, STRING, STRING_MAP, TIMESTAMP, ColumnType, decimal
from lakehouse_platform.engine.duckdb import Session, memory_session
from lakehouse_platform.engine.spelling import duckdb_type, literal
from lakehouse_platform.engine.typing import converts, typed

MONEY = decimal(9, 2)
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
DAY = r"(\d{4})-(\d\d)-(\d\d)"
ZONE = r"(?:Z|([+-])(0\d|1[0-8])(?::?([0-5]\d))?)?"
CLOCK = r"([01]\d|2[0-3]):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?"


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with memory_session() as opened:
        yield opened


def converted(session: Session, texts: list[str], column: Column) -> list[Any]:
    values = ", ".join(f"({index}, {literal(text)})" for index, text in enumerate(texts))
    return [value for (value,) in session.rows(f"SELECT {typed('t', STRING, column)} FROM (VALUES {values}) AS v(i, t) ORDER BY i")]


def integer_of(text: str) -> int | None:
    stripped = text.strip(" \t\n\f\r")
    value = int(stripped) if re.fullmatch(r"[+-]?\d+", stripped, re.ASCII) else None
    return value if value is not None and -(2**31) <= value < 2**31 else None


def money_of(text: str) -> Decimal | None:
    stripped = text.strip(" \t\n\f\r")
    if not re.fullmatch(NUMBER, stripped, re.ASCII):
        return None
    value = Decimal(stripped)
    if value.adjusted() > 8 and value:
        return None
    rounded = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return rounded if abs(rounded) < 10**7 else None


def timestamp_of(text: str) -> datetime | None:
    match = re.fullmatch(f"{DAY}[T ]{CLOCK}{ZONE}", text.strip(" \t\n\f\r"), re.ASCII)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = match.groups()
    try:
        local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), int((fraction or "0").ljust(6, "0")), UTC)
        offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        return None


def date_of(text: str) -> date | None:
    stripped = text.strip(" \t\n\f\r")
    match = re.fullmatch(f"{DAY}(?:[T ]{CLOCK}{ZONE})?", stripped, re.ASCII)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


# Texts near a form: pieces of right ones and of what DuckDB or Spark would read as well.
near_numbers = st.lists(st.sampled_from([*"0129+-._eExXbn \t", "10", "nan", "inf", "２"]), max_size=7).map("".join)
days = ["2014-10-31", "2014-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "2014-1-2", "2014/10/31", " 2014-10-3", "2014-10-3 ", "infinity"]
clocks = ["", "T10:25:02", " 10:25", "T24:00:00", "T10:25:60", " 10:25:02.123456", "T10:25:02.1234567", "t10:25:02", " 1:25:02", "T10:25:02.5\t"]
zones = ["", "Z", "-07:00", "+0530", "+19", "+05:60", " UTC", " America/New_York", "+7", "-07:00:00", "\n"]
near_timestamps = st.builds(lambda *parts: "".join(parts), st.sampled_from(days), st.sampled_from(clocks), st.sampled_from(zones))


@settings(max_examples=40, deadline=None)
@given(st.lists(near_numbers, min_size=1, max_size=60))
def test_numbers(texts: list[str]) -> None:
    with memory_session() as session:
        assert converted(session, texts, Column("c", INT)) == [integer_of(text) for text in texts]
        assert converted(session, texts, Column("c", MONEY)) == [money_of(text) for text in texts]
        doubles = [float(text.strip()) if re.fullmatch(NUMBER, text.strip(" \t\n\f\r"), re.ASCII) else None for text in texts]
        assert converted(session, texts, Column("c", DOUBLE)) == doubles


@settings(max_examples=40, deadline=None)
@given(st.lists(near_timestamps, min_size=1, max_size=60))
def test_dates_and_timestamps(texts: list[str]) -> None:
    with memory_session() as session:
        assert converted(session, texts, Column("c", TIMESTAMP)) == [timestamp_of(text) for text in texts]
        assert converted(session, texts, Column("c", DATE)) == [date_of(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("9223372036854775807", BIGINT, 2**63 - 1),
        ("9223372036854775808", BIGINT, None),
        ("2.345", MONEY, Decimal("2.35")),
        ("-2.345", MONEY, Decimal("-2.35")),
        ("1234567890123456.123456789", decimal(25, 9), Decimal("1234567890123456.123456789")),
        ("0." + "1" * 60, MONEY, Decimal("0.11")),
        ("true", BOOLEAN, True),
        (" false ", BOOLEAN, False),
        ("1", BOOLEAN, None),
        ("yes", BOOLEAN, None),
        ("NaN", DOUBLE, None),
        ("Infinity", DOUBLE, None),
        ("1e999", DOUBLE, None),
        ("2014-10-31T10:25:02-07:00", TIMESTAMP, datetime(2014, 10, 31, 17, 25, 2, tzinfo=UTC)),
        ("2014-10-31", TIMESTAMP, None),
        ("9999-12-31T23:59:59-07:00", TIMESTAMP, None),
        ("0001-01-01T00:00:00+07:00", TIMESTAMP, None),
        ("2018-02-09 junk", DATE, None),
        ("29/02/18", DATE, None),
        ("2018-02-09T23:00:00-07:00", DATE, date(2018, 2, 9)),
        (" kept ", STRING, " kept "),
    ],
)
def test_a_text(session: Session, text: str, kind: ColumnType, value: Any) -> None:
    assert converted(session, [text], Column("c", kind)) == [value]


def test_text_without_a_zone_is_in_the_columns_zone(session: Session) -> None:
    column = Column("c", TIMESTAMP, timezone="America/New_York")
    summer, winter = datetime(2014, 7, 1, 14, 0, tzinfo=UTC), datetime(2014, 12, 1, 15, 0, tzinfo=UTC)
    texts = ["2014-07-01 10:00:00", "2014-12-01T10:00", "2014-07-01T10:00:00Z"]
    assert converted(session, texts, column) == [summer, winter, datetime(2014, 7, 1, 10, 0, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("formats", "kind", "text", "value"),
    [
        (("dd/MM/yyyy",), DATE, "29/02/2020", date(2020, 2, 29)),
        (("dd/MM/yyyy",), DATE, "2020-02-29", date(2020, 2, 29)),
        (("dd/MM/yyyy",), DATE, "9/2/2020", None),
        (("d/M/yyyy", "yyyyMMdd"), DATE, "9/2/2020", date(2020, 2, 9)),
        (("d/M/yyyy", "yyyyMMdd"), DATE, "20200209", date(2020, 2, 9)),
        (("dd/MM/yyyy",), DATE, "31/02/2020", None),
        (("dd/MM/yyyy HH:mm",), TIMESTAMP, "29/02/2020 10:11", datetime(2020, 2, 29, 10, 11, tzinfo=UTC)),
        (("M/d/yyyy h:mm a",), TIMESTAMP, "2/29/2020 1:05 PM", datetime(2020, 2, 29, 13, 5, tzinfo=UTC)),
        (("dd MMM yyyy HH:mm:ssXXX",), TIMESTAMP, "29 Feb 2020 10:11:12+02:00", datetime(2020, 2, 29, 8, 11, 12, tzinfo=UTC)),
        (("dd MMM yyyy HH:mm:ssXXX",), TIMESTAMP, "29 Feb 2020 10:11:12Z", datetime(2020, 2, 29, 10, 11, 12, tzinfo=UTC)),
        (("dd MMM yyyy HH:mm:ssXXX",), TIMESTAMP, "31 Dec 9999 23:11:12-02:00", None),
        (("dd/MM/yyyy",), DATE, "01/01/0000", None),
        (("dd/MM/yyyy",), DATE, "\t29/02/2020\n", date(2020, 2, 29)),
        (("dd/MM/yyyy",), DATE, "\u00a029/02/2020", None),
        (("dd/MM/yy",), DATE, "28/02/18", date(2018, 2, 28)),
        (("dd/MM/yy",), DATE, "29/02/18", None),
        (("dd/MM/yy",), DATE, "29/02/2016", None),
        (("dd/MM/yy",), DATE, "29/02/72", date(2072, 2, 29)),
        (("dd/MM/yy HH:mm",), TIMESTAMP, "31/12/99 23:59", datetime(2099, 12, 31, 23, 59, tzinfo=UTC)),
        (("d.M.yy",), DATE, "1.1.00", date(2000, 1, 1)),
    ],
)
def test_other_forms_by_the_contract(session: Session, formats: tuple[str, ...], kind: ColumnType, text: str, value: Any) -> None:
    assert converted(session, [text], Column("c", kind, formats=formats)) == [value]


@pytest.mark.parametrize(("pattern", "message"), [("dd/MM/y", "'y' in the pattern"), ("yy-MM-ddXXX", "two digits beside a zone")])
def test_a_pattern_that_means_different_things_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        typed("t", STRING, Column("c", DATE, formats=(pattern,)))


@pytest.mark.parametrize(
    ("given_type", "value", "kind", "expected"),
    [
        (DOUBLE, "2.345", MONEY, Decimal("2.35")),
        (DOUBLE, "1e300", MONEY, None),
        (BIGINT, "3000000000", INT, None),
        (BIGINT, "30", INT, 30),
        (decimal(9, 3), "2.345", MONEY, Decimal("2.35")),
        (INT, "5", STRING, "5"),
        (DATE, "2020-02-29", TIMESTAMP, datetime(2020, 2, 29, tzinfo=UTC)),
    ],
)
def test_typed_values_are_cast(session: Session, given_type: ColumnType, value: str, kind: ColumnType, expected: Any) -> None:
    sql = f"SELECT {typed('t', given_type, Column('c', kind))} FROM (SELECT CAST('{value}' AS {duckdb_type(given_type)}) AS t)"
    assert session.rows(sql) == [(expected,)]


@pytest.mark.parametrize(
    ("given_type", "value", "kind", "expected"),
    [
        (DATE, "9999-12-31", DATE, date(9999, 12, 31)),
        (DATE, "0001-01-01", DATE, date(1, 1, 1)),
        (DATE, "10000-01-01", DATE, None),
        (DATE, "0001-12-31 (BC)", DATE, None),
        (DATE, "infinity", DATE, None),
        (DATE, "5874897-12-31", TIMESTAMP, None),
        (TIMESTAMP, "9999-12-31 23:59:59.999999", TIMESTAMP, datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
        (TIMESTAMP, "10000-01-01 00:00:00", TIMESTAMP, None),
        (TIMESTAMP, "55968-01-01 00:00:00", DATE, None),
        (BIGINT, "1704067200000", TIMESTAMP, None),
    ],
)
def test_a_year_that_readers_have_no_date_for_is_null(session: Session, given_type: ColumnType, value: str, kind: ColumnType, expected: Any) -> None:
    sql = f"SELECT {typed('t', given_type, Column('c', kind))} FROM (SELECT CAST('{value}' AS {duckdb_type(given_type)}) AS t)"
    assert session.rows(sql) == [(expected,)]


def test_a_type_that_never_becomes_the_columns_is_told() -> None:
    column = Column("c", STRING_MAP)
    assert not converts(INT, column)
    with pytest.raises(ValueError, match="which a INT never becomes"):
        typed("t", INT, column)

"""Functions of dates and timestamps. Days are UTC days."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse_platform.contracts.types import BIGINT, DATE, INT, STRING, TIMESTAMP, ColumnType
from lakehouse_platform.engine.functions.call import Call, FunctionRule, signatures
from lakehouse_platform.engine.operators import cast_to
from lakehouse_platform.engine.patterns import Pattern, read_pattern
from lakehouse_platform.engine.spelling import duckdb_type, literal
from lakehouse_platform.engine.terms import Term

_PARTS = {
    "year": "year", "quarter": "quarter", "month": "month", "day": "day", "dayofmonth": "day", "dayofyear": "dayofyear",
    "weekofyear": "week", "week": "week",
}  # fmt: skip
_SIMPLE = """
dayofweek(date) int: CAST(dayofweek({0}) + 1 AS INTEGER)
weekday(date) int: CAST(isodow({0}) - 1 AS INTEGER)
hour(timestamp) int: CAST(hour({0}) AS INTEGER)
minute(timestamp) int: CAST(minute({0}) AS INTEGER)
second(timestamp) int: CAST(second({0}) AS INTEGER)
!date_add(date, int) date: ({0} + {1})
!dateadd(date, int) date: ({0} + {1})
!date_sub(date, int) date: ({0} - {1})
datediff(date, date) int: CAST({0} - {1} AS INTEGER)
date_diff(date, date) int: CAST({0} - {1} AS INTEGER)
!add_months(date, int) date: CAST({0} + to_months({1}) AS DATE)
last_day(date) date: last_day({0})
!make_date(int, int, int) date: make_date({0}, {1}, {2})
unix_timestamp(timestamp) bigint: (epoch_us({0}) // 1000000)
to_unix_timestamp(timestamp) bigint: (epoch_us({0}) // 1000000)
unix_seconds(timestamp) bigint: CAST(floor(epoch_us({0}) / 1000000) AS BIGINT)
unix_millis(timestamp) bigint: CAST(floor(epoch_us({0}) / 1000) AS BIGINT)
unix_micros(timestamp) bigint: epoch_us({0})
unix_date(date) int: CAST({0} - DATE '1970-01-01' AS INTEGER)
!date_from_unix_date(int) date: (DATE '1970-01-01' + {0})
!timestamp_seconds(bigint) timestamp: CAST(make_timestamp({0} * CAST(1000000 AS BIGINT)) AS TIMESTAMPTZ)
!timestamp_millis(bigint) timestamp: CAST(make_timestamp({0} * CAST(1000 AS BIGINT)) AS TIMESTAMPTZ)
!timestamp_micros(bigint) timestamp: CAST(make_timestamp({0}) AS TIMESTAMPTZ)
current_timestamp() timestamp: CAST(now() AS TIMESTAMPTZ)
now() timestamp: CAST(now() AS TIMESTAMPTZ)
current_date() date: CAST(now() AS DATE)
"""
_TRUNCATIONS = {
    "YEAR": "year", "YYYY": "year", "YY": "year", "QUARTER": "quarter", "MONTH": "month", "MM": "month", "MON": "month", "WEEK": "week",
    "DAY": "day", "DD": "day", "HOUR": "hour", "MINUTE": "minute", "SECOND": "second", "MILLISECOND": "millisecond", "MICROSECOND": "microsecond",
}  # fmt: skip
_DATE_TRUNCATIONS = ("year", "quarter", "month", "week")


def _part(called: Call) -> Term:
    called.expect(1)
    term = called.term(0, DATE)
    return Term(f"CAST({_PARTS[called.name]}({term.sql}) AS INTEGER)", INT, term.can_fail)


def _unit(called: Call, index: int) -> str:
    text = str(called.constant(index)).upper()
    if text not in _TRUNCATIONS:
        called.refuse(f"{called.name} to {text!r}", f"use one of {', '.join(_TRUNCATIONS)}")
    return _TRUNCATIONS[text]


def _date_trunc(called: Call) -> Term:
    called.expect(2)
    unit, term = _unit(called, 0), called.term(1, TIMESTAMP)
    return Term(f"CAST(date_trunc('{unit}', {term.sql}) AS TIMESTAMPTZ)", TIMESTAMP, term.can_fail)


def _trunc(called: Call) -> Term:
    called.expect(2)
    unit, term = _unit(called, 1), called.term(0, DATE)
    if unit not in _DATE_TRUNCATIONS:
        called.refuse(f"trunc of a date to {unit}", f"use one of {', '.join(_DATE_TRUNCATIONS)}, or date_trunc")
    return Term(f"CAST(date_trunc('{unit}', {term.sql}) AS DATE)", DATE, term.can_fail)


def _pattern(called: Call, index: int) -> Pattern:
    try:
        return read_pattern(str(called.constant(index)))
    except ValueError as error:
        called.refuse(str(error), "write the pattern with these letters")


def _date_format(called: Call) -> Term:
    called.expect(2)
    pattern, term = _pattern(called, 1), called.term(0, TIMESTAMP)
    if not pattern.print_format:
        called.refuse("a zone cannot be printed alike on both engines", "leave it out of the pattern")
    return Term(f"strftime(CAST({term.sql} AS TIMESTAMP), {literal(pattern.print_format)})", STRING, term.can_fail)


def _from_unixtime(called: Call) -> Term:
    called.expect(1, 2)
    seconds = called.term(0, BIGINT)
    print_format = _pattern(called, 1).print_format if len(called.arguments) == 2 else "%Y-%m-%d %H:%M:%S"
    return Term(f"strftime(make_timestamp({seconds.sql} * CAST(1000000 AS BIGINT)), {literal(print_format)})", STRING, True)


def _read(called: Call) -> Term:
    """to_date, to_timestamp and their `try_` forms."""
    called.expect(1, 2)
    or_null, target = called.name.startswith("try_"), TIMESTAMP if called.name.endswith("timestamp") else DATE
    term = called.term(0)
    if len(called.arguments) == 1 or term.type != STRING:
        return cast_to(called.context, called.node, term, target, or_null=or_null)
    pattern = _pattern(called, 1)
    if not pattern.parse_format:
        called.refuse("this pattern cannot be read, only printed", "leave the names of days out of it")
    return _or_fail(pattern.parsed(term.sql, target), term, target, or_null=or_null)


def _or_fail(read: str, text: Term, target: ColumnType, *, or_null: bool) -> Term:
    if or_null:
        return Term(read, target)
    return Term(f"COALESCE({read}, CAST('no {target} of the pattern: ' || {text.sql} AS {duckdb_type(target)}))", target, True)


def _cast_by_name(called: Call) -> Term:
    called.expect(1)
    return cast_to(called.context, called.node, called.term(0), {"date": DATE, "timestamp": TIMESTAMP, "string": STRING}[called.name])


FUNCTIONS: Mapping[str, FunctionRule] = {
    **signatures(_SIMPLE),
    **dict.fromkeys(_PARTS, FunctionRule(_part)),
    "date_trunc": FunctionRule(_date_trunc),
    "trunc": FunctionRule(_trunc),
    "date_format": FunctionRule(_date_format),
    "from_unixtime": FunctionRule(_from_unixtime),
    **dict.fromkeys(("to_date", "try_to_date", "to_timestamp", "try_to_timestamp"), FunctionRule(_read)),
    **dict.fromkeys(("date", "timestamp", "string"), FunctionRule(_cast_by_name)),
}

"""Casts as Spark's ANSI mode does them: by text form, truncating or rounding half up, failing on overflow; and the common type of two.

Belongs here: conversions between types. Does not belong here: how a text is read (text_forms.py).
"""

from __future__ import annotations

import re

from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, DATE, DOUBLE, STRING, TIMESTAMP, TIMESTAMP_NTZ, ColumnType, decimal
from lakehouse_platform.engine.spelling import duckdb_type
from lakehouse_platform.engine.terms import VOID, Term, null_of
from lakehouse_platform.engine.text_forms import text_as

MAX_PRECISION = 38
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# Digits of the decimal that Spark makes of a whole number, and digits that it can have.
_INTEGRAL = {"int": 10, "bigint": 20}
_DIGITS = {"int": 10, "bigint": 19}
_NUMERIC_ORDER = ("int", "bigint", "decimal", "double")


def cast(term: Term, target: ColumnType, *, or_null: bool = False) -> Term | None:
    """The term as another type; None where Spark has no such cast or the engines print differently. `or_null` is TRY_CAST."""
    if term.type == target:
        return term
    if term.type == VOID:
        return Term(null_of(target), target)
    if term.type == STRING:
        return _from_text(term, target, or_null=or_null)
    found = _converted(term, target)
    if found is None:
        return None
    sql, can_fail = found
    if not can_fail:
        return Term(sql, target, term.can_fail)
    return Term(f"TRY({sql})", target) if or_null else Term(sql, target, True)


def common_type(left: ColumnType, right: ColumnType) -> ColumnType | None:
    """The type that Spark brings two values to before it compares them or makes them one column."""
    if right in (left, VOID):
        return left
    if left == VOID:
        return right
    names = {left.name, right.name}
    if names <= set(_NUMERIC_ORDER):
        return _common_number(left, right)
    if STRING in (left, right):
        other = right if left == STRING else left
        return _partner_of_text(other)
    if len(names) == 2 and names <= {"date", "timestamp", "timestamp_ntz"}:
        return TIMESTAMP
    if left.name == right.name and left.items and left.names == right.names:
        items = [common_type(one, other) for one, other in zip(left.items, right.items, strict=True)]
        return ColumnType(left.name, items=tuple(item for item in items if item is not None), names=left.names) if None not in items else None
    return None


def as_decimal(term: Term) -> ColumnType:
    """The decimal type that a number has beside a decimal: a literal's own digits, else all that its type may hold."""
    if term.type.name == "decimal":
        return term.type
    if isinstance(term.constant, int):
        return decimal(len(str(abs(term.constant))), 0)
    return decimal(_INTEGRAL[term.type.name], 0)


def _common_number(left: ColumnType, right: ColumnType) -> ColumnType:
    if DOUBLE in (left, right):
        return DOUBLE
    if "decimal" not in (left.name, right.name):
        return BIGINT
    one, other = (side if side.name == "decimal" else decimal(_INTEGRAL[side.name], 0) for side in (left, right))
    scale = max(one.scale, other.scale)
    return decimal(min(MAX_PRECISION, max(one.precision - one.scale, other.precision - other.scale) + scale), scale)


def _partner_of_text(other: ColumnType) -> ColumnType | None:
    if other.name in ("int", "bigint"):
        return BIGINT
    if other.name in ("decimal", "double"):
        return DOUBLE
    # A time of day without a zone is compared as Spark does in a session of UTC.
    return TIMESTAMP if other == TIMESTAMP_NTZ else other if other in (BOOLEAN, DATE, TIMESTAMP) else None


def _from_text(term: Term, target: ColumnType, *, or_null: bool) -> Term | None:
    if target.is_nested:
        return None
    if target == TIMESTAMP and isinstance(term.constant, str) and _DAY.fullmatch(term.constant):
        # A day written in a query is its midnight; in data, a timestamp has a time.
        term = Term(f"'{term.constant} 00:00:00'", STRING)
    read = text_as(term.sql, target)
    if or_null or target.name == "binary":
        return Term(f"({read})", target, term.can_fail and not or_null)
    # Reached only by a text that has not the form; the cast fails and its message shows the text.
    return Term(f"COALESCE({read}, CAST('no {target}: ' || {term.sql} AS {duckdb_type(target)}))", target, True)


# Casts whose DuckDB spelling is Spark's meaning and that never fail.
_PLAIN = {
    **dict.fromkeys([("boolean", to) for to in ("int", "bigint", "double", "string")]),
    **dict.fromkeys([(given, "boolean") for given in _NUMERIC_ORDER]),
    **dict.fromkeys([(given, "double") for given in ("int", "bigint", "decimal")]),
    **dict.fromkeys([("timestamp_ntz", to) for to in ("timestamp", "date", "string")]),
    **dict.fromkeys([("int", "bigint"), ("int", "string"), ("bigint", "string"), ("date", "timestamp"), ("date", "string"), ("timestamp", "date")]),
}


def _converted(term: Term, target: ColumnType) -> tuple[str, bool] | None:
    """DuckDB's text, and whether the conversion itself can fail."""
    sql, given = term.sql, term.type
    plain = f"CAST({sql} AS {duckdb_type(target)})"
    if (given.name, target.name) in _PLAIN:
        return plain, False
    if target.name == "decimal" or (given.name in _NUMERIC_ORDER and target.name in _INTEGRAL):
        return _to_exact_number(sql, given, target)
    if given.is_nested:
        return (plain, False) if common_type(given, target) == target else None
    match given.name, target.name:
        case "decimal", "string":
            return _printed_decimal(sql, given), False
        case "timestamp", "string":
            return f"CAST(CAST({sql} AS TIMESTAMP) AS VARCHAR)", False
        case "timestamp", "bigint":
            return f"CAST(floor(epoch_us({sql}) / 1000000) AS BIGINT)", False
        case "int" | "bigint", "timestamp":
            return f"CAST(make_timestamp({sql} * CAST(1000000 AS BIGINT)) AS TIMESTAMPTZ)", True
        case _:
            return None


def _to_exact_number(sql: str, given: ColumnType, target: ColumnType) -> tuple[str, bool] | None:
    kind, whole_digits = duckdb_type(target), target.precision - target.scale
    if target.name in _INTEGRAL:
        return (f"CAST({sql} AS {kind})" if given.name in _INTEGRAL else f"CAST(trunc({sql}) AS {kind})"), True
    match given.name:
        case "int" | "bigint":
            return f"CAST({sql} AS {kind})", whole_digits < _DIGITS[given.name]
        case "decimal":
            rounds_up = 1 if target.scale < given.scale else 0
            return f"CAST({sql} AS {kind})", whole_digits < given.precision - given.scale + rounds_up
        case "double":
            # By its shortest text, so that 2.345 rounds as it reads and not as its binary fraction does.
            return f"CAST(CAST({sql} AS VARCHAR) AS {kind})", True
        case _:
            return None


def _printed_decimal(sql: str, given: ColumnType) -> str:
    # DuckDB prints DECIMAL(2,2) 0.10 as .10.
    if given.scale == given.precision and given.precision < MAX_PRECISION:
        return f"CAST(CAST({sql} AS DECIMAL({given.precision + 1},{given.scale})) AS VARCHAR)"
    return f"CAST({sql} AS VARCHAR)"

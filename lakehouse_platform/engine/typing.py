"""How the contract types what a query gives: null where a value does not convert, never an error."""

from __future__ import annotations

from lakehouse_platform.contracts.model import Column
from lakehouse_platform.contracts.types import DATE, STRING, TIMESTAMP, ColumnType
from lakehouse_platform.engine.casts import cast
from lakehouse_platform.engine.patterns import read_pattern
from lakehouse_platform.engine.terms import Term
from lakehouse_platform.engine.text_forms import text_as, trimmed

# What Delta's readers, and Python, have dates for; DuckDB computes others too.
_YEARS = {
    DATE: "DATE '0001-01-01' AND DATE '9999-12-31'",
    TIMESTAMP: "TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'",
}


def typed(expression: str, given: ColumnType, column: Column) -> str:
    """DuckDB expression of the column's type for one of type `given`. Text is read in the platform's form, then in the column's formats.

    A format is a datetime pattern of Spark's, such as `dd/MM/yyyy HH:mm`; only dates and timestamps have them. Dates and timestamps outside
    the years 0001 to 9999 are null. Raises ValueError where a type never becomes the column's, which `converts` tells beforehand.
    """
    if given == STRING and column.type != STRING:
        return _read(expression, column)
    if column.type in _YEARS and given in _YEARS:
        # Before the cast: a date beyond the last timestamp fails to become one.
        expression = _within_years(expression, given)
    term = cast(Term(expression, given), column.type, or_null=True)
    if term is None:
        raise ValueError(f"the column {column.name} is {column.type}, which a {given} never becomes")
    return _within_years(term.sql, column.type) if column.type in _YEARS and given not in _YEARS else term.sql


def converts(given: ColumnType, column: Column) -> bool:
    """Whether values of a type can become the column's at all."""
    return cast(Term("NULL", given), column.type, or_null=True) is not None


def _read(text: str, column: Column) -> str:
    forms = [text_as(text, column.type, column.timezone)]
    if column.type in _YEARS:
        read = (read_pattern(pattern).parsed(trimmed(text), column.type, column.timezone) for pattern in column.formats)
        # No pattern has a day outside, but a zone may carry its time there.
        forms += [_within_years(each, TIMESTAMP) if column.type == TIMESTAMP else each for each in read]
    return forms[0] if len(forms) == 1 else f"COALESCE({', '.join(forms)})"


def _within_years(expression: str, kind: ColumnType) -> str:
    return f"CASE WHEN {expression} BETWEEN {_YEARS[kind]} THEN {expression} END"

"""How the contract types what a query gives: null where a value does not convert, never an error."""

from __future__ import annotations

from lakehouse_platform.contracts.model import Column
from lakehouse_platform.contracts.types import DATE, STRING, TIMESTAMP, ColumnType
from lakehouse_platform.engine.casts import cast
from lakehouse_platform.engine.patterns import read_pattern
from lakehouse_platform.engine.terms import Term
from lakehouse_platform.engine.text_forms import text_as


def typed(expression: str, given: ColumnType, column: Column) -> str:
    """DuckDB expression of the column's type for one of type `given`. Text is read in the platform's form, then in the column's formats.

    A format is a datetime pattern of Spark's, such as `dd/MM/yyyy HH:mm`; only dates and timestamps have them. Raises ValueError where a
    type never becomes the column's, which `converts` tells beforehand.
    """
    if given == STRING and column.type != STRING:
        return _read(expression, column)
    term = cast(Term(expression, given), column.type, or_null=True)
    if term is None:
        raise ValueError(f"the column {column.name} is {column.type}, which a {given} never becomes")
    return term.sql


def converts(given: ColumnType, column: Column) -> bool:
    """Whether values of a type can become the column's at all."""
    return cast(Term("NULL", given), column.type, or_null=True) is not None


def _read(text: str, column: Column) -> str:
    forms = [text_as(text, column.type, column.timezone)]
    if column.type in (DATE, TIMESTAMP):
        forms += [read_pattern(pattern).parsed(text, column.type, column.timezone) for pattern in column.formats]
    return forms[0] if len(forms) == 1 else f"COALESCE({', '.join(forms)})"

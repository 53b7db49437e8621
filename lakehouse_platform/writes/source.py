"""The rows that a write is given, brought into the columns of their table. Not here: what is done with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lakehouse_platform.contracts.types import BIGINT, DOUBLE, INT, ColumnType
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.engine.duckdb import QueryError, Session
from lakehouse_platform.engine.spelling import duckdb_type, quote, type_of
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes.change import Options

# DuckDB's types that no table has, and a type that holds each of their values.
_HELD_BY = {"FLOAT": DOUBLE, "UTINYINT": INT, "USMALLINT": INT, "UINTEGER": BIGINT}
_UNTYPED = '"NULL"'
_DIGITS = {"int": 10, "bigint": 19}


@dataclass(frozen=True)
class Rows:
    """Rows to write: their SQL, and the columns of it that are to be stored."""

    sql: str
    fields: tuple[Field, ...]

    def shaped_as(self, target: Snapshot, *, also: Sequence[str] = ()) -> str:
        """SQL of the rows in exactly the table's columns; one that the rows lack is null. `also` names columns of the SQL that go with them.

        Raises LakehouseError that names a column of a type that the table's does not hold, or one that may not be null and is lacking.
        """
        return _in_columns(self, target.columns, target.location, also)


def rows_of(session: Session, rows_sql: str, options: Options, *, without: Collection[str] = ()) -> Rows:
    """The rows of a query with the columns that a table would have of them: those of the option `columns`, else its own, nullable.

    A column without a type, `NULL AS x`, is left out: it says nothing. Raises QueryError that names a column whose type no table holds.
    """
    fields = []
    for name, kind in session.kinds(rows_sql).items():
        text = str(kind)
        if name in without or text == _UNTYPED:
            continue
        try:
            fields.append(Field(name, _HELD_BY[text] if text in _HELD_BY else type_of(text)))
        except ValueError as error:
            raise QueryError(f"column {name!r}: {error}") from error
    declared = options.get("columns")
    if declared is None:
        return Rows(rows_sql, tuple(fields))
    if strange := {field.name for field in fields} - {field.name for field in declared}:
        raise LakehouseError(f"the rows have columns that are not declared: {', '.join(sorted(strange))}; declare them, or leave them out")
    return Rows(_in_columns(Rows(rows_sql, tuple(fields)), declared, "the declared columns"), tuple(declared))


def new_fields(given: Sequence[Field], table: Sequence[Field]) -> tuple[Field, ...]:
    """The columns that the rows have and the table has not."""
    known = {field.name for field in table}
    return tuple(field for field in given if field.name not in known)


def _in_columns(rows: Rows, columns: Sequence[Field], place: str, also: Sequence[str] = ()) -> str:
    types = {field.name: field.type for field in rows.fields}
    outputs = []
    for field in columns:
        if field.name not in types and not field.nullable:
            raise LakehouseError(f"{place}: the rows lack column {field.name!r}, which may not be null; give it a value")
        if field.name in types and not _holds(field.type, types[field.name]):
            raise LakehouseError(
                f"{place}: column {field.name!r} is {field.type} in the table and {types[field.name]} in the rows; "
                f"cast it to {field.type}, or write the table anew with the other type"
            )
        value = quote(field.name) if field.name in types else "NULL"
        outputs.append(f"CAST({value} AS {duckdb_type(field.type)}) AS {quote(field.name)}")
    return f"SELECT {', '.join([*outputs, *also])} FROM ({rows.sql})"


def _holds(wanted: ColumnType, given: ColumnType) -> bool:
    """Whether every value of one type is a value of the other, exactly."""
    if wanted == given:
        return True
    if wanted.name == given.name and wanted.items and wanted.names == given.names:
        return all(_holds(one, other) for one, other in zip(wanted.items, given.items, strict=True))
    if wanted in (BIGINT, DOUBLE):
        return given == INT
    if wanted.name != "decimal":
        return False
    whole = given.precision - given.scale if given.name == "decimal" else _DIGITS.get(given.name)
    return whole is not None and whole <= wanted.precision - wanted.scale and given.scale <= wanted.scale

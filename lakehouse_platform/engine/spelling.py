"""How DuckDB spells identifiers, values and types. Not here: queries, and Spark's spelling (contracts/types.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from lakehouse_platform.contracts.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    ColumnType,
    array,
    decimal,
)

Value = None | bool | int | float | str | bytes | Decimal | date | datetime | Sequence["Value"]

_PLAIN = {
    STRING: "VARCHAR",
    BOOLEAN: "BOOLEAN",
    INT: "INTEGER",
    BIGINT: "BIGINT",
    DOUBLE: "DOUBLE",
    DATE: "DATE",
    TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    BINARY: "BLOB",
}
# JSON is text with a check; small integers are what DuckDB makes of some functions and fit INT.
_TYPE_OF_PLAIN = {spelling: plain for plain, spelling in _PLAIN.items()} | {"JSON": STRING, "TINYINT": INT, "SMALLINT": INT}
_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|[A-Za-z_]\w*|\d+|[(),\[\]])')


def quote(identifier: str) -> str:
    """An identifier that means exactly this name."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: Value) -> str:
    """A value as SQL, with its type: text never becomes code, numbers never pass through another type."""
    if value is None:
        return "NULL"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return next(spell(value) for kind, spell in _LITERALS if isinstance(value, kind))


def _decimal_that_holds(value: Decimal) -> str:
    _, digits, exponent = value.as_tuple()
    if isinstance(exponent, str):
        raise ValueError(f"{value} is no number that a DECIMAL holds")  # noqa: TRY004 -- the value, not its type, is wrong
    scale = max(0, -exponent)
    return f"DECIMAL({max(len(digits) + max(0, exponent), scale, 1)},{scale})"


# The first kind that fits: a bool is an int, and a datetime is a date.
_LITERALS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, lambda value: str(value).lower()),
    (int, str),
    (float, lambda value: f"CAST('{value!r}' AS DOUBLE)"),
    (Decimal, lambda value: f"CAST('{value:f}' AS {_decimal_that_holds(value)})"),
    (str, lambda value: "'" + value.replace("'", "''") + "'"),
    (bytes, lambda value: f"from_hex('{value.hex()}')"),
    (datetime, lambda value: f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat(sep=' ')}'"),
    (date, lambda value: f"DATE '{value.isoformat()}'"),
)


def duckdb_type(column_type: ColumnType) -> str:
    """DuckDB's spelling of a column type."""
    match column_type.name:
        case "decimal":
            return f"DECIMAL({column_type.precision},{column_type.scale})"
        case "array":
            return f"{duckdb_type(column_type.items[0])}[]"
        case "map":
            return f"MAP({duckdb_type(column_type.items[0])}, {duckdb_type(column_type.items[1])})"
        case "struct":
            pairs = zip(column_type.names, column_type.items, strict=True)
            return "STRUCT(" + ", ".join(f"{quote(name)} {duckdb_type(item)}" for name, item in pairs) + ")"
        case _:
            return "TIMESTAMP" if column_type == TIMESTAMP_NTZ else _PLAIN[column_type]


def type_of(text: str) -> ColumnType:
    """The column type that DuckDB spells so.

    Raises ValueError for a type that no table holds without a cast (HUGEINT, TIMESTAMP without a zone, …).
    """
    tokens = list(_tokens(text))
    found, rest = _parse(tokens, text)
    if rest:
        raise _unknown(text)
    return found


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unknown(text)
        yield match[1]
        position = match.end()


def _parse(tokens: list[str], text: str) -> tuple[ColumnType, list[str]]:
    found, tokens = _parse_item(tokens, text)
    while tokens[:1] == ["["]:
        if tokens[1:2] != ["]"]:
            raise _unknown(text)
        found, tokens = array(found), tokens[2:]
    return found, tokens


def _parse_item(tokens: list[str], text: str) -> tuple[ColumnType, list[str]]:
    match tokens:
        case ["DECIMAL", "(", precision, ",", scale, ")", *rest]:
            return decimal(int(precision), int(scale)), rest
        case ["MAP", "(", *rest]:
            key, rest = _parse(rest, text)
            value, rest = _parse(_after(",", rest, text), text)
            return ColumnType("map", items=(key, value)), _after(")", rest, text)
        case ["STRUCT", "(", *rest]:
            return _parse_struct(rest, text)
        case ["TIMESTAMP", "WITH", "TIME", "ZONE", *rest]:
            return TIMESTAMP, rest
        case [name, *rest] if name in _TYPE_OF_PLAIN:
            return _TYPE_OF_PLAIN[name], rest
    raise _unknown(text)


def _parse_struct(tokens: list[str], text: str) -> tuple[ColumnType, list[str]]:
    names: list[str] = []
    items: list[ColumnType] = []
    while tokens:
        name, tokens = tokens[0], tokens[1:]
        names.append(name[1:-1].replace('""', '"') if name.startswith('"') else name)
        item, tokens = _parse(tokens, text)
        items.append(item)
        if tokens[:1] == [")"]:
            return ColumnType("struct", items=tuple(items), names=tuple(names)), tokens[1:]
        tokens = _after(",", tokens, text)
    raise _unknown(text)


def _after(expected: str, tokens: list[str], text: str) -> list[str]:
    if tokens[:1] != [expected]:
        raise _unknown(text)
    return tokens[1:]


def _unknown(text: str) -> ValueError:
    return ValueError(
        f"DuckDB's type {text} is none that a table holds: cast to one of {', '.join(str(plain) for plain in _PLAIN)}, DECIMAL, ARRAY, MAP, STRUCT"
    )

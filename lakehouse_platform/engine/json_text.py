"""Rows of any relation as JSON text that loses nothing: DuckDB's own to_json takes small decimals through doubles and writes NaN bare.

Not here: JSON text as fields (ingest/json_fields.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from duckdb.sqltypes import DuckDBPyType

from lakehouse_platform.engine.spelling import literal, quote

_BARE = ("boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint", "hugeint", "uhugeint", "decimal")
_INSTANTS = ("timestamp with time zone", "timestamptz_ns")
_MOMENTS = ("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns")
_TEXTS = ("varchar", "enum", "uuid", "date", "time", "time_ns", "interval")


def row_text(kinds: Mapping[str, DuckDBPyType], names: Sequence[str]) -> str:
    """SQL of a row of these columns as the text of a JSON object, whose keys are `names`, in the order of the columns.

    Numbers keep all their digits; instants are ISO 8601 with `Z`, other moments without a zone; binary is base64; NaN and the infinities
    are text. Raises ValueError, naming the column, where a type has no such text.
    """
    members = [(name, json_value(quote(column), kind, name)) for name, (column, kind) in zip(names, kinds.items(), strict=True)]
    return _object(members)


def json_value(value: str, kind: DuckDBPyType, path: str) -> str:
    """SQL of a value's JSON text, `null` for a null. `path` names it in errors."""
    return f"CASE WHEN {value} IS NULL THEN 'null' ELSE {_present(value, kind, path)} END"


def _present(value: str, kind: DuckDBPyType, path: str) -> str:
    # A lambda's parameter has a name of its own at each depth.
    item = quote(f"_{path}")
    match kind.id:
        case name if name in _BARE:
            return f"CAST({value} AS VARCHAR)"
        case "float" | "double":
            return f"CASE WHEN isfinite({value}) THEN CAST({value} AS VARCHAR) ELSE {_quoted(_scalar(value, kind, path))} END"
        case "list" | "array":
            child, *_ = _children(kind).values()
            return _list(f"list_transform({value}, lambda {item}: {json_value(item, child, f'{path}[]')})", "[", "]")
        case "struct":
            return _object([(name, json_value(f"{value}.{quote(name)}", child, f"{path}.{name}")) for name, child in _children(kind).items()])
        case "map":
            key, held = _children(kind).values()
            member = f"{_quoted(_scalar(f'{item}.key', key, f'{path}.key'))} || ':' || {json_value(f'{item}.value', held, f'{path}.value')}"
            return _list(f"list_transform(map_entries({value}), lambda {item}: {member})", "{", "}")
        case "null" | '"null"' | "sqlnull":
            return "'null'"
        case _:
            return _quoted(_scalar(value, kind, path))


def _scalar(value: str, kind: DuckDBPyType, path: str) -> str:
    """SQL of a value without parts as plain text."""
    text = f"CAST({value} AS VARCHAR)"
    match kind.id:
        case name if name in _INSTANTS:
            return f"(replace({text}[:-4], ' ', 'T') || 'Z')"
        case name if name in _MOMENTS:
            return f"replace({text}, ' ', 'T')"
        case "blob":
            return f"to_base64({value})"
        case "float" | "double":
            return f"CASE {text} WHEN 'nan' THEN 'NaN' WHEN 'inf' THEN 'Infinity' WHEN '-inf' THEN '-Infinity' ELSE {text} END"
        case name if name in _BARE or name in _TEXTS:
            return text
        case _:
            raise ValueError(f"{path} is of type {kind}, which has no text in JSON")


def _children(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    # Of a fixed-size array, one of the children is its size.
    return {name: child for name, child in kind.children if isinstance(child, DuckDBPyType)}


def _quoted(text: str) -> str:
    return f"CAST(to_json({text}) AS VARCHAR)"


def _list(parts: str, opening: str, closing: str) -> str:
    return f"({literal(opening)} || array_to_string({parts}, ',') || {literal(closing)})"


def _object(members: Sequence[tuple[str, str]]) -> str:
    if not members:
        return "'{}'"
    parts = " || ',' || ".join(f"{_quoted(literal(name))} || ':' || {value}" for name, value in members)
    return f"('{{' || {parts} || '}}')"

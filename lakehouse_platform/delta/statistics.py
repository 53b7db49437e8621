"""A file's statistics in the log: DuckDB's RETURN_STATS as Delta's JSON, and that JSON as Python values. Not here: pruning by them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.files import Field, WrittenFile

MAX_TEXT_LENGTH = 32
# What a table without a property of its own wants statistics of.
_INDEXED_BY_DEFAULT = "32"
_LAST_CODE_POINT, _FIRST_SURROGATE, _AFTER_SURROGATES = 0x10FFFF, 0xD800, 0xE000
_MICROSECONDS_PER_MILLISECOND, _MILLISECONDS_PER_SECOND = 1000, 1000
# Years of more or fewer digits, years BC and infinities have no form in the log: such a bound is left out.
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMESTAMP = re.compile(r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?\+00")

Side = Literal["min", "max"]
# A bound's text in DuckDB's spelling to its JSON text; None where there is no honest bound.
_Spelling = Callable[[str, Side], str | None]


def statistics_json(file: WrittenFile, columns: Sequence[Field], unbounded: Collection[str] = ()) -> str:
    """Delta's statistics of a file. `unbounded` columns get no minimum and maximum: their values are nobody's to read from a log."""
    minimums: dict[str, str] = {}
    maximums: dict[str, str] = {}
    nulls: dict[str, str] = {}
    for field in columns:
        given = file.statistics.get(field.name)
        if given is None or field.name in file.partition_values:
            continue
        # Delta wants null counts of a struct's parts, not of the struct.
        if field.type.name != "struct" and "null_count" in given:
            nulls[field.name] = given["null_count"]
        if field.name not in unbounded:
            _put(minimums, field, given, "min")
            _put(maximums, field, given, "max")
    # Written as text, since a decimal that passes through a float loses digits.
    parts = {"numRecords": str(file.rows), "minValues": _json_object(minimums), "maxValues": _json_object(maximums), "nullCount": _json_object(nulls)}
    return _json_object(parts)


def indexed_columns(columns: Sequence[Field], partition_columns: Collection[str], configuration: Mapping[str, str]) -> tuple[Field, ...]:
    """The columns that a table wants statistics of, by its properties (`delta.dataSkippingStatsColumns` goes before the number of them)."""
    candidates = tuple(column for column in columns if column.name not in partition_columns)
    named = configuration.get("delta.dataSkippingStatsColumns")
    if named is not None:
        names = {_unquoted(name) for name in named.split(",")}
        return tuple(column for column in candidates if column.name in names)
    number = int(configuration.get("delta.dataSkippingNumIndexedCols", _INDEXED_BY_DEFAULT))
    if number < 0:
        return candidates
    indexed: list[Field] = []
    for column in candidates:
        number -= _leaves(column.type)
        if number < 0:
            break
        indexed.append(column)
    return tuple(indexed)


def _leaves(column_type: ColumnType) -> int:
    """How many columns a column counts for: the parts of a struct count each."""
    return sum(_leaves(item) for item in column_type.items) if column_type.name == "struct" else 1


def _unquoted(name: str) -> str:
    name = name.strip()
    return name[1:-1].replace("``", "`") if name.startswith("`") and name.endswith("`") and len(name) > 1 else name


def _put(bounds: dict[str, str], field: Field, given: Mapping[str, str], side: Side) -> None:
    text = given.get(side)
    spelling = _SPELLINGS.get(field.type.name)
    # DuckDB's bounds leave NaN out, and say that they are exact all the same.
    if text is None or spelling is None or given.get("has_nan") == "true":
        return
    bound = spelling(text, side)
    if bound is not None:
        bounds[field.name] = bound


def _json_object(values: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{_json_text(name)}:{value}" for name, value in values.items()) + "}"


def _json_text(text: str) -> str:
    # Unescaped: delta-rs reads the escaped form of code points from U+20000 on as other code points.
    return json.dumps(text, ensure_ascii=False)


def _number(text: str, _side: Side) -> str:
    return text


def _double(text: str, side: Side) -> str | None:
    value = float(text)
    if value == 0:
        return "0.0" if side == "max" else "-0.0"
    return None if value in (float("inf"), float("-inf")) else repr(value)


def _date(text: str, _side: Side) -> str | None:
    return json.dumps(text) if _DATE.fullmatch(text) else None


def _timestamp(text: str, side: Side) -> str | None:
    """UTC milliseconds: a minimum is floored and a maximum raised, so that both bound the microseconds."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    seconds, microseconds = int(datetime.fromisoformat(match[1] + "+00:00").timestamp()), int((match[2] or "").ljust(6, "0"))
    milliseconds, beyond = divmod(microseconds, _MICROSECONDS_PER_MILLISECOND)
    if side == "max" and beyond:
        milliseconds += 1
    carried, milliseconds = divmod(milliseconds, _MILLISECONDS_PER_SECOND)
    try:
        whole = datetime.fromtimestamp(seconds + carried, UTC)
    except (ValueError, OverflowError):
        return None  # raised beyond the year 9999
    return json.dumps(f"{whole.replace(tzinfo=None).isoformat()}.{milliseconds:03d}Z")


def _text(text: str, side: Side) -> str | None:
    if len(text) <= MAX_TEXT_LENGTH:
        return _json_text(text)
    cut = text[:MAX_TEXT_LENGTH]
    bound = _raised(cut) if side == "max" else cut
    return None if bound is None else _json_text(bound)


def _raised(text: str) -> str | None:
    """The least text up to the last code point that can be raised which is greater than every text that starts with `text`."""
    for index in range(len(text) - 1, -1, -1):
        code_point = ord(text[index])
        if code_point < _LAST_CODE_POINT:
            following = code_point + 1
            return text[:index] + chr(_AFTER_SURROGATES if following == _FIRST_SURROGATE else following)
    return None


_SPELLINGS: Mapping[str, _Spelling] = {
    "int": _number,
    "bigint": _number,
    "decimal": _number,
    "double": _double,
    "date": _date,
    "timestamp": _timestamp,
    "string": _text,
}


def parsed_statistics(text: str | None, columns: Sequence[Field]) -> tuple[int | None, dict[str, Any], dict[str, Any], dict[str, int]]:
    """Rows, minimums, maximums and null counts of Delta's JSON, as Python values of the columns' types; what is no such value is left out."""
    given = json.loads(text, parse_float=Decimal) if text else {}
    types = {field.name: field.type for field in columns}
    minimums, maximums = (_bounds_of(given.get(side) or {}, types) for side in ("minValues", "maxValues"))
    nulls = {name: count for name, count in (given.get("nullCount") or {}).items() if isinstance(count, int)}
    return given.get("numRecords"), minimums, maximums, nulls


def _bounds_of(given: Mapping[str, Any], types: Mapping[str, ColumnType]) -> dict[str, Any]:
    bounds = {name: _python_value(value, types[name]) for name, value in given.items() if name in types}
    return {name: value for name, value in bounds.items() if value is not None}


def _python_value(value: Any, column_type: ColumnType) -> Any:
    """The bound as Python has it; None where there is none, as for years beyond 9999 and the bounds of a struct's parts."""
    if isinstance(value, dict):
        return None
    try:
        match column_type.name:
            case "decimal":
                return Decimal(value)
            case "double":
                return float(value)
            case "date":
                return date.fromisoformat(value)
            case "timestamp" | "timestamp_ntz":
                return datetime.fromisoformat(value)
            case _:
                return value
    except (ValueError, TypeError, ArithmeticError):
        return None

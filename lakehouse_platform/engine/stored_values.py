"""How the values of a file become a column's, in SQL: parts that the files call otherwise, and numbers whose statistics leave some out.

Not here: the reader of the files (scan.py).
"""

from __future__ import annotations

from lakehouse_platform.contracts.types import DOUBLE, ColumnType
from lakehouse_platform.engine.spelling import literal, quote

_NAN = "CAST('nan' AS DOUBLE)"


def value_of(sql: str, stored: ColumnType, wanted: ColumnType, depth: int = 0) -> str:
    """SQL of a column's value, from that of the files: the same shape, whose parts may have other names there."""
    if _names(stored) != _names(wanted):
        return _renamed(sql, stored, wanted, depth)
    if depth:
        return sql
    if stored == DOUBLE:
        # Other writers leave NaN out of a file's bounds, and DuckDB then skips rows that it counts as greater than every number.
        return f"CASE WHEN isnan({sql}) THEN {_NAN} ELSE {sql} END"
    # The same for a number inside: only bare columns are compared with bounds.
    return f"CASE WHEN {sql} IS NOT NULL THEN {sql} END" if _has_double(stored) else sql


def _renamed(sql: str, stored: ColumnType, wanted: ColumnType, depth: int) -> str:
    item = f"item_{depth}"
    match wanted.name:
        case "struct":
            values = [
                f"{quote(name)} := {value_of(f'struct_extract({sql}, {literal(under)})', kind, target, depth + 1)}"
                for name, under, kind, target in zip(wanted.names, stored.names, stored.items, wanted.items, strict=True)
            ]
            return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({', '.join(values)}) END"
        case "array":
            return f"list_transform({sql}, lambda {item}: {value_of(item, stored.items[0], wanted.items[0], depth + 1)})"
        case _:
            key, value = (
                value_of(f"{item}.{part}", kind, target, depth + 1)
                for part, kind, target in zip(("key", "value"), stored.items, wanted.items, strict=True)
            )
            entries = f"list_transform(map_entries({sql}), lambda {item}: struct_pack(k := {key}, v := {value}))"
            return f"CASE WHEN {sql} IS NOT NULL THEN map_from_entries({entries}) END"


def _names(column_type: ColumnType) -> tuple[object, ...]:
    """The names of a type's parts, at every depth."""
    return (*column_type.names, *(_names(item) for item in column_type.items))


def _has_double(column_type: ColumnType) -> bool:
    return column_type == DOUBLE or (column_type.name == "struct" and any(_has_double(item) for item in column_type.items))

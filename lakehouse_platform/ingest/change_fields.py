"""Change events in the plain envelope, `{op, ts_ms, key, before, after}`, as fields of the row that changed.

Not here: JSON records that are rows themselves (json_fields.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.ingest import json_fields

_ERRORS = json_fields.ERRORS | {
    "unknown_operation": "op is none of c, u, d, r and t",
    "truncate_not_supported": "empties the whole table (op t), which the platform does not follow",
    "invalid_change_time": "ts_ms is no whole number of milliseconds in the years 1 to 9999",
    "missing_row": "holds no row: an object in `after`, or in `before` of a delete",
}
_FIRST_MS, _LAST_MS = -62135596800000, 253402300799999
_IMAGES = ("before", "after")
# SQL of the names of a decoded event's fields; of a delete nothing but the key counts.
FIELD_NAMES = "CASE WHEN _operation <> 'd' THEN json_keys(raw_data, '/after') END"


def decoded(relation: str, fields: Sequence[str], decimals: Mapping[str, ColumnType]) -> str:
    """SQL of a bronze relation of change events with these fields: of `before` for deletes, else of `after`."""
    paths = ["/op", "/ts_ms", *(f"/{image}/{json_fields.pointer(field)}" for image in _IMAGES for field in fields)]
    columns = "".join(_column(field, place, len(fields), decimals) for place, field in enumerate(fields, 3))
    shape: dict[str, object] = {image: json_fields.structure(decimals) for image in _IMAGES} if decimals else {}
    opened = (
        f"SELECT *, {json_fields.texts(paths)} AS _texts, {json_fields.exact(shape)} AS _exact, "
        f"CASE WHEN json_valid(raw_data) THEN json_type(raw_data, ['/before', '/after']) END AS _images FROM {relation}"
    )
    typed = f"SELECT *, _texts[1] AS _operation, {_change_timestamp('_texts[2]')} AS _change_timestamp FROM ({opened})"
    failures = (
        f"{json_fields.failures(relation)} WHEN coalesce(_operation NOT IN ('c', 'u', 'd', 'r', 't'), true) THEN 'unknown_operation' "
        "WHEN _operation = 't' THEN 'truncate_not_supported' "
        "WHEN _change_timestamp IS NULL THEN 'invalid_change_time' "
        "WHEN coalesce(_images[CASE WHEN _operation = 'd' THEN 1 ELSE 2 END], 'NULL') <> 'OBJECT' THEN 'missing_row'"
    )
    rows = f"SELECT * EXCLUDE (_texts, _exact, _images){columns}, CASE {failures} END AS _decode_failure FROM ({typed})"
    return json_fields.with_errors(rows, _ERRORS)


def missing_kind(field: str) -> str:
    """SQL of how a null field of the changed row came to be."""
    before, after = (json_fields.missing_kind(f"/{image}/{json_fields.pointer(field)}") for image in _IMAGES)
    return f"CASE WHEN _operation = 'd' THEN {before} ELSE {after} END"


def _column(field: str, place: int, fields: int, decimals: Mapping[str, ColumnType]) -> str:
    text = f"CASE WHEN _operation = 'd' THEN _texts[{place}] ELSE _texts[{place + fields}] END"
    exact = f"CASE WHEN _operation = 'd' THEN _exact.before.{quote(field)} ELSE _exact.after.{quote(field)} END"
    return json_fields.column(field, text, exact, decimals)


def _change_timestamp(text: str) -> str:
    milliseconds = f"CAST({text} AS BIGINT)"
    is_whole = f"regexp_full_match({text}, {literal('-?[0-9]{1,15}')})"
    is_time = f"CASE WHEN {is_whole} THEN {milliseconds} BETWEEN {_FIRST_MS} AND {_LAST_MS} ELSE false END"
    return f"CASE WHEN {is_time} THEN make_timestamptz({milliseconds} * 1000) END"

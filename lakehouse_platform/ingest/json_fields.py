"""JSON records as fields: their text, exact decimals, and what makes a record undecodable. Not here: change events (change_fields.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.engine.text_forms import text_as

# What looking for duplicate keys takes grows with a record's length times its depth.
DEEPEST_NESTING = 200

ERRORS = {
    "undecodable_bytes": "holds bytes outside the encoding of its source",
    "malformed_json": "is no JSON",
    "not_an_object": "is JSON, but no object with fields",
    "too_deeply_nested": f"nests objects and lists more than {DEEPEST_NESTING} deep",
    "duplicate_json_key": "holds a key twice in one object, and readers differ in which one they take",
}

# SQL of the names of a decoded record's fields.
FIELD_NAMES = "json_keys(raw_data)"


def decoded(relation: str, fields: Sequence[str], decimals: Mapping[str, ColumnType]) -> str:
    """SQL of a bronze relation of JSON records with these fields."""
    paths = [f"/{pointer(field)}" for field in fields]
    columns = "".join(column(field, f"_texts[{place}]", f"_exact.{quote(field)}", decimals) for place, field in enumerate(fields, 1))
    return with_errors(
        f"SELECT * EXCLUDE (_texts, _exact){columns}, CASE {failures(relation)} END AS _decode_failure "
        f"FROM (SELECT *, {texts(paths)} AS _texts, {exact(structure(decimals))} AS _exact FROM {relation})",
        ERRORS,
    )


def missing_kind(path: str) -> str:
    """SQL of how the null at a JSON pointer came to be."""
    return f"CASE TRY(json_type(raw_data, {literal(path)})) WHEN 'NULL' THEN 'null' ELSE 'missing' END"


def pointer(name: str) -> str:
    """A key as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def texts(paths: Sequence[str]) -> str:
    """SQL of the texts at JSON pointers, in one pass over the record; null where it is no JSON."""
    # Asking first costs less than a TRY as soon as some records in each thousand fail.
    return f"CASE WHEN json_valid(raw_data) THEN json_extract_string(raw_data, CAST({literal(list(paths))} AS VARCHAR[])) END"


def exact(shape: Mapping[str, object]) -> str:
    """SQL of the values of a shape of types, each decoded straight to its type; null where the record is no JSON, or nothing is asked for."""
    return f"CASE WHEN json_valid(raw_data) THEN from_json(raw_data, {literal(json.dumps(shape))}) END" if shape else "NULL"


def structure(decimals: Mapping[str, ColumnType]) -> dict[str, object]:
    """The shape that decodes these fields to their decimals."""
    return {field: duckdb_type(column_type) for field, column_type in decimals.items()}


def column(field: str, text: str, exact_value: str, decimals: Mapping[str, ColumnType]) -> str:
    """SQL of a field's columns, each with its comma in front."""
    if field not in decimals:
        return f", {text} AS {quote(field)}"
    # DuckDB makes decimals also of true and of text in other forms than ours.
    exact_field = f"CASE WHEN {text_as(text, decimals[field])} IS NOT NULL THEN {exact_value} END AS {quote(exact_name(field))}"
    return f", {text} AS {quote(field)}, {exact_field}"


def exact_name(field: str) -> str:
    """Name of the column that holds a field's exact DECIMAL beside its text."""
    return f"{field}__exact"


def failures(relation: str) -> str:
    """SQL of the cases in which a record is no object with distinct keys. Expects `_texts`."""
    return (
        "WHEN raw_data IS NULL THEN 'undecodable_bytes' WHEN _texts IS NULL THEN 'malformed_json' "
        "WHEN NOT starts_with(raw_data, '{') AND json_type(raw_data) <> 'OBJECT' THEN 'not_an_object' "
        f"WHEN {_is_too_deep()} THEN 'too_deeply_nested' "
        f"WHEN {_has_duplicate_keys(relation)} THEN 'duplicate_json_key'"
    )


def with_errors(rows: str, errors: Mapping[str, str]) -> str:
    """SQL of rows with `_decode_error`, the failure in words."""
    cases = " ".join(f"WHEN {literal(rule)} THEN {literal(text)}" for rule, text in errors.items())
    return f"SELECT *, CASE _decode_failure {cases} END AS _decode_error FROM ({rows})"


def _is_too_deep() -> str:
    # The cheap questions first: most records are short or flat, and only one with many brackets has its depth counted.
    may_be = f"strlen(raw_data) > {2 * DEEPEST_NESTING} AND (raw_data LIKE '%{{%{{%' OR raw_data LIKE '%[%[%')"
    opened = "strlen(raw_data) - strlen(replace(replace(raw_data, '{', ''), '[', ''))"
    brackets = r"""regexp_replace(raw_data, '"(?:[^"\\]|\\.)*"|[^][{}"]+', '', 'g')"""
    # Each pass takes the innermost pairs away.
    passes = f"list_transform(range({DEEPEST_NESTING}), lambda place: '')"
    left = rf"list_reduce({passes}, lambda text, place: regexp_replace(text, '\{{\}}|\[\]', '', 'g'), {brackets})"
    return f"CASE WHEN NOT ({may_be}) THEN false WHEN {opened} <= {DEEPEST_NESTING} THEN false ELSE {left} <> '' END"


def _has_duplicate_keys(relation: str) -> str:
    # Comparing with the keys of some good record, which most share, costs a quarter of looking for duplicates among them.
    distinct = "list_unique(json_keys(raw_data)) = len(json_keys(raw_data))"
    usual = f"(SELECT json_keys(raw_data) FROM {relation} WHERE CASE WHEN json_valid(raw_data) THEN {distinct} END LIMIT 1)"
    objects = "list_filter(json_extract(raw_data, '$..*'), lambda value: starts_with(value, '{'))"
    inner = f"list_filter({objects}, lambda value: list_unique(json_keys(value)) <> len(json_keys(value)))"
    return (
        f"CASE WHEN json_keys(raw_data) = {usual} THEN false ELSE NOT ({distinct}) END "
        f"OR CASE WHEN raw_data LIKE '%{{%{{%' THEN len({inner}) > 0 ELSE false END"
    )

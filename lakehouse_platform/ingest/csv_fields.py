"""CSV records as fields, by the header of their own file. Not here: cutting files into records (records.py)."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse_platform.engine.spelling import literal, quote

# A field is quoted, with what may wrongly follow its closing quote, or anything without a comma.
_FIELD = r'("(?:[^"]|"")*"[^,]*|[^,]*),'
_IS_QUOTED = """starts_with(value, '"') AND ends_with(value, '"') AND strlen(value) > 1"""
_UNQUOTED = f"""CASE WHEN {_IS_QUOTED} THEN replace(value[2:-2], '""', '"') ELSE value END"""
# A quote that closes before the field ends.
_TEXT_AFTER_QUOTE = r'^"(?:[^"]|"")*"[^"]'

_ERRORS = {
    "undecodable_bytes": "'holds bytes outside the encoding of its source'",
    "open_quote": "'a quote is never closed; the record starts with: ' || split_part(raw_data, chr(10), 1)[1:200]",
    "text_after_quote": "'text follows a closing quote before the next comma'",
    "wrong_field_count": "'has ' || len(_values) || ' fields, the header has ' || len(_names)",
}


def decoded(relation: str, fields: Sequence[str]) -> str:
    """SQL of a bronze relation of CSV records with these fields, as text."""
    # DuckDB computes what depends on the header alone once for each header, so a field's place costs nothing a row.
    columns = "".join(f", _values[list_position(_names, {literal(field)})] AS {quote(field)}" for field in fields)
    split = f"SELECT *, {_split('raw_data')} AS _values, {_split('source_header')} AS _names FROM {relation}"
    judged = f"SELECT *, {_failure()} AS _decode_failure FROM ({split})"
    return f"SELECT * EXCLUDE (_values, _names){columns}, {_error()} AS _decode_error FROM ({judged})"


def missing_kind(field: str) -> str:
    """SQL of how a null field came to be: a CSV record has no null, so its header lacks the field."""
    return f"CASE WHEN list_contains({_split('source_header')}, {literal(field)}) THEN 'empty' ELSE 'missing' END"


def _split(record: str) -> str:
    quoted = f"list_transform({_quoted_fields(record)}, lambda value: {_UNQUOTED})"
    return f"CASE WHEN contains({record}, '\"') THEN {quoted} ELSE string_split({record}, ',') END"


def _quoted_fields(record: str) -> str:
    """SQL of a record's fields with their quotes."""
    return f"regexp_extract_all({record} || ',', '{_FIELD}', 1)"


def _failure() -> str:
    quoted = "contains(raw_data, '\"')"
    open_quote = f"{quoted} AND (strlen(raw_data) - strlen(replace(raw_data, '\"', ''))) % 2 = 1"
    is_broken = f"lambda value: regexp_matches(value, '{_TEXT_AFTER_QUOTE}')"
    after_quote = f"{quoted} AND len(list_filter({_quoted_fields('raw_data')}, {is_broken})) > 0"
    return (
        f"CASE WHEN raw_data IS NULL THEN 'undecodable_bytes' WHEN {open_quote} THEN 'open_quote' WHEN {after_quote} THEN 'text_after_quote' "
        "WHEN len(_values) <> len(_names) THEN 'wrong_field_count' END"
    )


def _error() -> str:
    return "CASE _decode_failure " + " ".join(f"WHEN '{rule}' THEN {text}" for rule, text in _ERRORS.items()) + " END"


# SQL of the names of a record's fields.
FIELD_NAMES = f"list_distinct({_split('source_header')})"

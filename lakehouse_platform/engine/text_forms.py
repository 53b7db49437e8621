r"""The forms of text that become a type, the same on every engine (docs/engines.md), and how DuckDB reads each fast.

integer `[+-]?\d+` · decimal and double `[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?` · date `\d{4}-\d{2}-\d{2}`, or that before a time ·
timestamp date, `T` or blank, `hh:mm[:ss[.up to 6]]`, zone `Z` or `±hh[[:]mm]` or none · boolean `true|false`. ASCII blanks around are trimmed.
"""

from __future__ import annotations

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.spelling import duckdb_type, literal

_BLANK = " \t\n\f\r"
_BLANKS = r"[ \t\n\f\r]*"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-](0[0-9]|1[0-8])(:?[0-5][0-9])?)?"
_HAS_ZONE = ":[0-9:.]*[Z+-]"
# What DuckDB's own cast takes beyond the form: a text without it that casts has the form. A third of the cost of matching the form.
_NOT_INTEGER = r"[^0-9+\- \t\n\f\r]"
_NOT_DECIMAL = r"[^0-9+\-.eE \t\n\f\r]|\+-|[eE].*\."
_FIRST, _LAST = "TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"


def text_as(text: str, target: ColumnType, timezone: str = "UTC") -> str:
    """DuckDB expression that reads text in the type's form, null where it has another; a time without a zone is in `timezone`."""
    kind = duckdb_type(target)
    match target.name:
        case "string":
            return text
        case "int" | "bigint":
            return f"CASE WHEN NOT regexp_matches({text}, '{_NOT_INTEGER}') THEN TRY_CAST({text} AS {kind}) END"
        case "decimal":
            return f"CASE WHEN NOT regexp_matches({text}, '{_NOT_DECIMAL}') THEN TRY_CAST({text} AS {kind}) END"
        case "double":
            read = f"TRY_CAST({text} AS DOUBLE)"
            return f"CASE WHEN NOT regexp_matches({text}, '{_NOT_DECIMAL}') AND isfinite({read}) THEN {read} END"
        case "boolean":
            return f"CASE {trimmed(text)} WHEN 'true' THEN true WHEN 'false' THEN false END"
        case "date":
            return _date(text)
        case "timestamp":
            return _timestamp(text, timezone)
        case "binary":
            return f"encode({text})"
        case _:
            return f"CAST(NULL AS {kind})"


def trimmed(text: str) -> str:
    """DuckDB expression of a text without the ASCII blanks around it."""
    return f"trim({text}, {literal(_BLANK)})"


def _date(text: str) -> str:
    # The first arm takes nearly all texts at a third of the second's cost. From '0001' to ':' begins with a digit, and not with 0000;
    # what DuckDB casts of ten such characters has the form, but for a blank at the end.
    plain = f"{text} LIKE '____-__-__' AND {text} >= '0001' AND {text} < ':' AND {text}[10] >= '0'"
    cut = f"{trimmed(text)}[1:10]"
    form = f"regexp_full_match({text}, '{_BLANKS}{_DATE}([T ]{_TIME})?{_BLANKS}') AND {cut} >= '0001'"
    return f"CASE WHEN {plain} THEN TRY_CAST({text} AS DATE) WHEN {form} THEN TRY_CAST({cut} AS DATE) END"


def _timestamp(text: str, timezone: str) -> str:
    # A zone may carry the first and the last day out of the years 0001 to 9999; only there, and for blanks, the second arm looks closer.
    bare = trimmed(text)
    inside = f"{text} >= '0001-01-02' AND {text} < '9999-12-31' AND regexp_full_match({text}, '{_DATE}[T ]{_TIME}')"
    form = f"regexp_full_match({bare}, '{_DATE}[T ]{_TIME}')"
    checked = f"CASE WHEN {_instant(bare, timezone)} BETWEEN {_FIRST} AND {_LAST} THEN {_instant(bare, timezone)} END"
    return f"CASE WHEN {inside} THEN {_instant(text, timezone)} WHEN {form} THEN {checked} END"


def _instant(text: str, timezone: str) -> str:
    read = f"TRY_CAST({text} AS TIMESTAMPTZ)"
    if timezone == "UTC":
        return read
    local = f"timezone({literal(timezone)}, TRY_CAST({text} AS TIMESTAMP))"
    return f"CASE WHEN regexp_matches({text}, '{_HAS_ZONE}') THEN {read} ELSE {local} END"

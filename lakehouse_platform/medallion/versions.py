"""The SQL of a dimension's versions from its events (PROTOCOLS 6). Not here: where events come from (events.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.medallion.events import CHANGE_SEQUENCE, PLACE


@dataclass(frozen=True)
class Versioning:
    """How versions follow from events: the business key, the columns whose change starts a version, and what orders a key's events.

    `types` are the types of all columns that the events bring; `time` is the type of effective times; `salt` goes into surrogate keys.
    """

    key: tuple[str, ...]
    tracked: tuple[str, ...]
    types: Mapping[str, ColumnType]
    time: ColumnType
    sequence: tuple[str, ...] = CHANGE_SEQUENCE
    salt: str = ""


def versions(events: str, versioning: Versioning) -> str:
    """SQL of all versions: the events' columns, `_surrogate`, `_start`, `_end` (exclusive; null while current).

    Consecutive events with equal tracked values are one version, which has the start of the first and all else of the last.
    """
    key = _list(versioning.key)
    order = ", ".join([*(quote(name) for name in versioning.sequence), *PLACE])
    in_order = f"(PARTITION BY {key} ORDER BY {order})"
    time = duckdb_type(versioning.time)
    return f"""
WITH timed AS (
  SELECT *, max(CAST(_change_timestamp AS {time})) OVER (PARTITION BY {key} ORDER BY {order} ROWS UNBOUNDED PRECEDING) AS _effective,
    md5({encoded(versioning.tracked, versioning.types)}) AS _tracked
  FROM ({events})
), settled AS (
  SELECT * FROM timed QUALIFY _effective IS DISTINCT FROM lead(_effective) OVER {in_order}
), marked AS (
  SELECT *, _operation = 'd' OR coalesce(lag(_operation) OVER {in_order} = 'd', TRUE) OR _tracked <> lag(_tracked) OVER {in_order} AS _begins
  FROM settled
), runs AS (
  SELECT *, max(CASE WHEN _begins THEN _effective END) OVER (PARTITION BY {key} ORDER BY {order} ROWS UNBOUNDED PRECEDING) AS _start,
    lead(_begins) OVER {in_order} AS _next_begins, lead(_effective) OVER {in_order} AS _end
  FROM marked
), ended AS (
  SELECT * FROM runs WHERE coalesce(_next_begins, TRUE) AND _operation <> 'd'
)
SELECT *, {_surrogate(versioning)} AS _surrogate FROM ended"""


def _surrogate(versioning: Versioning) -> str:
    """15 hexadecimal digits: the most that fit BIGINT. Effective times stay out, so that a late event does not change keys of old versions."""
    nth = f"row_number() OVER (PARTITION BY {_list(versioning.key)}, _tracked ORDER BY _start)"
    parts = f"{literal(versioning.salt)} || {encoded(versioning.key, versioning.types)} || _tracked || CAST({nth} AS VARCHAR)"
    return f"CAST('0x' || md5({parts})[1:15] AS BIGINT)"


def encoded(columns: Sequence[str], types: Mapping[str, ColumnType]) -> str:
    """One text that tells any two rows of values apart: each value with its length before it."""
    texts = [_text(quote(name), types[name]) for name in columns]
    return " || ".join(f"coalesce(CAST(length({text}) AS VARCHAR) || ':' || {text}, '-')" for text in texts) or "''"


def _text(column: str, column_type: ColumnType) -> str:
    match column_type.name:
        case "string":
            return column
        case "timestamp":
            return f"CAST(epoch_us({column}) AS VARCHAR)"
        case "double":
            # -0.0 equals 0.0, so both must give one key.
            return f"CAST({column} + CAST(0 AS DOUBLE) AS VARCHAR)"
        case "binary":
            return f"hex({column})"
        case "array" | "map" | "struct":
            return f"CAST(to_json({column}) AS VARCHAR)"
        case _:
            return f"CAST({column} AS VARCHAR)"


def _list(names: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in names)

"""What the fields of a sample hold, measured by SQL with the platform's own reading of text: types, forms, gaps, values, uniqueness.

Not here: what is proposed from it (columns.py, keys.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lakehouse_platform.contracts.model import Column
from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, DATE, DOUBLE, STRING, TIMESTAMP, ColumnType, decimal
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.engine.text_forms import trimmed
from lakehouse_platform.engine.typing import typed
from lakehouse_platform.scaffold.sample import ROWS

# A type that most values become is the field's; the rest are the mistakes that quarantine is for.
MOST = 0.9
# A type that so many become is worth a remark: it may be meant.
_NEARLY = 0.7
# Distinct values that are looked at of one field.
_VALUES = 20_000
_EXACT = decimal(38, 18)
_FRACTION = r"'\.([0-9]+)$'"
_LONGEST_FRACTION = 6
_DATES = ("M/d/yyyy", "d/M/yyyy", "d.M.yyyy", "yyyy/M/d", "M-d-yyyy", "d-M-yyyy", "d MMM yyyy", "MMM d, yyyy", "d-MMM-yyyy")
_TIMES = ("H:mm", "H:mm:ss", "H:mm:ss.SSS", "h:mm a", "h:mm:ss a")
_FORMATS = {DATE: _DATES, TIMESTAMP: tuple(f"{day} {time}" for day in (*_DATES, "yyyy-MM-dd") for time in _TIMES)}
_LIKE_A_TIME = r"^([0-9]{1,4}[-/. ]([0-9]{1,2}|[A-Za-z]{3})[-/. ][0-9]{2,4}|[A-Za-z]{3} [0-9]{1,2}, [0-9]{4})"


@dataclass(frozen=True)
class Profile:
    """One field: `filled` of `records` values are neither null nor blank, and `share` of these become `type` by `formats`; `others` do not.

    `values` are the most frequent ones with their counts, `distinct` is how many there are. `lowest` and `highest` are of the type, `digits` and
    `scale` of its numbers before and behind the point. `padded`: some have blanks around. `is_lowered`: booleans in capitals. `is_floated`: whole
    numbers, each written with `.0`. `as_well`: formats that take as many values. `near`: the type of a text that `near_share` of its values become,
    too few for it to be the type; `others` do not.
    """

    name: str
    records: int
    filled: int
    distinct: int
    type: ColumnType
    formats: tuple[str, ...] = ()
    share: float = 1.0
    others: tuple[str, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)
    lowest: str = ""
    highest: str = ""
    digits: int = 0
    scale: int = 0
    padded: bool = False
    is_lowered: bool = False
    is_floated: bool = False
    as_well: tuple[str, ...] = ()
    near: ColumnType | None = None
    near_share: float = 0.0


@dataclass(frozen=True)
class _Reading:
    """One way to read a field's text: the values that become `type` by `formats`, and how many of them."""

    type: ColumnType
    formats: tuple[str, ...] = ()
    matching: int = 0


def profiles(session: Session, fields: Sequence[str]) -> list[Profile]:
    """The profile of each field of the sample."""
    return [_profile(session, name) for name in fields]


def _profile(session: Session, name: str) -> Profile:
    text = trimmed(quote(name))
    records, filled, distinct, padded = session.row(
        f"SELECT count(*), count(*) FILTER (WHERE {text} <> ''), count(DISTINCT {text}) FILTER (WHERE {text} <> ''), "
        f"coalesce(bool_or({text} <> {quote(name)}), false) FROM {ROWS}"
    )
    session.table(
        "sample_values",
        f"SELECT {text} AS v, count(*) AS n FROM {ROWS} WHERE {text} <> '' GROUP BY 1 ORDER BY n DESC, v LIMIT {_VALUES}",
    )
    values = {str(value): int(count) for value, count in session.rows("SELECT v, n FROM sample_values ORDER BY n DESC, v LIMIT 24")}
    seen = session.row("SELECT coalesce(sum(n), 0) FROM sample_values")[0]
    profile = Profile(name, records, filled, distinct, STRING, values=values, padded=bool(padded))
    return _typed(session, profile, seen) if seen else profile


def _typed(session: Session, profile: Profile, seen: int) -> Profile:
    lowered = {value.lower() for value in profile.values}
    if lowered <= {"true", "false"} and not set(profile.values) <= {"true", "false"}:
        return replace(profile, type=BOOLEAN, is_lowered=True)
    plain = _plain_reading(session, seen)
    if plain.matching >= MOST * seen:
        return _measured(session, profile, plain, seen)
    by_format = _format_readings(session) if _looks_like_time(session, seen) else []
    best = max([plain, *by_format], key=lambda reading: reading.matching)
    if best.matching < _NEARLY * seen:
        return profile
    measured = _measured(session, profile, best, seen)
    if best.matching < MOST * seen:
        return replace(profile, others=measured.others, near=best.type, near_share=measured.share)
    equal = [reading.formats[0] for reading in by_format if (reading.matching, reading.type) == (best.matching, best.type) and reading != best]
    return replace(measured, as_well=tuple(equal))


def _plain_reading(session: Session, seen: int) -> _Reading:
    """The narrowest type that takes most values in the platform's own form of text; where none does, the one that takes more than others."""
    padded, fraction, exponent = session.row(
        f"SELECT bool_or(regexp_matches(v, '^[+-]?0[0-9]')), max(length(regexp_extract(v, {_FRACTION}, 1))), "
        "bool_or(regexp_full_match(v, '[+-]?[0-9.]+[eE][+-]?[0-9]+')) FROM sample_values"
    )
    # 00123 is a name made of digits: as a number it would lose its zeros. A DECIMAL keeps every digit, a DOUBLE takes any number of them.
    is_exact = not exponent and int(fraction or 0) <= _LONGEST_FRACTION
    numbers = [] if padded else [BIGINT, *([_EXACT] if is_exact else []), DOUBLE]
    # The form of a date takes a timestamp too, and would cut its time.
    kinds = [BOOLEAN, *numbers, TIMESTAMP, DATE]
    counts = _matching(session, [Column("v", kind) for kind in kinds])
    readings = [_Reading(kind, (), count) for kind, count in zip(kinds, counts, strict=True)]
    return next((reading for reading in readings if reading.matching >= MOST * seen), max(readings, key=lambda reading: reading.matching))


def _format_readings(session: Session) -> list[_Reading]:
    """How many values each pattern of a date or a timestamp takes."""
    readings: list[_Reading] = []
    for kind, patterns in _FORMATS.items():
        counts = _matching(session, [Column("v", kind, formats=(pattern,)) for pattern in patterns])
        readings += [_Reading(kind, (pattern,), count) for pattern, count in zip(patterns, counts, strict=True)]
    return readings


def _looks_like_time(session: Session, seen: int) -> bool:
    (matching,) = session.row(f"SELECT coalesce(sum(n) FILTER (WHERE regexp_matches(v, {literal(_LIKE_A_TIME)})), 0) FROM sample_values")
    return bool(matching >= _NEARLY * seen)


def _matching(session: Session, columns: Sequence[Column]) -> list[int]:
    sums = ", ".join(f"coalesce(sum(n) FILTER (WHERE {typed('v', STRING, column)} IS NOT NULL), 0)" for column in columns)
    return [int(count) for count in session.row(f"SELECT {sums} FROM sample_values")]


def _measured(session: Session, profile: Profile, reading: _Reading, seen: int) -> Profile:
    value = typed("v", STRING, Column("v", reading.type, formats=reading.formats))
    others = [str(text) for (text,) in session.rows(f"SELECT v FROM sample_values WHERE {value} IS NULL ORDER BY n DESC, v LIMIT 3")]
    lowest, highest = session.row(f"SELECT CAST(min({value}) AS VARCHAR), CAST(max({value}) AS VARCHAR) FROM sample_values")
    whole, fraction = "regexp_extract(v, '^[+-]?0*([0-9]*)', 1)", f"regexp_extract(v, {_FRACTION}, 1)"
    measured = f"max(length({whole})), max(length({fraction})), coalesce(bool_and(regexp_full_match(v, '[0-9]+\\.0')), false)"
    digits, scale, is_floated = session.row(f"SELECT {measured} FROM sample_values WHERE {value} IS NOT NULL")
    return replace(
        profile,
        type=reading.type,
        formats=reading.formats,
        share=reading.matching / seen,
        others=tuple(others),
        lowest=_plain(lowest),
        highest=_plain(highest),
        digits=int(digits or 0),
        scale=int(scale or 0),
        is_floated=bool(is_floated),
    )


def _plain(text: object) -> str:
    """A bound as people write it: no zeros behind the point."""
    shown = str(text) if text is not None else ""
    return shown.rstrip("0").rstrip(".") if "." in shown and ":" not in shown else shown

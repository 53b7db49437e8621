"""Cron expressions, checked when a project loads: five fields as in crontab(5). Not here: when one fires, which is Dagster's to say."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Name, lowest, highest, and the names that stand for numbers from the lowest on.
_FIELDS: tuple[tuple[str, int, int, Sequence[str]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _WEEKDAYS),
)
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?")
# In a leap year.
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def checked_cron(text: str) -> str:
    """The expression as given. Raises ValueError, naming the field, where it is none, or where no day satisfies it."""
    words = text.split()
    if len(words) != len(_FIELDS):
        raise ValueError(f"{text!r} has {len(words)} fields, not five: minute, hour, day of the month, month, day of the week")
    _, _, days, months, weekdays = (_values(word, *field) for word, field in zip(words, _FIELDS, strict=True))
    if len(weekdays) == 7 and not any(day <= _DAYS[month - 1] for day in days for month in months):
        raise ValueError(f"{text!r} never comes: no such month has such a day")
    return text


def _values(word: str, name: str, lowest: int, highest: int, names: Sequence[str]) -> set[int]:
    """The numbers that a field stands for."""
    found: set[int] = set()
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"the {name} {part!r} is none: write *, {lowest}, {lowest}-{highest} or */2")
        first = lowest if match["first"] is None else _number(match["first"], name, lowest, highest, names)
        is_open = match["last"] is None and (match["first"] is None or match["step"] is not None)
        last = highest if is_open else _number(match["last"] or match["first"], name, lowest, highest, names)
        step = int(match["step"] or 1)
        if last < first or not 0 < step <= highest:
            raise ValueError(f"the {name} {part!r} names nothing: write the lower end first, and a step from 1 to {highest}")
        found.update(range(first, last + 1, step))
    return found


def _number(word: str, name: str, lowest: int, highest: int, names: Sequence[str]) -> int:
    number = lowest + list(names).index(word.lower()) if word.lower() in names else int(word) if word.isdecimal() else -1
    if not lowest <= number <= highest:
        raise ValueError(f"the {name} {word!r} is not from {lowest} to {highest}" + (f" or {names[0]} to {names[-1]}" if names else ""))
    return number

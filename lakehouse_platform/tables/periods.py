"""The periods that partitions are, hours, days, weeks and months of UTC: where each begins and ends, how its key is spelt, in Python and in SQL.

Not here: Dagster's partitions (orchestration/partitions.py), which rows a table keeps in one.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from lakehouse_platform.contracts.types import DATE, STRING, ColumnType

Unit = Literal["hour", "day", "week", "month"]

# The longest that a period can be; a month is taken as its longest where it must hold, as its shortest where it must be held.
LONGEST_HOURS = {"hour": 1, "day": 24, "week": 7 * 24, "month": 31 * 24}
SHORTEST_HOURS = LONGEST_HOURS | {"month": 28 * 24}

_DAY = timedelta(days=1)
_LAST_DAY = date.max


def start_of(moment: datetime | date, unit: Unit) -> datetime:
    """The start of the period that holds a moment of UTC, or a day's first one."""
    day = moment.date() if isinstance(moment, datetime) else moment
    match unit:
        case "hour":
            return datetime.combine(day, time(moment.hour if isinstance(moment, datetime) else 0), UTC)
        case "week":
            day -= day.weekday() * _DAY
        case "month":
            day = day.replace(day=1)
    return datetime.combine(day, time.min, UTC)


def last_of(start: datetime, unit: Unit) -> datetime:
    """The last microsecond of the period that begins then; the calendar's own where that comes first."""
    if unit == "hour":
        return start.replace(minute=59, second=59, microsecond=999_999)
    days = {"day": 1, "week": 7, "month": monthrange(start.year, start.month)[1]}[unit]
    left = (_LAST_DAY - start.date()).days
    return datetime.combine(start.date() + min(days - 1, left) * _DAY, time.max, UTC)


def following(start: datetime, unit: Unit) -> datetime:
    """The start of the next period. Raises OverflowError after the last of the calendar."""
    return last_of(start, unit) + timedelta(microseconds=1)


def key_of(start: datetime, unit: Unit) -> str:
    """The key of the period that begins then: Dagster's, and the Delta partition's value as the log spells it."""
    day = start.date().isoformat()
    return f"{day}-{start.hour:02}:00" if unit == "hour" else day


def start_at(key: str, unit: Unit) -> datetime:
    """The start of the period of a key. Raises ValueError for a text that is no key of this unit."""
    day = start_of(date.fromisoformat(key[:10]), "day")
    found = day.replace(hour=int(key[11:13])) if unit == "hour" and len(key) > len("YYYY-MM-DD") else day
    if key_of(found, unit) != key or start_of(found, unit) != found:
        raise ValueError(key)
    return found


def named_moments(text: str) -> tuple[datetime, datetime]:
    """First and last moment of the day (YYYY-MM-DD) or hour (YYYY-MM-DD-HH:00) that a text names. Raises ValueError for another text."""
    unit: Unit = "day" if len(text) == len("YYYY-MM-DD") else "hour"
    start = start_at(text, unit)
    return start, last_of(start, unit)


def partition_type(unit: Unit) -> ColumnType:
    """The type of the Delta column of such partitions: dates, and the text of an hour, for which Delta has no type with one spelling."""
    return STRING if unit == "hour" else DATE


def partition_sql(unit: Unit, value: str) -> str:
    """DuckDB expression of the partition that a date or timestamp lies in, in the Delta column's type."""
    cut = f"date_trunc('{unit}', {value})"
    return f"strftime({cut}, '%Y-%m-%d-%H:%M')" if unit == "hour" else f"CAST({cut} AS DATE)"

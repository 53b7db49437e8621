"""Partitions of tables as Dagster's: definitions, how a table's map to its input's, ranges and blocks of keys. Not here: what a partition holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import cast

import dagster as dg

from lakehouse_platform.engine.time_windows import Span
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.attributes import Partitions
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.periods import LONGEST_HOURS, SHORTEST_HOURS, Unit, following, key_of, last_of, named_moments, start_at, start_of

DAY_FORMAT, HOUR_FORMAT = "%Y-%m-%d", "%Y-%m-%d-%H:%M"
_MONDAY = 1


def partitions_definition(table: Table) -> dg.TimeWindowPartitionsDefinition | None:
    """The table's hours, days, weeks or months from its start to its end, or to and with the present one; None for a table without partitions."""
    partitions = table.attributes.partitions
    if partitions is None:
        return None
    start, end = start_of(partitions.start, partitions.grain), _end_exclusive(partitions)
    # Without an end the running partition counts: increments fill it as its rows arrive.
    offset = 0 if partitions.end else 1
    match partitions.grain:
        case "hour":
            return dg.HourlyPartitionsDefinition(start_date=start, end_date=end, end_offset=offset, fmt=HOUR_FORMAT)
        case "day":
            return dg.DailyPartitionsDefinition(start_date=start, end_date=end, end_offset=offset, fmt=DAY_FORMAT)
        case "week":
            return dg.WeeklyPartitionsDefinition(start_date=start, end_date=end, end_offset=offset, day_offset=_MONDAY, fmt=DAY_FORMAT)
        case "month":
            return dg.MonthlyPartitionsDefinition(start_date=start, end_date=end, end_offset=offset, fmt=DAY_FORMAT)


def partition_mapping(table: Table, upstream: Table) -> dg.PartitionMapping | None:
    """How the table's partitions depend on an input's: on those that its query reads, shifted where it reads yesterday's; else on all of them.

    Dagster counts shifts in the table's own partitions, so a week that reads the day before each of its days depends on the week before too.
    """
    if partitions_definition(upstream) is None:
        return None
    partitions, window = table.attributes.partitions, table.windows.get(upstream.name)
    if partitions is None or window is None:
        return dg.AllPartitionMapping()
    return dg.TimeWindowPartitionMapping(
        start_offset=_units(window.first, partitions.grain, up=False),
        end_offset=_units(window.end, partitions.grain, up=True),
        # A week may begin before its days do, and the first day has no yesterday.
        allow_nonexistent_upstream_partitions=True,
    )


def follows_time(table: Table, upstream: Table) -> bool:
    """Whether the query tells which partitions of an input a partition of the table is made from, so that a day goes to its own day or week."""
    return upstream.name in table.windows


def blocks(definition: dg.TimeWindowPartitionsDefinition, keys: Iterable[str], at_most: int | None = None) -> list[tuple[str, str]]:
    """First and last key of each run of adjacent partitions, of no more than `at_most`: Dagster's runs take ranges.

    Raises LakehouseError for keys that do not exist.
    """
    unit, wanted = unit_of(definition), sorted(set(keys))
    if unknown := unknown_keys(definition, wanted):
        first, last = definition.get_first_partition_key(), definition.get_last_partition_key()
        raise LakehouseError(f"no partition {', '.join(unknown)}: they go from {first or '-'} to {last or '-'}")
    found: list[list[str]] = []
    for key in wanted:
        is_next = bool(found) and following(start_at(found[-1][-1], unit), unit) == start_at(key, unit)
        if is_next and (at_most is None or len(found[-1]) < at_most):
            found[-1].append(key)
        else:
            found.append([key])
    return [(block[0], block[-1]) for block in found]


def keys_between(definition: dg.TimeWindowPartitionsDefinition, first: str | None, last: str | None) -> list[str]:
    """The partition keys from the one that holds a day or hour to the one that holds another; an absent bound is the definition's own."""
    unit, bounds = unit_of(definition), _bounds(definition)
    if bounds is None:
        return []
    start = bounds[0] if first is None else max(bounds[0], start_of(named_moments(first)[0], unit))
    end = bounds[1] if last is None else min(bounds[1], start_of(named_moments(last)[1], unit))
    return [key_of(each, unit) for each in _periods(start, end, unit)]


def keys_of(definition: dg.TimeWindowPartitionsDefinition, text: str) -> list[str]:
    """The partitions that a day or hour stands for: the one that holds it, or all of its hours. They need not exist."""
    unit, (first, last) = unit_of(definition), named_moments(text)
    return [key_of(each, unit) for each in _periods(start_of(first, unit), start_of(last, unit), unit)]


def unknown_keys(definition: dg.TimeWindowPartitionsDefinition, keys: Collection[str]) -> list[str]:
    """Those of some keys that are no partition."""
    unit, bounds = unit_of(definition), _bounds(definition)
    return [key for key in keys if bounds is None or not bounds[0] <= start_at(key, unit) <= bounds[1]]


def unit_of(definition: dg.TimeWindowPartitionsDefinition) -> Unit:
    """What the partitions are: hours, days, weeks or months."""
    schedule = definition.schedule_type
    assert schedule is not None
    return cast("Unit", {"HOURLY": "hour", "DAILY": "day", "WEEKLY": "week", "MONTHLY": "month"}[schedule.value])


def _bounds(definition: dg.TimeWindowPartitionsDefinition) -> tuple[datetime, datetime] | None:
    """The starts of the first and the last partition; None while there is none."""
    unit = unit_of(definition)
    first, last = definition.get_first_partition_key(), definition.get_last_partition_key()
    return (start_at(first, unit), start_at(last, unit)) if first is not None and last is not None else None


def _periods(start: datetime, end: datetime, unit: Unit) -> Iterator[datetime]:
    while start <= end:
        yield start
        start = following(start, unit)


def _units(span: Span, unit: Unit, *, up: bool) -> int:
    """A span in whole partitions, rounded outwards; of months by month and hours by hour exactly."""
    if unit == "month":
        months, hours = span.months, span.hours
        length = (LONGEST_HOURS if up == (hours < 0) else SHORTEST_HOURS)["month"]
    else:
        longest = (span.months < 0) != up
        months, hours = 0, span.hours + span.months * (LONGEST_HOURS if longest else SHORTEST_HOURS)["month"]
        length = LONGEST_HOURS[unit]
    return months + (-(-hours // length) if up else hours // length)


def _end_exclusive(partitions: Partitions) -> datetime | None:
    """The end of the period that holds the last day's end: of hours, all of that day's are there."""
    if partitions.end is None:
        return None
    last_moment = last_of(start_of(partitions.end, "day"), "day")
    return following(start_of(last_moment, partitions.grain), partitions.grain)

"""Partitions of tables as Dagster's: definitions, how a table's map to its input's, contiguous blocks of keys. Not here: what a partition holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.attributes import Partitions
from lakehouse_platform.tables.definition import Table

KEY_FORMAT = "%Y-%m-%d"


def partitions_definition(table: Table) -> dg.TimeWindowPartitionsDefinition | None:
    """Days or months from the table's start to its end, or to and with today; None for a table without partitions."""
    partitions = table.attributes.partitions
    if partitions is None:
        return None
    start, end = _first_day(partitions.start, partitions.grain), _end_exclusive(partitions)
    # Without an end the running day (or month) counts: increments fill it as its rows arrive.
    offset = 0 if partitions.end else 1
    if partitions.grain == "day":
        return dg.DailyPartitionsDefinition(start_date=start, end_date=end, end_offset=offset, fmt=KEY_FORMAT)
    return dg.MonthlyPartitionsDefinition(start_date=start, end_date=end, end_offset=offset, fmt=KEY_FORMAT)


def partition_mapping(table: Table, upstream: Table) -> dg.PartitionMapping | None:
    """How the table's partitions depend on an input's: by time where its partition column is computed from theirs, else on all of them."""
    if partitions_definition(upstream) is None:
        return None
    if partitions_definition(table) is None or not follows_time(table, upstream):
        return dg.AllPartitionMapping()
    return dg.TimeWindowPartitionMapping()


def follows_time(table: Table, upstream: Table) -> bool:
    """Whether the table's partition column is computed from the input's partition column, so that a day goes to its own day."""
    column, source = table.contract.partition_column, upstream.contract.partition_column
    return column is not None and source is not None and (upstream.name, source) in table.lineage.get(column, ())


def blocks(definition: dg.TimeWindowPartitionsDefinition, keys: Iterable[str]) -> list[tuple[str, str]]:
    """First and last key of each run of adjacent partitions: Dagster's runs take ranges. Raises LakehouseError for keys that do not exist."""
    positions = {key: position for position, key in enumerate(definition.get_partition_keys())}
    wanted = sorted(set(keys))
    if unknown := [key for key in wanted if key not in positions]:
        raise LakehouseError(f"no partition {', '.join(unknown)}: they go from {min(positions, default='-')} to {max(positions, default='-')}")
    found: list[tuple[str, str]] = []
    for key in wanted:
        if found and positions[found[-1][1]] + 1 == positions[key]:
            found[-1] = (found[-1][0], key)
        else:
            found.append((key, key))
    return found


def keys_between(definition: dg.TimeWindowPartitionsDefinition, first: str | None, last: str | None) -> list[str]:
    """The partition keys from first to last, both included; an absent bound is the definition's own."""
    return [key for key in definition.get_partition_keys() if (first is None or key >= first) and (last is None or key <= last)]


def _first_day(day: date, grain: str) -> datetime:
    """The start of the partition that holds a day."""
    return datetime(day.year, day.month, day.day if grain == "day" else 1, tzinfo=UTC)


def _end_exclusive(partitions: Partitions) -> datetime | None:
    if partitions.end is None:
        return None
    last = _first_day(partitions.end, partitions.grain)
    return _first_day((last + timedelta(days=1 if partitions.grain == "day" else 31)).date(), partitions.grain)

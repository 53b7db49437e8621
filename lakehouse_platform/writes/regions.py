"""Regions of a table: rows whose columns lie within given intervals. Which files may hold such rows, and replacing all of them in one commit.

Unlike partitions.py it needs no partition columns: a day of a timestamp is a region. Not here: what the regions mean to whom.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.delta.prune import files_within
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan, snapshot_scan
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.writes.change import Change, Options, Written
from lakehouse_platform.writes.committing import write, write_rows
from lakehouse_platform.writes.rewriting import grouped, rewritten
from lakehouse_platform.writes.source import rows_of


@dataclass(frozen=True, order=True)
class Interval:
    """Values from `low` on, up to and with `high`, or `below` it."""

    low: Any
    high: Any
    below: bool = False

    @property
    def is_point(self) -> bool:
        """Whether only one value is in it."""
        return bool(self.low == self.high)


# By column the intervals that its value lies in, in order and apart: a row is in the region where each of its columns is in one of them.
Region = Mapping[str, Sequence[Interval]]


def condition(regions: Collection[Region]) -> str:
    """SQL of whether a row is in one of the regions; never null."""
    alternatives = [" AND ".join(_one_of(name, intervals) for name, intervals in region.items()) for region in regions]
    return f"coalesce({' OR '.join(f'({each})' for each in alternatives) or 'false'}, false)"


def files_of(files: Sequence[DataFile], regions: Collection[Region], columns: Sequence[Field]) -> tuple[DataFile, ...]:
    """The files that may hold rows of one of the regions, by the log alone."""
    found: set[str] = set()
    for region in regions:
        those = files
        for name, intervals in region.items():
            those = files_within(those, name, [(each.low, each.high) for each in intervals], columns)
        found.update(file.path for file in those)
    return tuple(file for file in files if file.path in found)


def rows_outside(session: Session, rows_sql: str, regions: Collection[Region], columns: Sequence[str]) -> tuple[int, tuple[Any, ...] | None]:
    """How many rows of a query are in none of the regions, and the values of some columns of one of them."""
    those = f"FROM ({rows_sql}) WHERE NOT {condition(regions)}"
    (count,) = session.row(f"SELECT count(*) {those}")
    return count, session.rows(f"SELECT {', '.join(quote(name) for name in columns)} {those} LIMIT 1")[0] if count else None


def replace_regions(session: Session, location: str, rows_sql: str, regions: Collection[Region], **options: Unpack[Options]) -> Written:
    """Put rows in the place of all rows in the regions; the others stay as they are. The table is made where there is none.

    The rows must be in the regions themselves (rows_outside), or they would stand twice after the next time.
    """
    rows = rows_of(session, rows_sql, options)

    def derive(target: Snapshot) -> Change:
        removed, kept, gone = _without(session, target, regions)
        added = write_rows(session, target, rows, options)
        return Change([*kept, *added], removed, sum(file.rows for file in added), gone)

    return write(location, options, derive, rows)


def _without(session: Session, target: Snapshot, regions: Collection[Region]) -> tuple[list[DataFile], list[Any], int]:
    """The files that hold rows of the regions, those that are written for the rows beside them, and how many rows go."""
    files = files_of(target.files, regions, target.columns)
    if all(name in target.partition_columns for region in regions for name in region):
        # Partition values are the same for all rows of a file: nothing needs to be read.
        return list(files), [], sum(file.rows or 0 for file in files)
    inside = condition(regions)
    stored = scan(target.columns, target.partition_columns, files, with_file=True)
    counts = f"SELECT _file, count(*) FILTER (WHERE {inside}) AS inside, count(*) AS rows FROM ({stored}) GROUP BY _file HAVING inside > 0"
    found = {uri: (count, rows) for uri, count, rows in session.rows(counts)}
    removed = [file for file in files if file.uri in found]
    mixed = [file for file in removed if found[file.uri][0] < found[file.uri][1]]
    kept = rewritten(session, target, grouped(mixed), lambda _, group: f"SELECT * FROM ({snapshot_scan(target, group)}) WHERE NOT {inside}")
    return removed, kept, sum(count for count, _ in found.values())


def _one_of(name: str, intervals: Sequence[Interval]) -> str:
    column = quote(name)
    points = ", ".join(literal(each.low) for each in intervals if each.is_point)
    ranges = [_between(column, each) for each in intervals if not each.is_point]
    return "(" + " OR ".join([*([f"{column} IN ({points})"] if points else []), *ranges]) + ")"


def _between(column: str, interval: Interval) -> str:
    return f"({column} >= {literal(interval.low)} AND {column} {'<' if interval.below else '<='} {literal(interval.high)})"

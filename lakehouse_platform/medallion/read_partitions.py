"""Which partitions of a table are made from given times of an input, by the window that its query reads. Not here: rows that tell it themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.engine.time_windows import Span, TimeWindow
from lakehouse_platform.medallion.changes import changed_rows
from lakehouse_platform.medallion.gold_inputs import GoldInputs
from lakehouse_platform.medallion.grain import Grain
from lakehouse_platform.tables.periods import LONGEST_HOURS, SHORTEST_HOURS, Unit, following, key_of, partition_type, start_of


def partitions_reading(inputs: GoldInputs, grain: Grain, name: str) -> str:
    """SQL of the partitions with rows of the driving input in them that read the times of changed rows of an input."""
    table, driving, change = inputs.table, inputs.driving, inputs.changes[name]
    source, partitions = inputs.time_columns[name], table.attributes.partitions
    assert driving is not None and partitions is not None
    read = changed_rows(change, inputs.names_read(name) | {source})
    times = [time for (time,) in inputs.session.rows(f"SELECT DISTINCT {quote(source)} FROM ({read}) WHERE {quote(source)} IS NOT NULL")]
    keys = keys_reading(times, table.windows[name], partitions.grain)
    kind, column = duckdb_type(partition_type(partitions.grain)), quote(grain.names[0])
    values = ", ".join(f"(CAST({literal(key)} AS {kind}))" for key in sorted(keys)) or f"(CAST(NULL AS {kind}))"
    there = f"SELECT DISTINCT {grain.outputs} FROM ({snapshot_scan(driving)})"
    return f"SELECT {column} FROM ({there}) SEMI JOIN (VALUES {values}) AS reading({column}) USING ({column})"


def keys_reading(times: Iterable[date | datetime], window: TimeWindow, unit: Unit) -> set[str]:
    """The keys of the partitions whose window holds one of these times; of months, those that may."""
    found: set[str] = set()
    for hour in {start_of(time.astimezone(UTC) if isinstance(time, datetime) else time, "hour") for time in times}:
        last = hour + timedelta(microseconds=3_599_999_999)
        start = start_of(_before(hour, window.end, longest=window.end.months > 0), unit)
        end = start_of(_before(last, window.first, longest=window.first.months < 0), unit)
        while start < end:
            found.add(key_of(start, unit))
            start = following(start, unit)
        found.add(key_of(end, unit))
    return found


def _before(moment: datetime, span: Span, *, longest: bool) -> datetime:
    """The moment a span earlier; an end of the calendar where that lies beyond it."""
    length = timedelta(hours=span.hours + span.months * (LONGEST_HOURS if longest else SHORTEST_HOURS)["month"])
    try:
        return moment - length
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if length < timedelta() else datetime.min.replace(tzinfo=UTC)

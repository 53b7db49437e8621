"""Reading the table of a user's asset for an asset downstream, as the kind of frame that its parameter is annotated with. Not here: writing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.engine.datasets import dataset, held_dataset
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.frames import TABLE, frame
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes.regions import Interval, Region, condition, files_of


def wanted_columns(name: str, snapshot: Snapshot, columns: Sequence[str] | str | None) -> tuple[Field, ...]:
    """The columns that a parameter asks for, all of them by default. Raises LakehouseError that names one that the table has not."""
    if columns is None:
        return snapshot.columns
    known = {field.name: field for field in snapshot.columns}
    names = [columns] if isinstance(columns, str) else list(columns)
    if strange := [each for each in names if each not in known]:
        raise LakehouseError(f"{name} has no column {', '.join(strange)}; it has {', '.join(known)}")
    return tuple(known[each] for each in names)


def rows_sql(snapshot: Snapshot, regions: Collection[Region] | None, columns: Sequence[Field], naive: Collection[str]) -> str:
    """SQL of the rows of some regions, or of all, in some columns; timestamps of `naive` without their zone."""
    outputs = [f"CAST({quote(field.name)} AS TIMESTAMP) AS {quote(field.name)}" if field.name in naive else quote(field.name) for field in columns]
    where = f" WHERE {condition(regions)}" if regions is not None else ""
    return f"SELECT {', '.join(outputs)} FROM ({snapshot_scan(snapshot, files_for(snapshot, regions))}){where}"


def files_for(snapshot: Snapshot, regions: Collection[Region] | None) -> tuple[DataFile, ...]:
    """The files to open."""
    return snapshot.files if regions is None else files_of(snapshot.files, regions, snapshot.columns)


def lazy(session: Session, snapshot: Snapshot, regions: Collection[Region] | None, columns: Sequence[Field], naive: Collection[str]) -> Any:
    """A pyarrow dataset of the rows, over the table's files; of rows that are read at once where timestamps are to lose their zone."""
    if any(field.name in naive for field in columns):
        return held_dataset(frame(TABLE, session, rows_sql(snapshot, regions, columns, naive)))
    found = dataset(session, snapshot.columns, files_for(snapshot, regions), snapshot.location)
    if regions is not None:
        found = found.filter(_expression(regions, found.schema))
    names = [field.name for field in columns]
    return found if names == found.schema.names else found.replace_schema(pa.schema([found.schema.field(name) for name in names]))


def _expression(regions: Collection[Region], schema: pa.Schema) -> Any:
    import pyarrow.compute as pc  # noqa: PLC0415 -- for who asks for a dataset

    found = pc.scalar(False)
    for region in regions:
        inside = pc.scalar(True)
        for name, intervals in region.items():
            inside &= _one_of(pc.field(name), schema.field(name).type, intervals)
        found |= inside
    return found


def _one_of(column: Any, kind: pa.DataType, intervals: Sequence[Interval]) -> Any:
    points = pa.array([each.low for each in intervals if each.is_point], kind)
    found = column.isin(points)
    for each in intervals:
        if not each.is_point:
            high = pa.scalar(each.high, kind)
            found |= (column >= pa.scalar(each.low, kind)) & ((column < high) if each.below else (column <= high))
    return found

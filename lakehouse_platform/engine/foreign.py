"""Reads foreign tables whose files alone do not show their rows: deleted rows, columns of other names. Not here: plain tables (scan.py)."""

from __future__ import annotations

from lakehouse_platform.contracts.types import DATE, TIMESTAMP, TIMESTAMP_NTZ, ColumnType
from lakehouse_platform.delta.deletions import kept_rows
from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.problems import LakehouseError

_POSITION = ("_file", "_file_row")
_LEGACY_MARKS = "('org.apache.spark.legacyDateTime', 'org.apache.spark.legacyINT96')"
_SAME_IN_BOTH_CALENDARS = 1900


def foreign_scan(session: Session, snapshot: Snapshot, name: str) -> str:
    """SQL of the rows of any snapshot that was opened. `name` is free in the session, for the rows to be left out, which may spill to disk."""
    _refuse_other_names(session, snapshot)
    _refuse_legacy_calendar(session, snapshot)
    if not snapshot.has_deletions:
        return snapshot_scan(snapshot)
    if taken := [field.name for field in snapshot.columns if field.name.lower() in _POSITION]:
        raise LakehouseError(f"{snapshot.location} uses deletionVectors and has a column {taken[0]!r}, by which they are applied: rename it")
    session.feed(f"{name}_kept", kept_rows(snapshot))
    rows = "SELECT _file, unnest(kept) AS kept, generate_subscripts(kept, 1) - 1 AS _file_row FROM "
    session.table(f"{name}_deleted", f"SELECT _file, _file_row FROM ({rows}{quote(f'{name}_kept')}) WHERE NOT kept")
    columns = ", ".join(quote(field.name) for field in snapshot.columns)
    stored = snapshot_scan(snapshot, with_file=True)
    return f"SELECT {columns} FROM ({stored}) AS stored ANTI JOIN {quote(f'{name}_deleted')} AS deleted USING (_file, _file_row)"


def _refuse_other_names(session: Session, snapshot: Snapshot) -> None:
    """Refuse files whose columns have other names than the table says, where they are to be found by id: DuckDB finds parts by name alone."""
    ids = snapshot.field_ids
    if not ids or not snapshot.files:
        return
    files = ", ".join(literal(file.uri) for file in snapshot.files)
    for file, name, field_id in session.rows(f"SELECT file_name, name, field_id FROM parquet_schema([{files}]) WHERE field_id IS NOT NULL"):
        if ids.get(field_id) != name and (field_id in ids or name in ids.values()):
            raise LakehouseError(
                f"{snapshot.location} uses columnMapping by id: {file} calls a column {name!r} whose id is that of "
                f"{ids.get(field_id, 'none')!r}, and columns are found by name here. Mend: copy the table with the engine that made it"
            )


def _refuse_legacy_calendar(session: Session, snapshot: Snapshot) -> None:
    """Refuse files whose old days Spark wrote by the Julian calendar: their numbers mean other days here. Only where there may be such days."""
    suspects = [file for file in snapshot.files if any(_may_be_old(file, field) for field in snapshot.columns)]
    if not suspects:
        return
    files = ", ".join(literal(file.uri) for file in suspects)
    marked = session.rows(f"SELECT file_name, decode(key) FROM parquet_kv_metadata([{files}]) WHERE decode(key) IN {_LEGACY_MARKS} LIMIT 1")
    if marked:
        raise LakehouseError(
            f"{snapshot.location}: {marked[0][0]} is marked {marked[0][1]}: days before 1582 and times before 1900 stand in it by another calendar. "
            "Mend: rewrite it with Spark, with spark.sql.parquet.datetimeRebaseModeInWrite and int96RebaseModeInWrite set to CORRECTED"
        )


def _may_be_old(file: DataFile, field: Field) -> bool:
    if not _has_time(field.type) or field.name in file.partition_values:
        return False
    minimum = file.minimums.get(field.name)
    if minimum is None:
        return file.rows is None or file.null_counts.get(field.name) != file.rows
    return bool(minimum.year < _SAME_IN_BOTH_CALENDARS)


def _has_time(column_type: ColumnType) -> bool:
    return column_type in (DATE, TIMESTAMP, TIMESTAMP_NTZ) or any(_has_time(item) for item in column_type.items)

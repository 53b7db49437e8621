"""Reads foreign tables whose files alone do not show their rows: deleted rows, columns of other names. Not here: plain tables (scan.py)."""

from __future__ import annotations

from lakehouse_platform.delta.deletions import kept_rows
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.problems import LakehouseError

_POSITION = ("_file", "_file_row")


def foreign_scan(session: Session, snapshot: Snapshot, name: str) -> str:
    """SQL of the rows of any snapshot that was opened. `name` is free in the session, for the rows to be left out, which may spill to disk."""
    _refuse_other_names(session, snapshot)
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

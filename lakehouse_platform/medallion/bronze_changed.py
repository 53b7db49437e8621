"""Files whose content changed inside records already taken: finding the record, and taking the old records out.

Not here: ordinary ingest (bronze.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.delta.prune import files_that_may_hold
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.ingest.content import FileRefused
from lakehouse_platform.ingest.ledger import ContentChanged, whole
from lakehouse_platform.ingest.records import RecordStream
from lakehouse_platform.ingest.source import Source


@dataclass(frozen=True)
class Rewrite:
    """Files of a table to remove, and those written with the rows of them that stay."""

    removed: tuple[DataFile, ...] = ()
    kept: tuple[WrittenFile, ...] = ()


def refusal(session: Session, source: Source, snapshot: Snapshot, changed: ContentChanged) -> FileRefused:
    """The error of a changed file, naming the first record that is not what was taken."""
    session.feed("landed_records", RecordStream(source, [whole(changed.file)]).reader())
    rows = _rows_of(snapshot, {changed.file.source_file})
    (row,) = session.row(
        f"SELECT min(source_row) FROM ({rows}) AS taken LEFT JOIN landed_records AS landed USING (source_row) "
        "WHERE taken.raw_data IS DISTINCT FROM landed.raw_data OR taken.raw_bytes IS DISTINCT FROM landed.raw_bytes"
    )
    session.drop("landed_records")
    files = source.attributes.files
    if row is not None:
        what = f"record {row} was taken already and is not what it was"
    elif files.is_whole:
        what = f"was taken already and has grown or was written anew; a file of format {files.format} is one piece"
    else:
        what = "the header, or what follows the last record, was taken already and is not what it was"
    return FileRefused(
        f"{changed.file.source_file}: {what}. Mend: land corrections under a new name, "
        f"or say `on_change: replace` or `on_change: append` in {source.defs_path}"
    )


def rows_taken(session: Session, snapshot: Snapshot, source_file: str) -> int:
    """The last row taken under a path, whatever its content was."""
    (row,) = session.row(f"SELECT coalesce(max(source_row), 0) FROM ({_rows_of(snapshot, {source_file})})")
    return int(row)


def without(session: Session, snapshot: Snapshot, source_files: Collection[str]) -> Rewrite:
    """Write the files of a table that hold records of these source files anew, without them."""
    if not source_files:
        return Rewrite()
    removed = tuple({file.path: file for name in source_files for file in _files_of(snapshot, name)}.values())
    kept = f"SELECT * FROM ({snapshot_scan(snapshot, removed)}) WHERE source_file NOT IN ({_names(source_files)})"
    return Rewrite(removed, tuple(session.write(kept, snapshot.location, snapshot.partition_columns)))


def _rows_of(snapshot: Snapshot, source_files: Collection[str]) -> str:
    files = [file for name in source_files for file in _files_of(snapshot, name)]
    return f"SELECT * FROM ({snapshot_scan(snapshot, files)}) WHERE source_file IN ({_names(source_files)})"


def _files_of(snapshot: Snapshot, source_file: str) -> tuple[DataFile, ...]:
    return files_that_may_hold(snapshot.files, {"source_file": (source_file, source_file)}, snapshot.columns)


def _names(source_files: Collection[str]) -> str:
    return ", ".join(literal(name) for name in sorted(source_files))

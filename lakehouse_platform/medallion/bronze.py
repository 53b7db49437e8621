"""Ingests landed files into a bronze table, each record exactly once: rows and ledger are one commit (PROTOCOLS 4).

Not here: what a file holds and what of it is new (ingest/).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.delta.properties import keep_properties, of_creation
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.ingest.bronze_columns import PARTITION_COLUMN, UNBOUNDED_COLUMNS, bronze_columns
from lakehouse_platform.ingest.content import FileRefused
from lakehouse_platform.ingest.landed import landed_files
from lakehouse_platform.ingest.ledger import ContentChanged, Take, next_take
from lakehouse_platform.ingest.records import RecordStream
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.medallion.bronze_changed import Rewrite, refusal, rows_taken, without
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.problems import LakehouseError, TransientFault


class FilesRefused(LakehouseError):
    """Files that could not be taken, each with its mend. All others were taken and committed before this is raised."""

    def __init__(self, source_name: str, refused: Sequence[FileRefused]) -> None:
        self.refused = tuple(refused)
        texts = "\n".join(f"  {error}" for error in refused)
        super().__init__(f"{source_name}: {len(refused)} landed file(s) could not be taken; the others were.\n{texts}")


@dataclass(frozen=True)
class _Batch:
    """What one attempt takes, from a snapshot that its commit must follow."""

    source: Source
    run_id: str
    location: str
    snapshot: Snapshot | None
    takes: tuple[Take, ...]
    now: datetime

    @property
    def batch_id(self) -> str:
        """Decided by the contents alone."""
        return hashlib.sha256("".join(take.identity for take in self.takes).encode()).hexdigest()[:32]

    @property
    def day(self) -> str:
        """The partition of all its rows."""
        return self.now.date().isoformat()


def ingest(lakehouse: Lakehouse, source_name: str, *, run_id: str, limit_files: int | None = None) -> StepResult:
    """Take what is new of a source's files (of at most `limit_files` of them), in one commit; without anything new, commit nothing.

    Raises FilesRefused, after that commit, when some files could not be taken.
    """
    source = lakehouse.project.sources[source_name]
    with lakehouse.session() as session:
        result, refused = with_retries(lambda: _attempt(lakehouse, session, source, run_id, limit_files), lakehouse.settings.commit_tries)
    if source.attributes.properties and (made := lakehouse.snapshot(source_name)) is not None:
        keep_properties(made, source.attributes.properties)
    if refused:
        raise FilesRefused(source_name, refused)
    return result


def _attempt(lakehouse: Lakehouse, session: Session, source: Source, run_id: str, limit_files: int | None) -> tuple[StepResult, list[FileRefused]]:
    snapshot = lakehouse.snapshot(source.name)
    takes, refused = _plan(lakehouse, session, source, snapshot, limit_files)
    batch = _Batch(source, run_id, lakehouse.location(source.name), snapshot, takes, datetime.now(UTC))
    taken = _take(session, batch) if takes else None
    return taken or StepResult(source.name, None if snapshot is None else snapshot.version), refused


def _plan(
    lakehouse: Lakehouse, session: Session, source: Source, snapshot: Snapshot | None, limit_files: int | None
) -> tuple[tuple[Take, ...], list[FileRefused]]:
    """What is new of each file, and the files that cannot be taken. Of files with equal content, the first by path is taken."""
    takes: dict[str, Take] = {}
    refused: list[FileRefused] = []
    for file in landed_files(lakehouse.settings.landing, source):
        if limit_files is not None and len(takes) >= limit_files:
            break
        try:
            take = next_take(file, source, snapshot, lakehouse.settings.settle_seconds)
            if take is not None and take.supersedes and source.attributes.files.on_change == "append" and snapshot is not None:
                take = replace(take, rows_before=rows_taken(session, snapshot, file.source_file))
            if take is not None:
                takes.setdefault(take.identity, take)
        except ContentChanged as changed:
            refused.append(refusal(session, source, snapshot, changed) if snapshot is not None else changed)
        except FileRefused as error:
            refused.append(error)
    return tuple(takes.values()), refused


def _take(session: Session, batch: _Batch) -> StepResult | None:
    """Write the records and commit them with the ledger; None when they hold no record and take the place of none."""
    stream = RecordStream(batch.source, batch.takes)
    session.feed("landed_records", stream.reader())
    added = _written(session, batch)
    session.drop("landed_records")
    moved = [take.file.source_file for take in batch.takes if not take.still_stands()]
    if moved:
        raise TransientFault(f"{', '.join(moved)} changed while being read; nothing was taken. Mend: run again once nothing writes there")
    rows = sum(file.rows for file in added)
    replaced = {take.file.source_file for take in batch.takes if take.supersedes and not take.rows_before}
    if rows == 0 and not replaced:
        return None
    rewrite = without(session, batch.snapshot, replaced) if batch.snapshot is not None else Rewrite()
    record = CommitRecord(
        table=batch.source.name,
        step="ingest",
        run_id=batch.run_id,
        batch_id=batch.batch_id,
        partitions=_partition_rows(batch, added, rewrite),
        rows=_rows_after(batch, added, rewrite),
        notes={"files": len(batch.takes), "bytes": sum(take.end - take.start for take in batch.takes)},
    )
    transactions = {entry: version for take in batch.takes for entry, version in take.transactions(stream.last_rows[take]).items()}
    version = _commit(batch, [*added, *rewrite.kept], rewrite.removed, transactions, record)
    return StepResult(batch.source.name, version, record, files_read=len(batch.takes), rows_read=rows)


def _bronze_rows(batch: _Batch) -> str:
    """SQL of the bronze columns but the partition's, which the path says."""
    made = {
        # A person decides about batches, and of several snapshots perhaps about one.
        "batch_id": "content_hash[:32]" if batch.source.attributes.has_snapshots else literal(batch.batch_id),
        "ingestion_timestamp": literal(batch.now),
    }
    names = [field.name for field in bronze_columns(batch.source) if field.name != PARTITION_COLUMN]
    columns = ", ".join(f"{made.get(name, quote(name))} AS {quote(name)}" for name in names)
    return f"SELECT {columns} FROM landed_records"


def _written(session: Session, batch: _Batch) -> list[WrittenFile]:
    """Write the records straight into the day's folder: all are of one day, and DuckDB's own partitioning would cost time for nothing."""
    folder = f"{PARTITION_COLUMN}={batch.day}"
    files = session.write(_bronze_rows(batch), f"{batch.location}/{folder}", ())
    return [replace(file, path=f"{folder}/{file.path}", partition_values={PARTITION_COLUMN: batch.day}) for file in files]


def _rows_after(batch: _Batch, added: Sequence[WrittenFile], rewrite: Rewrite) -> int:
    before = batch.snapshot.rows if batch.snapshot is not None else 0
    return before - sum(file.rows or 0 for file in rewrite.removed) + sum(file.rows for file in [*added, *rewrite.kept])


def _partition_rows(batch: _Batch, added: Sequence[WrittenFile], rewrite: Rewrite) -> dict[str, int]:
    """Rows after the commit of each day that it touches."""
    changed: list[DataFile | WrittenFile] = [*added, *rewrite.removed]
    touched = {str(file.partition_values[PARTITION_COLUMN]) for file in changed}
    rows = dict.fromkeys(sorted(touched), 0)
    present = batch.snapshot.files if batch.snapshot is not None else ()
    staying: list[DataFile | WrittenFile] = [file for file in present if file not in rewrite.removed]
    for file in [*staying, *added, *rewrite.kept]:
        day = str(file.partition_values[PARTITION_COLUMN])
        if day in touched:
            rows[day] += file.rows or 0
    return rows


def _commit(batch: _Batch, added: Sequence[WrittenFile], removed: Sequence[DataFile], transactions: Mapping[str, int], record: CommitRecord) -> int:
    columns, metadata = bronze_columns(batch.source), record.as_metadata()
    if batch.snapshot is not None:
        return commit(batch.snapshot, added=added, removed=removed, transactions=transactions, metadata=metadata, unbounded=UNBOUNDED_COLUMNS)
    # Where the source lets content be replaced, its old records must be able to go.
    append_only = str(batch.source.attributes.files.on_change != "replace").lower()
    return create_table(
        batch.location,
        columns,
        (PARTITION_COLUMN,),
        configuration={**of_creation(batch.source.attributes.properties), "delta.appendOnly": append_only},
        added=added,
        transactions=transactions,
        metadata=metadata,
        unbounded=UNBOUNDED_COLUMNS,
    )

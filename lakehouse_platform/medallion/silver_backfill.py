"""Recomputes some partitions of a silver table from all that its cursor has passed in bronze; the cursor stays (PROTOCOLS 3.3)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.delta.rearranged import last_of_same_rows
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan, snapshot_scan, written_as_files
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.medallion.blocks import BatchBlocked, waiting
from lakehouse_platform.medallion.changes import cursor_of
from lakehouse_platform.medallion.contested import ranked, with_partition
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.planned import Planned, commit_planned
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver_batch import SilverBatch, open_batch
from lakehouse_platform.medallion.target import ensure_table, refuse_other_columns
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import stored_fields


def recompute(lakehouse: Lakehouse, session: Session, table: Table, run_id: str, partitions: Collection[str]) -> StepResult:
    """Write exactly these partitions anew, in one commit; a key's winner is settled over all of bronze, not over the partition."""
    column = table.partition_column
    if column is None:
        raise LakehouseError(f"{table.name} has no partitions; refresh it without naming any")
    if table.refresh is Refresh.SCD1:
        # Which row is a key's present one is told by all events of the key, those of other partitions and its deletes too.
        raise LakehouseError(f"{table.name} keeps the present state of each key, not the rows of a partition; run `lakehouse rebuild {table.name}`")
    target = ensure_table(lakehouse, table)
    refuse_other_columns(table, target)
    upstream = lakehouse.snapshot(table.inputs[0])
    if upstream is None:
        raise LakehouseError(f"{table.inputs[0]} does not exist yet; ingest it before its partitions are computed")
    cursor = cursor_of(target, upstream)
    # Without a cursor all of bronze would be taken in, past the gate.
    if cursor is None and (block := waiting(lakehouse, session, table.name, target)) is not None:
        raise BatchBlocked(block)
    if cursor is not None:
        upstream = lakehouse.snapshot(table.inputs[0], last_of_same_rows(upstream.location, cursor))
        assert upstream is not None
    batch = open_batch(lakehouse, session, table)
    session.view("bronze_rows", snapshot_scan(upstream))
    removed = tuple(file for file in target.files if file.partition_values[column] in partitions)
    added = tuple(session.write(_winners(batch, column, partitions), target.location, target.partition_columns))
    if cursor is not None:
        _refuse_other_rows(session, target, table, removed, added)
    change = sum(file.rows for file in added) - sum(file.rows or 0 for file in removed)
    record = CommitRecord(
        table=table.name,
        step="backfill",
        run_id=run_id,
        batch_id=_backfill_identity(table, target, upstream, partitions),
        code_version=table.code_version,
        accounts=Accounts(read=change, accepted=change),
    )
    planned = Planned(table, target, record, added, removed, read=upstream.files, within=[{column: key} for key in partitions])
    return commit_planned(planned.filled(partitions=dict.fromkeys(sorted(partitions), 0) | planned.partitions))


def _winners(batch: SilverBatch, column: str, partitions: Collection[str]) -> str:
    """SQL of the rows that belong in these partitions: of each key with a row there, the row that wins anywhere."""
    names = ", ".join(quote(field.name) for field in stored_fields(batch.table))
    wanted = f"CAST({quote(column)} AS VARCHAR) IN ({', '.join(literal(key) for key in sorted(partitions))})"
    valid = with_partition(batch, f"SELECT * FROM ({batch.judged('bronze_rows')}) WHERE _outcome = 'valid'")
    if batch.table.refresh is not Refresh.UPSERT:
        return f"SELECT {names} FROM ({valid}) WHERE {wanted}"
    return f"SELECT {names} FROM ({ranked(batch, f'SELECT *, FALSE AS _known FROM ({valid})')}) WHERE _wins AND {wanted}"


def _refuse_other_rows(session: Session, target: Snapshot, table: Table, removed: Sequence[DataFile], added: Sequence[WrittenFile]) -> None:
    """A changed contract or query that gives other rows is a rebuild: partition by partition, keys and books would fall apart."""
    before = f"SELECT _source_position FROM ({scan(target.columns, target.partition_columns, removed)})"
    after = f"SELECT _source_position FROM ({scan(target.columns, target.partition_columns, written_as_files(target.location, added))})"
    gone, come = session.row(f"SELECT (SELECT count(*) FROM ({before} EXCEPT {after})), (SELECT count(*) FROM ({after} EXCEPT {before}))")
    if gone or come:
        raise LakehouseError(
            f"{table.name}: recomputed, these partitions would lose {gone} rows and gain {come}, because its contract or query has changed "
            f"since they were booked; nothing was committed. Put the change back, or run `lakehouse rebuild {table.name}`"
        )


def _backfill_identity(table: Table, target: Snapshot, upstream: Snapshot, partitions: Collection[str]) -> str:
    parts = (table.name, "backfill", str(target.version), str(upstream.version), table.code_version, *sorted(partitions))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

"""The quarantine of a table: every row that was turned away, with its reasons and its raw record, as a Delta table beside it.

Rows become visible with the commit of their batch in the table itself, which decides, and go with that of a replay that took them (PROTOCOLS 1).
Not here: judging rows.
"""

from __future__ import annotations

from collections.abc import Collection

from lakehouse_platform.contracts.types import BIGINT, BINARY, STRING, TIMESTAMP, array
from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.creation import open_or_create
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.quality.reasons import REASONS

COLUMNS = (
    Field("outcome", STRING),
    Field("reasons", REASONS),
    Field("raw_data", STRING),
    Field("raw_bytes", BINARY),
    Field("source_file", STRING),
    Field("source_row", BIGINT),
    Field("ingestion_timestamp", TIMESTAMP),
    Field("quarantined_timestamp", TIMESTAMP),
    Field("run_id", STRING),
    Field("batch_id", STRING),
    Field("claims", array(STRING)),
)
# What the log says of a file must not show what is in rejected records.
_UNBOUNDED = ("raw_data", "raw_bytes", "source_file")


def quarantine_name(table: str) -> str:
    """Name of a table's quarantine, `silver/orders__quarantine`."""
    return f"{table}__quarantine"


def open_quarantine(location: str) -> Snapshot:
    """The quarantine as it is, created empty where there is none."""
    return open_or_create(location, COLUMNS, ("batch_id",))


def replace_batch(session: Session, snapshot: Snapshot, batch_id: str, rows_sql: str) -> int:
    """Make a relation of judged rows the whole of one batch in quarantine, by compare-and-swap; gives the rows written.

    Raises CommitConflict when the quarantine moved since `snapshot`. Nothing is committed where nothing would change.
    """
    removed = tuple(file for file in snapshot.files if file.partition_values.get("batch_id") == batch_id)
    # A quarantine of before replays has no claims until there is one.
    columns = ", ".join(quote(field.name) for field in snapshot.columns)
    added = session.write(f"SELECT {columns} FROM ({rows_sql})", snapshot.location, ("batch_id",))
    if added or removed:
        commit(snapshot, added=added, removed=removed, unbounded=_UNBOUNDED)
    return sum(file.rows for file in added)


def drop_batches(snapshot: Snapshot | None, batch_ids: Collection[str]) -> None:
    """Clear batches that the table will never commit. Raises CommitConflict when the quarantine moved since `snapshot`."""
    removed = tuple(file for file in snapshot.files if file.partition_values.get("batch_id") in batch_ids) if snapshot is not None else ()
    if snapshot is not None and removed:
        commit(snapshot, removed=removed)


def quarantined_rows(outcome_sql: str, run_id: str, batch_id: str, now: str) -> str:
    """SQL that makes quarantine's rows from judged ones."""
    return (
        "SELECT _outcome AS outcome, _reasons AS reasons, _raw_data AS raw_data, _raw_bytes AS raw_bytes, _source_position.source AS source_file, "
        "_source_position.row AS source_row, _ingestion_timestamp AS ingestion_timestamp, "
        f"TIMESTAMPTZ {literal(now)} AS quarantined_timestamp, {literal(run_id)} AS run_id, {literal(batch_id)} AS batch_id, "
        "NULL::VARCHAR[] AS claims "
        f"FROM ({outcome_sql}) WHERE _outcome IN ('rejected', 'late')"
    )


def claim(session: Session, snapshot: Snapshot, batch_id: str, chosen: str, rows_sql: str) -> None:
    """Note on the chosen rows (a relation of `_file` and `_file_row`) that a replay takes them, and make a relation of judged rows all of its batch.

    One commit by compare-and-swap, which shows only once the table commits the batch. Raises CommitConflict when the quarantine moved.
    """
    has_claims = any(field.name == "claims" for field in snapshot.columns)
    touched = {uri for (uri,) in session.rows(f"SELECT DISTINCT _file FROM {chosen}")}
    earlier = [file for file in snapshot.files if file.partition_values.get("batch_id") == batch_id]
    rewritten = [file for file in snapshot.files if file not in earlier and (file.uri in touched or not has_claims)]
    names = ", ".join(quote(field.name) for field in COLUMNS)
    before = "coalesce(claims, [])" if has_claims else "[]::VARCHAR[]"
    claims = f"CASE WHEN chosen._file IS NOT NULL THEN list_distinct({before} || [{literal(batch_id)}]) ELSE {'claims' if has_claims else 'NULL'} END"
    others = ", ".join(f"stored.{quote(field.name)}" for field in COLUMNS if field.name != "claims")
    marked = (
        f"SELECT {others}, {claims} AS claims FROM ({snapshot_scan(snapshot, rewritten, with_file=True)}) AS stored "
        f"LEFT JOIN (SELECT _file, _file_row FROM {chosen}) AS chosen ON stored._file = chosen._file AND stored._file_row = chosen._file_row"
    )
    added = session.write(f"SELECT {names} FROM ({marked}) UNION ALL SELECT {names} FROM ({rows_sql})", snapshot.location, ("batch_id",))
    columns = None if has_claims else COLUMNS
    commit(snapshot, added=added, removed=[*rewritten, *earlier], unbounded=_UNBOUNDED, columns=columns)


def claimed_rows(snapshot: Snapshot, batch_id: str) -> str:
    """SQL of the rows that a replay took."""
    return f"SELECT * FROM ({snapshot_scan(snapshot)}) WHERE list_contains(claims, {literal(batch_id)})"


def visible_rows(snapshot: Snapshot, committed_batches: Collection[str], *, with_file: bool = False) -> str:
    """SQL of the rows whose batch the table has committed, unless it has also committed a replay that took them.

    `with_file` adds each row's place in the quarantine, `_file` and `_file_row`.
    """
    files = tuple(file for file in snapshot.files if file.partition_values.get("batch_id") in committed_batches)
    rows = snapshot_scan(snapshot, files, with_file=with_file)
    if not files or not any(field.name == "claims" for field in snapshot.columns):
        return rows
    batches = ", ".join(literal(batch) for batch in sorted(committed_batches))
    return f"SELECT * FROM ({rows}) WHERE NOT list_has_any(coalesce(claims, []), [{batches}])"

"""The books: accounts of every batch, sealed from the tables' logs into `system/run_metrics` (PROTOCOLS 1.4).

A table's commit decides; a row here is derived from it, so sealing may be done again at any time. Not here: counting rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from lakehouse_platform.contracts.types import BIGINT, STRING, TIMESTAMP
from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.creation import open_or_create
from lakehouse_platform.delta.files import Field, Snapshot, same_columns
from lakehouse_platform.delta.log import identity_of
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import duckdb_type, literal
from lakehouse_platform.medallion.history import Past, Version, standing, versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.quality.accounts import Accounts

RUN_METRICS = "system/run_metrics"
_ENDS = tuple(field.name for field in fields(Accounts))
_COLUMNS = (
    *(Field(name, STRING) for name in ("table_name", "table_id", "run_id", "batch_id", "step")),
    Field("version", BIGINT),
    Field("restored_version", BIGINT),
    Field("committed_timestamp", TIMESTAMP),
    *(Field(name, BIGINT) for name in _ENDS),
)


@dataclass(frozen=True)
class Entry:
    """The accounts of one commit of a table."""

    table: str
    run_id: str
    batch_id: str
    step: str
    version: int
    accounts: Accounts
    restored_version: int | None = None


def seal(lakehouse: Lakehouse, session: Session, table: str) -> None:
    """Write the accounts of every commit that the books do not have yet; called before and after each refresh."""
    with_retries(lambda: _seal_once(lakehouse, session, table), lakehouse.settings.commit_tries)


def entries(lakehouse: Lakehouse, session: Session, table: str | None = None) -> list[Entry]:
    """The accounts of a table's commits, or of all tables, in order: the sealed ones, then those in the log beyond them.

    A table that was deleted took its accounts with it, also where there is one of that name again.
    """
    names = [table] if table is not None else list(lakehouse.project.tables)
    books = lakehouse.snapshot(RUN_METRICS)
    found: list[Entry] = []
    for name in names:
        identity = identity_of(lakehouse.location(name))
        if identity is None:
            continue
        sealed = _sealed_version(books, name, identity)
        if books is not None and sealed >= 0:
            found += _read(session, books, name, identity)
        found += [entry for version in versions_since(lakehouse, name, sealed) if (entry := _entry(name, version)) is not None]
    return found


def committed_batches(lakehouse: Lakehouse, session: Session, table: str) -> set[str]:
    """Ids of the batches that a table is made of; only their rows in quarantine count."""
    found = entries(lakehouse, session, table)
    places = standing([Past(entry.version, entry.step, entry.restored_version) for entry in found])
    return {found[place].batch_id for place in places}


def first_unsealed(lakehouse: Lakehouse, table: str) -> int | None:
    """The first version of a table whose accounts only its own log has; None where the books have them all."""
    identity = identity_of(lakehouse.location(table))
    if identity is None or lakehouse.project.tables[table].layer != "silver":
        return None
    sealed = _sealed_version(lakehouse.snapshot(RUN_METRICS), table, identity)
    return next((version.version for version in versions_since(lakehouse, table, sealed) if _entry(table, version) is not None), None)


def total(entries_of_table: Sequence[Entry]) -> Accounts:
    """The sum of accounts: the table's state."""
    return sum((entry.accounts for entry in entries_of_table), Accounts())


def _seal_once(lakehouse: Lakehouse, session: Session, table: str) -> None:
    identity = identity_of(lakehouse.location(table))
    if identity is None:
        return
    books = _open(lakehouse, session)
    pending = [version for version in versions_since(lakehouse, table, _sealed_version(books, table, identity)) if _entry(table, version)]
    if not pending:
        return
    rows = " UNION ALL ".join(_row_sql(table, identity, version) for version in pending)
    added = session.write(rows, books.location, ())
    commit(books, added=added, transactions={_sealed_id(table, identity): pending[-1].version})


def _open(lakehouse: Lakehouse, session: Session) -> Snapshot:
    """The books, with columns of nothing for what an earlier release did not count."""
    books = open_or_create(lakehouse.location(RUN_METRICS), _COLUMNS, ())
    if same_columns(books.columns, _COLUMNS):
        return books
    known = {field.name for field in books.columns}
    empty = {field.name: f"CAST({0 if field.name in _ENDS else 'NULL'} AS {duckdb_type(field.type)}) AS {field.name}" for field in _COLUMNS}
    outputs = (field.name if field.name in known else empty[field.name] for field in _COLUMNS)
    added = session.write(f"SELECT {', '.join(outputs)} FROM ({snapshot_scan(books)})", books.location, ())
    commit(books, added=added, removed=books.files, columns=_COLUMNS)
    return open_or_create(lakehouse.location(RUN_METRICS), _COLUMNS, ())


def _sealed_id(table: str, table_id: str) -> str:
    return f"sealed:{table}#{table_id}"


def _sealed_version(books: Snapshot | None, table: str, table_id: str) -> int:
    sealed = None if books is None else books.transaction_version(_sealed_id(table, table_id))
    return -1 if sealed is None else sealed


def _entry(table: str, version: Version) -> Entry | None:
    record = version.record
    if record is None or record.accounts is None:
        return None
    return Entry(table, record.run_id, record.batch_id, record.step, version.version, record.accounts, record.restored_version)


def _row_sql(table: str, table_id: str, version: Version) -> str:
    entry = _entry(table, version)
    assert entry is not None
    named = {"table_name": entry.table, "table_id": table_id, "run_id": entry.run_id, "batch_id": entry.batch_id, "step": entry.step}
    texts = ", ".join(f"{literal(value)} AS {name}" for name, value in named.items())
    counts = ", ".join(f"{count}::BIGINT AS {name}" for name, count in asdict(entry.accounts).items())
    committed = f"make_timestamptz({version.timestamp_ms * 1000}) AS committed_timestamp"
    versions = f"{entry.version}::BIGINT AS version, {literal(entry.restored_version)}::BIGINT AS restored_version"
    return f"SELECT {texts}, {versions}, {committed}, {counts}"


def _read(session: Session, books: Snapshot, table: str, table_id: str) -> list[Entry]:
    known = {field.name for field in books.columns}
    ends = ", ".join(name if name in known else "0" for name in _ENDS)
    is_of_table = f"table_name = {literal(table)} AND table_id = {literal(table_id)}"
    sql = f"SELECT run_id, batch_id, step, version, restored_version, {ends} FROM ({snapshot_scan(books)}) WHERE {is_of_table} ORDER BY version"
    return [
        Entry(table, run_id, batch_id, step, version, Accounts(*counts), restored_version)
        for run_id, batch_id, step, version, restored_version, *counts in session.rows(sql)
    ]

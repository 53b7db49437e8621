"""Takes a table back to an earlier version, with the cursors, accounts and quarantine that it had then (PROTOCOLS 1.6).

What came since is read again by the next refresh. Not here: the commit's actions (delta/restore.py).
"""

from __future__ import annotations

import hashlib

from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.delta.restore import restore as restore_files
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.delta.versions import snapshot_as_of
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.changes import cursor_id
from lakehouse_platform.medallion.events import changes_name
from lakehouse_platform.medallion.history import versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.replayed_events import finish_events
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.target import partition_rows
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.tables.definition import Table


def restore(lakehouse: Lakehouse, table_name: str, version: int, *, run_id: str) -> StepResult:
    """Make a table what it was at a version. Raises VersionGone where that cannot be opened any more."""
    if table_name in lakehouse.project.sources:
        raise LakehouseError(f"{table_name} only grows: its records are what files held, and taking them back would lose them")
    table = lakehouse.project.tables[table_name]
    with lakehouse.session() as session:
        if table.layer == "silver":
            finish_events(lakehouse, session, table, run_id)
        books.seal(lakehouse, session, table_name)
        result = with_retries(lambda: _attempt(lakehouse, session, table, version, run_id), lakehouse.settings.commit_tries)
        if table.layer == "silver":
            finish_events(lakehouse, session, table, run_id)
        books.seal(lakehouse, session, table_name)
    return result


def why_not(lakehouse: Lakehouse, table: str, version: int) -> str | None:
    """Why a table, as it stands now, cannot go back to a version: it never had it, is at it, or has lost it to a clean-up. None where it can."""
    now = lakehouse.snapshot(table)
    if now is None:
        return f"{table} does not exist yet, so it has no version {version}"
    if now.version == 0:
        return f"{table} is at version 0, its first: there is none to go back to"
    if not 0 <= version < now.version:
        return f"{table} is at version {now.version}; restore one from 0 to {now.version - 1} (`lakehouse history {table}`)"
    try:
        snapshot_as_of(now, version, name=table)
    except VersionGone as gone:
        return str(gone)
    return None


def _attempt(lakehouse: Lakehouse, session: Session, table: Table, version: int, run_id: str) -> StepResult:
    if why := why_not(lakehouse, table.name, version):
        raise LakehouseError(why)
    now, then = (lakehouse.snapshot(table.name, each) for each in (None, version))
    assert now is not None
    assert then is not None
    known = [each.record for each in versions_since(lakehouse, table.name) if each.version <= version and each.record is not None]
    record = CommitRecord(
        table=table.name,
        step="restore",
        run_id=run_id,
        batch_id=hashlib.sha256(f"{table.name}\0restore\0{now.version}\0{version}".encode()).hexdigest()[:32],
        code_version=known[-1].code_version if known else "",
        accounts=_taken_back(lakehouse, session, table, version),
        partitions=partition_rows(table, now, *_differing(now, then)),
        rows=then.rows,
        restored_version=version,
    )
    committed = restore_files(now, version, transactions=_cursors(lakehouse, table, now, then), metadata=record.as_metadata())
    return StepResult(table.name, committed, record)


def _taken_back(lakehouse: Lakehouse, session: Session, table: Table, version: int) -> Accounts | None:
    """What the commits after a version booked, as a difference; None for a table that books nothing."""
    if table.layer != "silver":
        return None
    found = books.entries(lakehouse, session, table.name)
    return books.total([entry for entry in found if entry.version <= version]) - books.total(found)


def _cursors(lakehouse: Lakehouse, table: Table, now: Snapshot, then: Snapshot) -> dict[str, int]:
    """Each cursor as it stood then; -1 for one that was not there."""
    cursors = {}
    for name in (*table.inputs, *(changes_name(each) for each in table.inputs)):
        upstream = lakehouse.snapshot(name)
        if upstream is None or now.transaction_version(cursor_id(name, upstream)) is None:
            continue
        stood = then.transaction_version(cursor_id(name, upstream))
        cursors[cursor_id(name, upstream)] = -1 if stood is None else stood
    return cursors


def _differing(now: Snapshot, then: Snapshot) -> tuple[list[DataFile], list[DataFile]]:
    """The files that a restore brings back, and those that it takes away."""
    paths = {file.path for file in now.files} & {file.path for file in then.files}
    back, away = ([file for file in files if file.path not in paths] for files in (then.files, now.files))
    return back, away

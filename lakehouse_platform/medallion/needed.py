"""What the lakehouse still needs of a table's past: clean-up of data files and of the log stops before it. Not here: cleaning up (delta)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lakehouse_platform.delta.actions import MAINTENANCE
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.rearranged import last_of_same_rows
from lakehouse_platform.delta.tags import pinned_versions
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.medallion.books import first_unsealed
from lakehouse_platform.medallion.changes import cursor_of
from lakehouse_platform.medallion.decisions import DECISIONS, logged, standing
from lakehouse_platform.medallion.events import changes_name
from lakehouse_platform.medallion.history import versions_backwards
from lakehouse_platform.medallion.lakehouse import Lakehouse


@dataclass(frozen=True)
class Needed:
    """`log_from` is the first version whose commit somebody reads; `versions` are those whose rows are read, beside the newest."""

    log_from: int
    versions: frozenset[int]


def needed(lakehouse: Lakehouse, session: Session, table: str, keep_versions: Collection[int] = ()) -> Needed | None:
    """What the other tables, the books, open decisions and the table itself still read of a table's past; None where there is no table.

    Of a version that has a tag, or is in `keep_versions`, the commits that tell what made its rows. What Dagster has not been told yet, it is for
    the caller to know.
    """
    snapshot = lakehouse.snapshot(table)
    if snapshot is None:
        return None
    unread = [*_read_by_others(lakehouse, snapshot, table), *_blocked(lakehouse, session, table)]
    told = [*_told_by_records(lakehouse, table), *_told_of_kept(lakehouse, table, {*keep_versions, *pinned_versions(snapshot.location)})]
    log_from = min([snapshot.version, *unread, *told, *_unsealed(lakehouse, table)])
    versions = {last_of_same_rows(snapshot.location, version) for version in unread if version >= 0}
    return Needed(max(0, log_from), frozenset(versions.union(_before_packs(snapshot.location, min(versions, default=snapshot.version)))))


def _before_packs(location: str, read_through: int) -> Iterator[int]:
    """The versions that were rearranged since a reader's cursor: what came is read from the files that brought it, also after these were packed."""
    for each in commits(location, read_through):
        if MAINTENANCE in each.metadata and not each.has_data_change:
            yield each.version - 1


def _read_by_others(lakehouse: Lakehouse, snapshot: Snapshot, table: str) -> Iterator[int]:
    """The cursors of the tables that read it."""
    for name, each in lakehouse.project.tables.items():
        if table in (*each.inputs, *(changes_name(source) for source in each.inputs)):
            target = lakehouse.snapshot(name)
            cursor = cursor_of(target, snapshot) if target is not None else None
            if cursor is not None and cursor <= snapshot.version:
                yield cursor


def _blocked(lakehouse: Lakehouse, session: Session, table: str) -> Iterator[int]:
    """Every version of a batch that waits for a decision: what came with each of them is committed as it was judged."""
    log = lakehouse.snapshot(DECISIONS)
    for name, each in lakehouse.project.tables.items():
        if each.driving == table:
            for decision in standing(logged(session, log, name)):
                if decision.is_open:
                    yield from range(decision.from_version, decision.to_version + 1)


def _told_of_kept(lakehouse: Lakehouse, table: str, versions: Collection[int]) -> Iterator[int]:
    """The records of the oldest of some versions: of one that an optimise made, the record is further back, and a restore to it looks for that."""
    if versions:
        yield from _told_by_records(lakehouse, table, min(versions))


def _told_by_records(lakehouse: Lakehouse, table: str, until: int | None = None) -> Iterator[int]:
    """The latest records of a step, up to a version: what made the rows, whether older code made some, how the last batch was judged."""
    known = lakehouse.project.tables.get(table)
    if known is None and table not in lakehouse.project.sources:
        return
    restored: int | None = None
    wanted = {"any"} if known is None else {"any", "whole", *(["gate"] if known.attributes.gate_limits is not None else [])}
    for version in versions_backwards(lakehouse, table):
        record = version.record
        if record is None or (until is not None and version.version > until):
            continue
        found = {"any"} | ({"gate"} if record.gate is not None else set())
        # As stale.py looks for what made the rows: behind a restore, at what it went back to.
        if restored is None or version.version <= restored:
            restored = record.restored_version if record.step == "restore" else restored
            found |= {"whole"} if record.step not in ("backfill", "replay", "restore") else set()
        if wanted & found:
            wanted -= found
            yield version.version
        if not wanted:
            return


def _unsealed(lakehouse: Lakehouse, table: str) -> Iterator[int]:
    if table in lakehouse.project.tables and (version := first_unsealed(lakehouse, table)) is not None:
        yield version

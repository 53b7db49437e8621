"""Maintenance of the lakehouse's tables: which there are, what is due, and one table packed, vacuumed and its log cleaned by its policy.

Not here: how each is done (writes/optimize.py, delta/vacuum.py, delta/upkeep.py), and when (orchestration/maintenance.py).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.integrity import log_state
from lakehouse_platform.delta.upkeep import LogCleaned, clean_log
from lakehouse_platform.delta.vacuum import LEAST_RETENTION_HOURS, VacuumResult, vacuum
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.medallion.books import RUN_METRICS
from lakehouse_platform.medallion.decisions import DECISIONS
from lakehouse_platform.medallion.events import changes_name
from lakehouse_platform.medallion.history import versions_backwards
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.needed import needed
from lakehouse_platform.medallion.table_metrics import TABLE_METRICS, Metrics, maintained_through
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.quality.quarantine import quarantine_name
from lakehouse_platform.tables.storage import unbounded_columns
from lakehouse_platform.writes.optimize import OptimizeResult, optimize
from lakehouse_platform.writes.policy import MOST_HOURS, Maintenance, policy_in

logger = logging.getLogger(__name__)

SYSTEM_TABLES = (RUN_METRICS, DECISIONS, TABLE_METRICS)


class Work(StrEnum):
    """A part of maintenance."""

    OPTIMIZE = "optimize"
    VACUUM = "vacuum"
    CLEAN_LOG = "clean_log"


@dataclass(frozen=True)
class Upkeep:
    """What of maintenance to do, and what takes the place of the policy's retention. `dry_run`: nothing, only tell."""

    work: tuple[Work, ...] = tuple(Work)
    retention_hours: float | None = None
    reason: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.retention_hours is not None and not 0 <= self.retention_hours <= MOST_HOURS:
            raise LakehouseError(f"{self.retention_hours:g} hours is no retention: give 0 to {MOST_HOURS:.0f}, which is a century")
        if self.retention_hours is not None and self.retention_hours < LEAST_RETENTION_HOURS and not self.reason:
            raise LakehouseError(
                f"{self.retention_hours:g} hours are less than {LEAST_RETENTION_HOURS:g}: whoever still reads a version of that age loses its files. "
                "Give the reason why nobody does, or keep more"
            )


def beside(lakehouse: Lakehouse, name: str) -> list[str]:
    """A table of the project and those that stand beside it, as far as there are any."""
    names = [name] if name.startswith("bronze/") else [name, quarantine_name(name), changes_name(name)]
    return [each for each in names if lakehouse.snapshot(each) is not None]


def system_tables(lakehouse: Lakehouse) -> list[str]:
    """The platform's own tables, as far as there are any."""
    return [name for name in SYSTEM_TABLES if lakehouse.snapshot(name) is not None]


def policy_of(lakehouse: Lakehouse, name: str) -> Maintenance | None:
    """The policy of a table, those beside it included; None where it is off. The platform's own have the usual one."""
    owner = next((each for each in (*lakehouse.project.sources, *lakehouse.project.tables) if name in (each, *_names_beside(each))), None)
    if owner is None:
        return Maintenance()
    found = lakehouse.project.tables.get(owner) or lakehouse.project.sources[owner]
    return policy_in(found.attributes.maintenance)


def due(lakehouse: Lakehouse, session: Session) -> Iterator[tuple[str, str]]:
    """The project's tables of which something is due by their policy, or of a table beside them, each with why; the platform's own as `system`."""
    through = maintained_through(lakehouse, session)
    for name in (*lakehouse.project.sources, *lakehouse.project.tables):
        reasons = (_why_due(lakehouse, session, each, through) for each in beside(lakehouse, name))
        if (why := next((each for each in reasons if each is not None), None)) is not None:
            yield name, why
    for name in system_tables(lakehouse):
        if (why := _why_due(lakehouse, session, name, through)) is not None:
            yield "system", why
            return


def maintain(lakehouse: Lakehouse, session: Session, name: str, upkeep: Upkeep, *, run_id: str, reported: int | None = None) -> Metrics | None:
    """Maintain one table by its policy, and tell what that did; None where its maintenance is off.

    Nothing goes that anyone still needs: tables downstream, the books, open decisions, tags, and Dagster, which knows of versions up to `reported`.
    Each commit goes on top of those that other writers make meanwhile, or gives way to them.
    """
    policy, before = policy_of(lakehouse, name), _opened(lakehouse, name)
    if policy is None:
        return None
    table = lakehouse.project.tables.get(name)
    hidden = unbounded_columns(table) if table is not None else ()
    cluster_by = table.attributes.cluster_by if table is not None else ()
    packable = _packable(session, before.location, policy, cluster_by, hidden)
    if Work.OPTIMIZE in upkeep.work and not upkeep.dry_run:
        size, small = policy.target_file_size, policy.small_file_bytes
        optimize(session, before.location, target_file_bytes=size, small_file_bytes=small, cluster_by=cluster_by, unbounded=hidden)
    vacuumed, cleaned = _given_up(lakehouse, session, name, policy, upkeep=upkeep, reported=reported)
    after = _opened(lakehouse, name)
    state = log_state(after.location)
    return Metrics(
        table_name=name,
        table_id=before.table_id,
        run_id=run_id,
        maintained_timestamp=datetime.now(UTC),
        version_before=before.version,
        version_after=after.version,
        files_before=len(before.files),
        files_after=len(after.files),
        bytes_before=_bytes(before),
        bytes_after=_bytes(after),
        packable_files_before=packable.files_removed,
        packable_files_after=_packable(session, before.location, policy, cluster_by, hidden).files_removed,
        deleted_files=vacuumed.files if vacuumed is not None else 0,
        deleted_bytes=vacuumed.size_bytes if vacuumed is not None else 0,
        removed_commits=cleaned.commits if cleaned is not None else 0,
        first_version=state.first if state is not None else 0,
        oldest_version=vacuumed.oldest_version_kept if vacuumed is not None else after.version,
        reason=vacuumed.reason if vacuumed is not None else None,
    )


def _given_up(
    lakehouse: Lakehouse, session: Session, name: str, policy: Maintenance, *, upkeep: Upkeep, reported: int | None
) -> tuple[VacuumResult | None, LogCleaned | None]:
    """Delete data files and commits that no kept version needs."""
    latest = _latest(lakehouse, name, policy.keep_versions)
    location, past = lakehouse.location(name), needed(lakehouse, session, name, latest)
    assert past is not None
    kept = past.versions | latest
    vacuumed = cleaned = None
    if Work.VACUUM in upkeep.work:
        forced = upkeep.retention_hours is not None
        hours = upkeep.retention_hours if upkeep.retention_hours is not None else policy.retention_hours
        reason = upkeep.reason if forced else policy.retention_reason
        vacuumed = vacuum(location, retention_hours=hours, keep_versions=kept, reason=reason, dry_run=upkeep.dry_run)
    if Work.CLEAN_LOG in upkeep.work:
        still = [vacuumed.oldest_version_kept, *vacuumed.versions_kept] if vacuumed is not None else []
        first = min([past.log_from, *kept, *still, *([reported] if reported is not None else [])])
        cleaned = clean_log(location, keep_from_version=max(0, first), log_retention_hours=policy.log_retention_hours, dry_run=upkeep.dry_run)
    return vacuumed, cleaned


def _latest(lakehouse: Lakehouse, name: str, count: int) -> frozenset[int]:
    """The latest versions that are of other rows than the one before: those that maintenance made would soon be all."""
    return frozenset(islice((each.version for each in versions_backwards(lakehouse, name) if not each.is_upkeep), count))


def _why_due(lakehouse: Lakehouse, session: Session, name: str, through: object) -> str | None:
    policy, snapshot = policy_of(lakehouse, name), _opened(lakehouse, name)
    if policy is None:
        return None
    assert isinstance(through, dict)
    commits = snapshot.version - through.get((name, snapshot.table_id), -1)
    if commits >= policy.commits:
        return f"{name} has had {commits} commits since its last maintenance"
    table = lakehouse.project.tables.get(name)
    cluster_by, hidden = (table.attributes.cluster_by, unbounded_columns(table)) if table is not None else ((), ())
    try:
        small = _packable(session, snapshot.location, policy, cluster_by, hidden).files_removed
    except TransientFault:
        raise
    except LakehouseError as error:
        # Such as a column to cluster by that comes with the next rebuild: the other tables are not to wait for that.
        logger.warning("%s", error)
        return None
    return f"{name} has {small} files that could be packed" if small >= policy.small_files else None


def _packable(session: Session, location: str, policy: Maintenance, cluster_by: Sequence[str], hidden: Collection[str]) -> OptimizeResult:
    """What packing would do, by the log alone."""
    size, small = policy.target_file_size, policy.small_file_bytes
    return optimize(session, location, target_file_bytes=size, small_file_bytes=small, cluster_by=cluster_by, unbounded=hidden, dry_run=True)


def _names_beside(name: str) -> tuple[str, str]:
    return quarantine_name(name), changes_name(name)


def _opened(lakehouse: Lakehouse, name: str) -> Snapshot:
    snapshot = lakehouse.snapshot(name)
    if snapshot is None:
        raise LakehouseError(f"{name} does not exist yet, so there is nothing to maintain")
    return snapshot


def _bytes(snapshot: Snapshot) -> int:
    return sum(file.size_bytes for file in snapshot.files)

"""Deletes files that no version of a table needs any more. Not here: which files versions need (kept.py), old commits (upkeep.py)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from lakehouse_platform.delta.actions import MAINTENANCE
from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.kept import Kept, kept_files, named_files, opened_or_none
from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.delta.tags import pinned_versions
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import StoredFile, joined

# A week: the longest that a reader or a writer of an ordinary table should need a version that is not the newest any more.
LEAST_RETENTION_HOURS = 168.0
# A file that no commit names may be a running writer's, whatever retention is forced.
_UNNAMED_HOURS = 24.0
_DELETED_AT_ONCE = 1000
_DATA_FILE = ".parquet"
_OLDEST, _PINNED = "oldest_version_kept", "versions_kept"


@dataclass(frozen=True)
class VacuumResult:
    """What was deleted, or in a dry run would be: `paths`, relative to the table, as they stand in storage.

    Every version from `oldest_version_kept` on can be read, and those of `versions_kept`. `version` is the table's after it.
    """

    version: int
    oldest_version_kept: int
    versions_kept: tuple[int, ...] = ()
    files: int = 0
    size_bytes: int = 0
    paths: tuple[str, ...] = field(default=(), repr=False)
    reason: str | None = None


def vacuum(
    location: str,
    *,
    retention_hours: float = LEAST_RETENTION_HOURS,
    keep_versions: Collection[int] = (),
    reason: str | None = None,
    dry_run: bool = False,
    now: datetime | None = None,
    tries: int = 10,
) -> VacuumResult:
    """Delete the table's files that no version needs which stood within retention, is named by a tag, or is asked to be kept.

    Only parquet files below the table's folder go that were last written before retention began; never those in folders whose name begins with
    `_` or `.`, those of another table inside the folder, nor those that no commit names and that are younger than a day. A commit tells of it
    before the first file goes, so that a restore to what is going loses the race. Killed in between, the next vacuum deletes the rest.

    Args:
        location: The table.
        retention_hours: How long a version stays readable after it was replaced; less than a week needs a reason.
        keep_versions: Versions to keep beside those that tags name.
        reason: Why less than a week is enough; kept in the commit.
        dry_run: Delete nothing, and tell what would go.
        now: The present, in UTC.
        tries: How often it is planned anew when other commits come in between.
    """
    location = location.rstrip("/")
    if retention_hours < LEAST_RETENTION_HOURS and not reason:
        raise LakehouseError(
            f"{location}: {retention_hours:g} hours of retention are less than {LEAST_RETENTION_HOURS:g}, and whoever still reads or writes by a "
            "version of that age would lose its files. Mend: keep more, or give the reason why nobody does"
        )
    present = now or datetime.now(UTC)
    result = with_retries(lambda: _planned(location, keep_versions, retention_hours, present, reason=reason, dry_run=dry_run), tries)
    if dry_run:
        return result
    # Whoever named a version since the plan was made was told that it can be read.
    late = [version for version in pinned_versions(location) - set(result.versions_kept) if version < result.oldest_version_kept]
    spared = kept_files(_opened(location), late, present).paths if late else frozenset[str]()
    _delete(location, [path for path in result.paths if path not in spared])
    return result


def refuse_vacuumed(now: Snapshot, version: int) -> None:
    """Raise VersionGone where a vacuum has given up what a version needs: its files may be there still, and go the next moment."""
    for told in commits(now.location, version, newest_first=True):
        if told.version > now.version or told.metadata.get(MAINTENANCE) != "vacuum":
            continue
        oldest = int(told.metadata[_OLDEST])
        if version >= oldest or version in told.metadata[_PINNED]:
            continue
        then, kept = opened_or_none(now.location, version), opened_or_none(now.location, oldest)
        standing = {file.path for each in (now, kept) if each is not None for file in each.files}
        if then is None or any(file.path not in standing for file in then.files):
            raise VersionGone(
                f"{now.location}: version {version} was given up by the vacuum of version {told.version}, which keeps those from {oldest} on"
            )


def _planned(
    location: str, keep_versions: Collection[int], retention_hours: float, present: datetime, *, reason: str | None, dry_run: bool
) -> VacuumResult:
    """What is to go by the table as it is; unless it is a dry run, a commit tells of it. Raises CommitConflict."""
    snapshot = _opened(location)
    kept = kept_files(snapshot, {*keep_versions, *pinned_versions(location)}, present - timedelta(hours=retention_hours))
    going = sorted(_needless(snapshot, kept, retention_hours, present), key=lambda file: file.path)
    size_bytes = sum(file.size_bytes for file in going)
    result = VacuumResult(snapshot.version, kept.oldest, kept.pinned, len(going), size_bytes, tuple(file.path for file in going), reason)
    if dry_run or not going:
        return result
    told = {MAINTENANCE: "vacuum", _OLDEST: kept.oldest, _PINNED: list(kept.pinned), "files": len(going), "bytes": size_bytes}
    if reason:
        told["reason"] = reason
    version = commit(snapshot, metadata=told | {"retention_hours": retention_hours}, data_change=False, derived_from="files")
    return replace(result, version=version)


def _needless(snapshot: Snapshot, kept: Kept, retention_hours: float, present: datetime) -> list[StoredFile]:
    files = list(storage.walk(snapshot.location))
    # Whoever keeps a table inside another's folder shall not lose it.
    tables = {before for before, log, _ in (file.path.partition("/_delta_log/") for file in files) if log}
    cutoff, unnamed_cutoff = (present - timedelta(hours=hours) for hours in (retention_hours, max(retention_hours, _UNNAMED_HOURS)))
    named = named_files(snapshot.location) if unnamed_cutoff < cutoff else frozenset[str]()
    return [
        file
        for file in files
        if file.path.endswith(_DATA_FILE)
        and file.modified < (cutoff if file.path in named else unnamed_cutoff)
        and kept.paths.isdisjoint((file.path, file.path.rpartition("/")[2]))
        and not _is_hidden(file.path, snapshot.partition_columns)
        and not any(file.path.startswith(f"{table}/") for table in tables)
    ]


def _is_hidden(path: str, partition_columns: Collection[str]) -> bool:
    """Whether a part of a path begins as nothing does that is the table's data, and is no folder of a partition."""
    folders = tuple(f"{spelt}=" for name in partition_columns for spelt in (name, quote(name)))
    return any(part.startswith(("_", ".")) and not part.startswith(folders) for part in path.split("/"))


def _delete(location: str, paths: Sequence[str]) -> None:
    for start in range(0, len(paths), _DELETED_AT_ONCE):
        storage.delete(joined(location, path) for path in paths[start : start + _DELETED_AT_ONCE])


def _opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    if snapshot is None:
        raise LakehouseError(f"{location} is no table, so there is nothing to delete")
    return snapshot

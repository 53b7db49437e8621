"""Keeps a table's log short: checkpoints, and removal of commits that nobody needs. Not here: data files (vacuum.py), who needs which commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deltalake.exceptions import DeltaError

from lakehouse_platform.delta.damage import DamagedLog
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.opening import committable, damaged_parts
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.delta.tags import pinned_versions
from lakehouse_platform.delta.vacuum import LEAST_RETENTION_HOURS
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.complaints import told
from lakehouse_platform.storage.stored import StoredFile, joined

LOG_RETENTION_HOURS = 720.0
_LOG_FILE = re.compile(r"(\d{20})\.(json|crc|checkpoint\.parquet|checkpoint\.\d{10}\.(\d{10})\.parquet)")
_DELETED_AT_ONCE = 1000


@dataclass(frozen=True)
class LogCleaned:
    """What was removed from a log, or in a dry run would be: every file of the log of the versions before `first_version`."""

    first_version: int
    checkpoint: int
    commits: int = 0
    size_bytes: int = 0


@dataclass(frozen=True)
class _LogFile:
    version: int
    kind: str
    # Of how many parts a checkpoint is made.
    parts: int
    stored: StoredFile


def checkpoint(location: str) -> int:
    """Write down the table's state as a whole, where its newest version has no checkpoint, and give that version."""
    snapshot = _opened(location)
    try:
        # What was read round damage is a copy of the log, and its damaged checkpoints still stand there: they are made anew first.
        handle = committable(snapshot.location, snapshot.handle)
    except (DeltaError, OSError) as error:
        raise told(snapshot.location, f"its damaged log could not be mended: {error}") from error
    if snapshot.version not in _checkpoints(_log_files(snapshot.location)):
        try:
            handle.create_checkpoint()
        except (DeltaError, OSError) as error:
            raise TransientFault(f"{snapshot.location}: the checkpoint of version {snapshot.version} could not be written: {error}") from error
    return snapshot.version


def clean_log(
    location: str,
    *,
    keep_from_version: int,
    log_retention_hours: float = LOG_RETENTION_HOURS,
    dry_run: bool = False,
    now: datetime | None = None,
) -> LogCleaned:
    """Remove commits and checkpoints that are older than retention and that no version from `keep_from_version` on needs.

    That version, what tags name and all versions after them can be opened as before, and their commits stay: what a commit says of itself is in
    no checkpoint. So the log begins at the newest checkpoint up to them. Removed from the oldest on: what a kill leaves is a whole log.

    Args:
        location: The table.
        keep_from_version: The first version that anyone still needs the commit of.
        log_retention_hours: How long a commit stays; at least as long as data files do.
        dry_run: Remove nothing, and tell what would go.
        now: The present, in UTC.
    """
    location = location.rstrip("/")
    if log_retention_hours < LEAST_RETENTION_HOURS:
        raise LakehouseError(
            f"{location}: commits are kept for {LEAST_RETENTION_HOURS:g} hours at least, not {log_retention_hours:g}: without them no version that "
            "a vacuum kept can be opened"
        )
    newest = _opened(location).version if dry_run else checkpoint(location)
    files = _log_files(location)
    cutoff = (now or datetime.now(UTC)) - timedelta(hours=log_retention_hours)
    # A version is needed as long as the next one is young: it stood when the next one came.
    young = min((file.version - 1 for file in files if file.kind == "json" and file.stored.modified >= cutoff), default=newest)
    needed = min(young, keep_from_version, newest, *pinned_versions(location))
    first = max((version for version in _checkpoints(files) if version <= needed), default=0)
    going = sorted((file for file in files if file.version < first), key=lambda file: (file.version, file.kind))
    if going:
        _refuse_damaged(location, first)
    if not dry_run:
        names = [joined(location, f"_delta_log/{file.stored.path}") for file in going]
        for start in range(0, len(names), _DELETED_AT_ONCE):
            storage.delete(names[start : start + _DELETED_AT_ONCE])
    commits = sum(1 for file in going if file.kind == "json")
    return LogCleaned(first, newest, commits, sum(file.stored.size_bytes for file in going))


def _refuse_damaged(location: str, version: int) -> None:
    """Raise DamagedLog where a checkpoint cannot be read: the commits before it are then all that tells of the table."""
    opened = open_snapshot(location, version)
    if opened is not None and (damaged := damaged_parts(location, opened.handle)):
        raise DamagedLog(
            f"{', '.join(damaged)}: damaged, so that the commits before are needed; nothing was removed from the log. "
            "Mend: remove the damaged checkpoint, the commits tell the same"
        )


def _log_files(location: str) -> list[_LogFile]:
    return list(_parsed(storage.listed(joined(location, "_delta_log"))))


def _parsed(stored: list[StoredFile]) -> Iterator[_LogFile]:
    for file in stored:
        if (match := _LOG_FILE.fullmatch(file.path)) is not None:
            kind = "checkpoint" if match[2].startswith("checkpoint") else match[2]
            yield _LogFile(int(match[1]), kind, int(match[3] or 1), file)


def _checkpoints(files: list[_LogFile]) -> set[int]:
    """The versions that have a whole checkpoint."""
    found: dict[tuple[int, int], int] = {}
    for file in files:
        if file.kind == "checkpoint":
            found[file.version, file.parts] = found.get((file.version, file.parts), 0) + 1
    return {version for (version, parts), count in found.items() if count == parts}


def _opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location.rstrip("/"))
    if snapshot is None:
        raise LakehouseError(f"{location} is no table, so it has no log to keep")
    return snapshot

"""Which of a table's files its kept versions need. Not here: deleting the others (vacuum.py)."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.log import actions_of
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined, unwrapped

logger = logging.getLogger(__name__)

_COMMIT_NAME = re.compile(r"(\d{20})\.json")


@dataclass(frozen=True)
class Kept:
    """What stays: the versions from `oldest` on and the `pinned` ones, by the paths of their files below the table as they stand in storage."""

    oldest: int
    pinned: tuple[int, ...]
    paths: frozenset[str]


def kept_files(snapshot: Snapshot, pinned: Collection[int], cutoff: datetime) -> Kept:
    """What is needed by every version that stood at the cutoff or came after it, up to the snapshot, and by the pinned versions."""
    location = snapshot.location
    oldest = _oldest_since(snapshot, cutoff)
    earlier = {version: opened for version in sorted(pinned) if version < oldest.version and (opened := opened_or_none(location, version))}
    paths = {file.path for each in (snapshot, oldest, *earlier.values()) for file in each.files}
    logged = commit_times(location)
    for version in range(oldest.version + 1, snapshot.version + 1):
        if version in logged:
            paths.update(action["add"]["path"] for action in actions_of(location, version) if "add" in action)
        elif (opened := opened_or_none(location, version)) is not None:
            # Its commit is gone. Where nothing else tells what it held, that is raised: nothing may be deleted then.
            paths.update(file.path for file in opened.files)
    return Kept(oldest.version, tuple(earlier), _in_storage(location, paths))


def named_files(location: str) -> frozenset[str]:
    """The files that any commit of the log names, also where it took them away, by their paths below the table as they stand in storage."""
    actions = (action for version in commit_times(location) for action in actions_of(location, version))
    changes = (action.get("add") or action.get("remove") for action in actions)
    return _in_storage(location, {change["path"] for change in changes if change})


def commit_times(location: str) -> dict[int, datetime]:
    """The versions that the log has a commit of, each with when storage took it."""
    found = ((_COMMIT_NAME.fullmatch(file.path), file.modified) for file in storage.listed(joined(location, "_delta_log")))
    return {int(match[1]): modified for match, modified in found if match}


def opened_or_none(location: str, version: int) -> Snapshot | None:
    """A version of a table; None where it cannot be opened any more."""
    try:
        snapshot = open_snapshot(location, version)
    except VersionGone as gone:
        logger.info("%s", gone)
        return None
    if snapshot is None:
        raise LakehouseError(f"{location} is no table")
    return snapshot


def _oldest_since(snapshot: Snapshot, cutoff: datetime) -> Snapshot:
    """The version that stood at the cutoff, or the oldest after it that can be opened."""
    times = commit_times(snapshot.location)
    standing = snapshot.version
    for version in sorted((version for version in times if version <= snapshot.version), reverse=True):
        standing = version
        # By the later of two clocks: storage's, and the writer's own.
        if times[version] <= cutoff and _said(snapshot.location, version) <= cutoff:
            break
    opened = (opened_or_none(snapshot.location, version) for version in range(standing, snapshot.version))
    return next((each for each in opened if each is not None), snapshot)


def _said(location: str, version: int) -> datetime:
    infos = [action["commitInfo"] for action in actions_of(location, version) if "commitInfo" in action]
    return datetime.fromtimestamp(max((info.get("timestamp") or 0 for info in infos), default=0) / 1000, UTC)


def _in_storage(location: str, paths: Iterable[str]) -> frozenset[str]:
    """Paths of the log as they stand in storage below the table; of absolute ones elsewhere the bare name, to be on the safe side."""
    root = location.partition("://")[2] or location
    found: set[str] = set()
    for path in paths:
        on_disk = unwrapped(unquote(path))
        if "://" not in on_disk and not on_disk.startswith("/"):
            found.add(on_disk)
            continue
        # Without the scheme: the same store has several (`s3a://`).
        below = on_disk.partition("://")[2] or on_disk
        found.add(below.removeprefix(f"{root}/") if below.startswith(f"{root}/") else below.rpartition("/")[2])
    return frozenset(found)

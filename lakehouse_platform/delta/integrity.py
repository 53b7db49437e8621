"""What a table's folder says of its health: gaps in its log, its checkpoint, files that are gone. Not here: what it means for whom (doctor)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse_platform.delta.damage import pointed_checkpoint, pointer_path
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined

_LOG_FILE = re.compile(r"(\d{20})\.(json|checkpoint\..*parquet)")


@dataclass(frozen=True)
class LogState:
    """A table's log: its versions from `first` to `last`, those that are missing between, and the newest checkpoint (None: there is none).

    `points_nowhere`: `_last_checkpoint` names none that is there, so that readers fall back to listing the log. `empty` versions have a file
    without content, which readers take for a commit that changed nothing.
    """

    first: int
    last: int
    missing: tuple[int, ...]
    checkpoint: int | None
    points_nowhere: bool
    empty: tuple[int, ...] = ()


def log_state(location: str) -> LogState | None:
    """The state of the log at a location; None where it has no commits."""
    log = joined(location, "_delta_log")
    files = storage.listed(log)
    found = [match for file in files if (match := _LOG_FILE.fullmatch(file.path))]
    versions = sorted(int(match[1]) for match in found if match[2] == "json")
    checkpoints = {int(match[1]) for match in found if match[2] != "json"}
    if not versions:
        return None
    missing = sorted(set(range(versions[0], versions[-1] + 1)) - set(versions))
    empty = sorted(int(match[1]) for file in files if not file.size_bytes and (match := _LOG_FILE.fullmatch(file.path)) and match[2] == "json")
    pointer = storage.read(pointer_path(location))
    points_nowhere = pointer is not None and pointed_checkpoint(pointer) not in checkpoints
    return LogState(versions[0], versions[-1], tuple(missing), max(checkpoints, default=None), points_nowhere, tuple(empty))


def missing_files(snapshot: Snapshot) -> list[str]:
    """The paths of a snapshot's files that are not there, or not of the size that the log says."""
    there = storage.sizes(snapshot.location, [file.uri for file in snapshot.files])
    return [file.path for file in snapshot.files if there.get(file.uri) != file.size_bytes]

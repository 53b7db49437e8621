"""What a table's folder says of its health: gaps in its log, its checkpoint, files that are gone. Not here: what it means for whom (doctor)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined

_LOG_FILE = re.compile(r"(\d{20})\.(json|checkpoint\..*parquet)")


@dataclass(frozen=True)
class LogState:
    """A table's log: its versions from `first` to `last`, those that are missing between, and the newest checkpoint (None: there is none).

    `points_nowhere`: `_last_checkpoint` names one that is not there, so that readers fall back to listing the log.
    """

    first: int
    last: int
    missing: tuple[int, ...]
    checkpoint: int | None
    points_nowhere: bool


def log_state(location: str) -> LogState | None:
    """The state of the log at a location; None where it has no commits."""
    log = joined(location, "_delta_log")
    found = [match for file in storage.listed(log) if (match := _LOG_FILE.fullmatch(file.path))]
    versions = sorted(int(match[1]) for match in found if match[2] == "json")
    checkpoints = {int(match[1]) for match in found if match[2] != "json"}
    if not versions:
        return None
    missing = sorted(set(range(versions[0], versions[-1] + 1)) - set(versions))
    pointer = storage.read(joined(log, "_last_checkpoint"))
    pointed = json.loads(pointer)["version"] if pointer is not None else None
    return LogState(versions[0], versions[-1], tuple(missing), max(checkpoints, default=None), pointed is not None and pointed not in checkpoints)


def missing_files(snapshot: Snapshot) -> list[str]:
    """The paths of a snapshot's files that are not there, or not of the size that the log says."""
    return [file.path for file in snapshot.files if storage.size_bytes(file.uri) != file.size_bytes]

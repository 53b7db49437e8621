"""Files of a table's log that cannot be read, and how each is told. Not here: reading round them (opening.py)."""

from __future__ import annotations

import json
import re
from typing import Any

from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined

_COMMIT_NAME = re.compile(r"(\d{20})\.json")
_CHECKPOINT_NAME = re.compile(r"(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet")


class DamagedLog(LakehouseError):
    """A commit that is damaged, or missing between others: what it and all later ones made of the table cannot be told."""


def parsed_commit(path: str, content: bytes) -> list[dict[str, Any]]:
    """The actions of a commit's file. Raises DamagedLog, by the version, where it is no whole commit."""
    try:
        # Not splitlines(): texts in the log may hold what Python takes for a line's end, such as U+0085.
        actions = [json.loads(line) for line in content.decode().split("\n") if line.strip()]
    except ValueError as error:
        raise _damaged(path, f"is damaged ({error})") from error
    if not actions or not all(isinstance(action, dict) for action in actions):
        # delta-rs takes an empty file for a commit without actions, and so loses its rows without a word.
        raise _damaged(path, "is damaged (it holds no actions)")
    return actions


def missing_commit(path: str) -> DamagedLog:
    """The error of a commit that is not there, though the table cannot be told without it."""
    return _damaged(path, "is missing")


def log_files(location: str) -> tuple[frozenset[int], dict[int, tuple[str, ...]]]:
    """The versions whose commits a log has, and the names of the files of each whole classic checkpoint, by version."""
    commits: set[int] = set()
    parts: dict[tuple[int, int], list[str]] = {}
    for file in storage.listed(joined(location, "_delta_log")):
        if match := _COMMIT_NAME.fullmatch(file.path):
            commits.add(int(match[1]))
        elif match := _CHECKPOINT_NAME.fullmatch(file.path):
            parts.setdefault((int(match[1]), int(match[3] or 1)), []).append(file.path)
    # Readers take no notice of a checkpoint that lacks a part.
    return frozenset(commits), {version: tuple(sorted(names)) for (version, number), names in sorted(parts.items()) if len(names) == number}


def pointed_checkpoint(content: bytes | None) -> int | None:
    """The version that the content of `_last_checkpoint` points to; None where it cannot be read."""
    try:
        pointer = json.loads(content or b"")
    except ValueError:
        return None
    version = pointer.get("version") if isinstance(pointer, dict) else None
    return version if isinstance(version, int) else None


def pointer_path(location: str) -> str:
    """Where a log names its newest checkpoint."""
    return joined(location, "_delta_log/_last_checkpoint")


def _damaged(path: str, how: str) -> DamagedLog:
    version = int(path[-len("00000000000000000000.json") : -len(".json")])
    mend = "Mend: put the file back from a backup"
    if version:
        mend += (
            f"; without one, copy version {version - 1} into a new table and run again what came after it "
            f"(where {version} is the newest version, removing the file comes to the same)"
        )
    return DamagedLog(f"version {version} of the log, {path}, {how}: what it made of the table cannot be told. {mend}")

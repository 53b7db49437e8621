"""Versions that hold the same rows in other files. Not here: rearranging them (writes/optimize.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lakehouse_platform.delta.actions import MAINTENANCE
from lakehouse_platform.delta.log import HistoryGone, actions_of


def last_of_same_rows(location: str, version: int) -> int:
    """The last version of an unbroken run, beginning with this one, that have the very same rows."""
    while True:
        try:
            actions = actions_of(location, version + 1)
        except HistoryGone:
            return version
        if not _is_upkeep(actions):
            return version
        version += 1


def _is_upkeep(actions: Sequence[Mapping[str, Any]]) -> bool:
    changes = [change for action in actions if (change := action.get("add") or action.get("remove"))]
    if any(change.get("dataChange", True) for change in changes):
        return False
    if any(MAINTENANCE in action.get("commitInfo", {}) for action in actions):
        return True
    # Another tool's rearrangement; a commit without files may be anything.
    return bool(changes) and not any("metaData" in action for action in actions)

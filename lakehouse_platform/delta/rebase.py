"""Whether what was derived from a version still holds on a newer one. Not here: committing it there (commit.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from lakehouse_platform.delta.actions import MAINTENANCE
from lakehouse_platform.delta.log import HistoryGone, actions_of

Derivation = Literal["rows", "files"]
_REARRANGING = {"add", "remove", "commitInfo"}
# What a commit may hold that leaves the files of a rearrangement as they are; other kinds change what the table is.
_WRITING = {*_REARRANGING, "txn", "cdc"}


def still_holds(location: str, versions: range, removed: Collection[str], derived_from: Derivation) -> bool:
    """Whether the commits of these versions leave valid what was derived before them, and that removes the paths `removed`.

    Derived from the rows, it holds over commits that only rearrange; derived from the files that it removes, it holds as long as they stand.
    """
    return all(_leaves_valid(location, version, removed, derived_from) for version in versions)


def _leaves_valid(location: str, version: int, removed: Collection[str], derived_from: Derivation) -> bool:
    try:
        actions = actions_of(location, version)
    except HistoryGone:
        return False
    allowed = _REARRANGING if derived_from == "rows" else _WRITING
    if not all(allowed.issuperset(action) for action in actions) or any(_is_restore(action) for action in actions):
        return False
    changes: list[Mapping[str, Any]] = [change for action in actions if (change := action.get("add") or action.get("remove"))]
    if derived_from == "rows" and any(change.get("dataChange", True) for change in changes):
        return False
    if derived_from == "rows" and not changes and not any(_is_of_maintenance(action) for action in actions):
        return False
    return not any(change["path"] in removed for change in changes)


def _is_of_maintenance(action: Mapping[str, Any]) -> bool:
    """Whether a commit without files says that it only tells of upkeep, such as a vacuum."""
    return MAINTENANCE in action.get("commitInfo", {})


def _is_restore(action: Mapping[str, Any]) -> bool:
    return "commitInfo" in action and action["commitInfo"].get("operation") == "RESTORE"

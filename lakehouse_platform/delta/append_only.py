"""Lifting a table's append-only property for retention and erasure, and putting it back, each in a commit of its own. Not here: what is removed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from deltalake import DeltaTable

from lakehouse_platform.delta.actions import MAINTENANCE, commit_properties
from lakehouse_platform.delta.ambiguous import new_commit_id
from lakehouse_platform.delta.commit import put_after
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.opening import open_table
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.problems import LakehouseError

logger = logging.getLogger(__name__)

APPEND_ONLY = "delta.appendOnly"
# Stands on the table as long as the property is lifted, so that a killed process leaves a trace, and the next one puts it back.
LIFTED = "lakehouse.appendOnlyLifted"
_TRIES = 10


@contextmanager
def append_only_lifted(location: str, reason: str) -> Iterator[Snapshot]:
    """The table while rows may go from it; the property is back when the block ends, also by an error. Other tables are left as they are.

    `reason` (whose right, which request, which rule) stands in the table's history. Raises LakehouseError where it is empty.
    """
    if not reason.strip():
        raise LakehouseError(f"{location}: {APPEND_ONLY} is lifted for a reason only; give it, since it is kept in the table's history")
    if _is_set(_opened(location)):
        lift_append_only(location, reason)
        logger.info("%s: %s lifted: %s", location, APPEND_ONLY, reason)
    try:
        yield _opened(location)
    finally:
        put_back_append_only(location)


def lift_append_only(location: str, reason: str) -> int:
    """Commit that rows may go from the table, and give back that version. Commits of others that are under way lose to it and are made anew."""
    return with_retries(lambda: _commit(_opened(location), "false", reason), _TRIES)


def put_back_append_only(location: str) -> int | None:
    """Commit that rows may only be added, where that was lifted (also by a process that died), and give back that version; None where not."""

    def attempt() -> int | None:
        snapshot = _opened(location)
        return _commit(snapshot, "true", "") if snapshot.configuration.get(LIFTED) else None

    return with_retries(attempt, _TRIES)


def _is_set(snapshot: Snapshot) -> bool:
    return snapshot.configuration.get(APPEND_ONLY, "").lower() == "true"


def _opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    if snapshot is None:
        raise LakehouseError(f"{location} is no table")
    return snapshot


def _commit(snapshot: Snapshot, value: str, reason: str) -> int:
    commit_id = new_commit_id()
    step = {MAINTENANCE: "put_back_append_only" if value == "true" else "lift_append_only", "reason": reason}

    def put(handle: DeltaTable) -> None:
        handle.alter.set_table_properties(
            {APPEND_ONLY: value, LIFTED: reason}, raise_if_not_exists=False, commit_properties=commit_properties(commit_id, None, step)
        )

    # The handle moves with its commit; the snapshot must stay what it is.
    return put_after(snapshot, open_table(snapshot.location, snapshot.version), put, commit_id)

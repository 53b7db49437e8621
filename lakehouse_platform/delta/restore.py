"""Taking a table back to an earlier version, as a new commit. Not here: which cursors go back with it (medallion/restore.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from lakehouse_platform.delta.commit import CommitConflict, commit_properties
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.problems import TransientFault


def restore(snapshot: Snapshot, version: int, *, transactions: Mapping[str, int] | None = None, metadata: Mapping[str, Any] | None = None) -> int:
    """Commit the content of `version` as the version that follows the snapshot, and give back that version.

    Raises CommitConflict when any other commit came after the snapshot, VersionGone when files of `version` were cleaned up.
    """
    # A restore moves the handle that it is made by; the snapshot must stay what it is.
    handle = DeltaTable(snapshot.location, version=snapshot.version)
    try:
        handle.restore(version, commit_properties=commit_properties(transactions, metadata))
    except CommitFailedError as error:
        latest = DeltaTable(snapshot.location).version()
        if latest == snapshot.version:
            raise TransientFault(f"{snapshot.location}: restoring version {version} failed: {error}") from error
        raise CommitConflict(f"{snapshot.location} is at version {latest}, not at {snapshot.version} any more") from error
    except DeltaError as error:
        raise VersionGone(f"{snapshot.location}: version {version} cannot be restored, files of it were cleaned up ({error})") from error
    return snapshot.version + 1

"""Taking a table back to an earlier version, as a new commit. Not here: which cursors go back with it (medallion/restore.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from lakehouse_platform.delta.actions import commit_properties
from lakehouse_platform.delta.ambiguous import new_commit_id, stands_in_log
from lakehouse_platform.delta.commit import put_after
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.opening import open_table
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.delta.vacuum import refuse_vacuumed


def restore(snapshot: Snapshot, version: int, *, transactions: Mapping[str, int] | None = None, metadata: Mapping[str, Any] | None = None) -> int:
    """Commit the content of `version` as the version that follows the snapshot, and give back that version.

    Raises CommitConflict when any other commit came after the snapshot, VersionGone when files of `version` were cleaned up.
    """
    refuse_vacuumed(snapshot, version)
    if version >= snapshot.version:
        raise VersionGone(f"{snapshot.location} is at version {snapshot.version}: version {version} is none that it could go back to")
    commit_id = new_commit_id()

    def put(handle: DeltaTable) -> None:
        try:
            handle.restore(version, commit_properties=commit_properties(commit_id, transactions, metadata))
        except CommitFailedError:
            raise
        except DeltaError as error:
            if stands_in_log(snapshot.location, snapshot.version + 1, commit_id, error):
                return
            raise VersionGone(f"{snapshot.location}: version {version} cannot be restored, files of it were cleaned up ({error})") from error

    # A restore moves the handle that it is made by; the snapshot must stay what it is.
    return put_after(snapshot, open_table(snapshot.location, snapshot.version), put, commit_id)

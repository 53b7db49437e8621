"""Taking a table back to an earlier version, as a new commit. Not here: which cursors go back with it (medallion/restore.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lakehouse_platform.delta.actions import commit_properties
from lakehouse_platform.delta.ambiguous import new_commit_id
from lakehouse_platform.delta.commit import put_after
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.obligations import obligations_of
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.delta.vacuum import refuse_vacuumed
from lakehouse_platform.problems import LakehouseError

# What delta-rs says, before it commits anything, where a file of the version is not there.
_MISSING_FILE = "missing file"


def restore(snapshot: Snapshot, version: int, *, transactions: Mapping[str, int] | None = None, metadata: Mapping[str, Any] | None = None) -> int:
    """Commit the content of `version` as the version that follows the snapshot, and give back that version.

    Raises CommitConflict when any other commit came after the snapshot, VersionGone when files of `version` were cleaned up.
    """
    if obligations_of(snapshot).append_only:
        raise LakehouseError(
            f"{snapshot.location} is append-only (delta.appendOnly): going back to version {version} would remove rows; nothing was committed. "
            "Mend: copy that version into a new table"
        )
    refuse_vacuumed(snapshot, version)
    if version >= snapshot.version:
        raise VersionGone(f"{snapshot.location} is at version {snapshot.version}: version {version} is none that it could go back to")
    commit_id = new_commit_id()

    def put(handle: DeltaTable) -> None:
        try:
            handle.restore(version, commit_properties=commit_properties(commit_id, transactions, metadata))
        except DeltaError as error:
            if _MISSING_FILE not in str(error):
                raise
            raise VersionGone(f"{snapshot.location}: version {version} cannot be restored, files of it were cleaned up ({error})") from error

    # A restore moves the handle that it is made by; the snapshot must stay what it is.
    now = open_snapshot(snapshot.location, snapshot.version)
    if now is None:
        raise LakehouseError(f"{snapshot.location} is no table any more")
    return put_after(snapshot, now.handle, put, commit_id)

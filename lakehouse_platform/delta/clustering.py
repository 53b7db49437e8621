"""By which columns a table is clustered, in its metadata for every reader to see. Not here: laying rows so (writes/zorder.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from deltalake import DeltaTable

from lakehouse_platform.delta.actions import MAINTENANCE, commit_properties
from lakehouse_platform.delta.ambiguous import new_commit_id
from lakehouse_platform.delta.commit import put_after
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.opening import open_table
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.problems import LakehouseError

# Delta's own `clustering` feature is a promise of how later writers lay rows, kept in domain metadata that delta-rs does not write.
CLUSTER_BY = "lakehouse.clusterBy"


def clustering_of(snapshot: Snapshot) -> tuple[str, ...]:
    """The columns by which a table's metadata says that it is clustered; empty where it says nothing."""
    return tuple(json.loads(snapshot.configuration.get(CLUSTER_BY, "[]")))


def note_clustering(location: str, columns: Sequence[str]) -> int:
    """Say in the table's metadata by which columns it is clustered, in a commit of its own; none where it says so already. Gives the version.

    Raises CommitConflict when another commit came in between.
    """
    snapshot = open_snapshot(location)
    if snapshot is None:
        raise LakehouseError(f"{location} is no table, so it cannot be clustered")
    if clustering_of(snapshot) == tuple(columns):
        return snapshot.version
    commit_id = new_commit_id()
    properties = commit_properties(commit_id, None, {MAINTENANCE: "cluster_by"})

    def put(handle: DeltaTable) -> None:
        handle.alter.set_table_properties({CLUSTER_BY: json.dumps(list(columns))}, raise_if_not_exists=False, commit_properties=properties)

    # The handle moves with its commit; the snapshot must stay what it is.
    return put_after(snapshot, open_table(snapshot.location, snapshot.version), put, commit_id)

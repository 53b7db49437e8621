"""Adding columns to a table, in a commit of its own: older files lack them, and their rows are null there. Not here: who asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deltalake import DeltaTable

from lakehouse_platform.delta.actions import commit_properties
from lakehouse_platform.delta.ambiguous import new_commit_id
from lakehouse_platform.delta.commit import put_after
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.opening import open_table
from lakehouse_platform.delta.schema import delta_schema
from lakehouse_platform.problems import LakehouseError


def add_columns(snapshot: Snapshot, columns: Sequence[Field], *, metadata: Mapping[str, Any] | None = None) -> int:
    """Commit new nullable columns at the table's end as the version that follows the snapshot, and give back that version.

    Raises CommitConflict when another commit came after the snapshot, LakehouseError where a name differs from another by its case alone.
    """
    known = {field.name.lower(): field.name for field in snapshot.columns}
    for field in columns:
        if field.name.lower() in known:
            raise LakehouseError(f"{snapshot.location}: column {field.name!r} is too like {known[field.name.lower()]!r}; give it another name")
        known[field.name.lower()] = field.name
    commit_id = new_commit_id()
    fields = delta_schema([Field(field.name, field.type) for field in columns]).fields

    def put(handle: DeltaTable) -> None:
        handle.alter.add_columns(fields, commit_properties=commit_properties(commit_id, None, metadata))

    # The handle moves with its commit; the snapshot must stay what it is.
    return put_after(snapshot, open_table(snapshot.location, snapshot.version), put, commit_id)

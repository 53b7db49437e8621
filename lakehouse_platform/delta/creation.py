"""Opens a table, and makes it where there is none. Not here: what is committed to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from lakehouse_platform.delta.commit import CommitConflict, create_table
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.problems import LakehouseError


def open_or_create(
    location: str, columns: Sequence[Field], partition_columns: Sequence[str], *, configuration: Mapping[str, str] | None = None
) -> Snapshot:
    """The table as it is, created empty where there is none."""
    found = open_snapshot(location)
    if found is None:
        # Another worker may make it between the two calls; its table is as good.
        with suppress(CommitConflict):
            create_table(location, columns, partition_columns, configuration=configuration)
        found = open_snapshot(location)
    if found is None:
        raise LakehouseError(f"{location} was made and is gone again; who else writes there?")
    return found

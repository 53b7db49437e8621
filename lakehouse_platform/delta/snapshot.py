"""Opening a version of a table. Not here: changing it (commit.py), reading its history (log.py) or its rows (engine)."""

from __future__ import annotations

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

from lakehouse_platform.delta.active_files import active_files
from lakehouse_platform.delta.damage import log_files
from lakehouse_platform.delta.deletions import has_deletions
from lakehouse_platform.delta.features import COLUMN_MAPPING, DELETION_VECTORS, mapping_mode, refuse_hidden, refuse_unknown, refuse_unopened
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.handle import is_table
from lakehouse_platform.delta.opening import open_table
from lakehouse_platform.delta.schema import columns_of, field_ids_of, stored_columns_of
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.storage.complaints import told


class VersionGone(LakehouseError):
    """A version of a table that cannot be opened any more, or not yet."""


def open_snapshot(location: str, version: int | None = None) -> Snapshot | None:
    """The table at `location` as of `version`, or as it is now; None only where there is no table.

    Raises LakehouseError, by the name of the feature, where the table's files alone do not show its rows.
    """
    snapshot = open_foreign(location, version)
    if snapshot is not None:
        hidden = {COLUMN_MAPPING: bool(snapshot.stored_columns), DELETION_VECTORS: snapshot.has_deletions}
        refuse_hidden(snapshot.location, {name for name, is_used in hidden.items() if is_used})
    return snapshot


def open_foreign(location: str, version: int | None = None) -> Snapshot | None:
    """As `open_snapshot`, also where files alone do not show the rows: only engine/foreign.py reads such a snapshot right.

    Raises LakehouseError for features that nobody here knows.
    """
    location = location.rstrip("/")
    try:
        table = open_table(location, version)
    except TableNotFoundError as error:
        if version is None or not is_table(location):
            return None
        raise _gone(location, version, error) from error
    except DeltaProtocolError as error:
        raise LakehouseError(f"{location} cannot be read: {error}") from error
    except OSError as error:
        raise told(location, error) from error
    except DeltaError as error:
        refuse_unopened(location, error)
        if version is None:
            raise TransientFault(f"{location} cannot be opened: {error}") from error
        if _is_told(location, version):
            # Vacuum passes over what is gone, and would delete the files of a version that storage only kept back for a moment.
            raise TransientFault(f"{location}: version {version} cannot be opened: {error}") from error
        raise _gone(location, version, error) from error
    return _snapshot(table, location)


def _snapshot(table: DeltaTable, location: str) -> Snapshot:
    metadata, schema = table.metadata(), table.schema()
    refuse_unknown(table, location, metadata.configuration)
    mode = mapping_mode(metadata.configuration)
    is_mapped = mode != "none"
    return Snapshot(
        location=location,
        table_id=str(metadata.id),
        version=table.version(),
        columns=columns_of(schema),
        partition_columns=tuple(metadata.partition_columns),
        configuration=metadata.configuration,
        files=active_files(table, location, has_statistics=not is_mapped),
        stored_columns=stored_columns_of(schema) if is_mapped else (),
        field_ids=field_ids_of(schema) if mode == "id" else {},
        has_deletions=DELETION_VECTORS in (table.protocol().reader_features or ()) and has_deletions(table),
        handle=table,
    )


def _is_told(location: str, version: int) -> bool:
    """Whether the log has all that tells of a version: every commit up to it, from a checkpoint or the first one on."""
    commits, checkpoints = log_files(location)
    return any(commits.issuperset(range(base + 1, version + 1)) for base in (-1, *checkpoints) if base <= version)


def _gone(location: str, version: int, error: DeltaError) -> VersionGone:
    return VersionGone(f"{location} has no version {version} to open: it was cleaned up or never existed ({error})")

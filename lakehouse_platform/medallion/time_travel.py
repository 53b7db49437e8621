"""Tables as they were: which version stood at a time, and whether it can still be read. Not here: reading its rows (engine/scan.py)."""

from __future__ import annotations

from datetime import UTC, datetime

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.medallion.history import versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.storage import files as storage


def snapshot_at(lakehouse: Lakehouse, table: str, version: int | None = None, timestamp: datetime | None = None) -> Snapshot:
    """A table as of a version, or as it stood at an instant (one without a zone is UTC); as it is now without either.

    Raises VersionGone, with the versions that there are, where that one is no more, never was, or has lost files to a vacuum.
    """
    if version is not None and timestamp is not None:
        raise LakehouseError(f"{table}: give either a version or a timestamp")
    now = lakehouse.snapshot(table)
    if now is None:
        raise LakehouseError(f"there is no table {table} at {lakehouse.location(table)}: it has not been made yet")
    if timestamp is not None:
        version = _version_at(lakehouse, table, timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC))
    if version is None or version == now.version:
        return now
    if not 0 <= version < now.version:
        raise VersionGone(f"{table} has no version {version}: its versions go from 0 to {now.version}")
    try:
        found = lakehouse.snapshot(table, version)
    except VersionGone as error:
        raise VersionGone(f"{table}: version {version} was cleaned out of its log; {_still_there(lakehouse, table, now.version)}") from error
    assert found is not None
    missing = [file.path for file in found.files if not storage.exists(file.uri)]
    if missing:
        raise VersionGone(
            f"{table}: version {version} cannot be read any more: {len(missing)} of its {len(found.files)} files were vacuumed, such as "
            f"{missing[0]}; {_still_there(lakehouse, table, now.version)}"
        )
    return found


def _version_at(lakehouse: Lakehouse, table: str, timestamp: datetime) -> int:
    """The last version that was committed by then."""
    known = list(versions_since(lakehouse, table))
    standing = [entry.version for entry in known if entry.timestamp_ms <= timestamp.timestamp() * 1000]
    if standing:
        return max(standing)
    oldest = min(known, key=lambda entry: entry.version, default=None)
    if oldest is None:
        raise VersionGone(f"{table}: its log names no commit any more, so what stood at {timestamp.isoformat()} cannot be told")
    first = datetime.fromtimestamp(oldest.timestamp_ms / 1000, UTC).isoformat()
    if oldest.version == 0:
        raise VersionGone(f"{table} did not exist at {timestamp.isoformat()}: its first version is of {first}")
    raise VersionGone(f"{table}: its log goes back to {first} (version {oldest.version}), not to {timestamp.isoformat()}")


def _still_there(lakehouse: Lakehouse, table: str, newest: int) -> str:
    # A log without its first commits needs a checkpoint to be opened: the oldest commit that is left may not do by itself.
    logged = [entry.version for entry in versions_since(lakehouse, table)]
    return f"its log has the versions {min(logged, default=newest)} to {newest}"

"""Tables of a lakehouse as they were, by version, instant or tag. Not here: which versions there are (delta/versions.py), or their rows (engine)."""

from __future__ import annotations

from datetime import datetime

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.delta.tags import Tag, add_tag, remove_tag
from lakehouse_platform.delta.versions import snapshot_as_of, version_at, version_called
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError


def snapshot_at(lakehouse: Lakehouse, table: str, version: int | None = None, timestamp: datetime | None = None) -> Snapshot:
    """A table as of a version, or as it stood at an instant (one without a zone is UTC); as it is now without either.

    Raises VersionGone, with the versions that there are, where that one is no more, never was, or has lost files to a vacuum.
    """
    if version is not None and timestamp is not None:
        raise LakehouseError(f"{table}: give either a version or a timestamp")
    now = made_snapshot(lakehouse, table)
    if timestamp is not None:
        version = version_at(now.location, timestamp, name=table)
    return now if version is None else snapshot_as_of(now, version, name=table)


def version_of(lakehouse: Lakehouse, table: str, text: str) -> int:
    """The version that a person means by a number, a timestamp or a tag. Raises LakehouseError where there is none of it, or no such table."""
    return version_called(made_snapshot(lakehouse, table).location, text, name=table)


def tagged(lakehouse: Lakehouse, table: str, tag: str, version: int) -> Tag:
    """Give a version a name. Raises VersionGone where it cannot be read, LakehouseError where the name is none or another version's."""
    snapshot_at(lakehouse, table, version)
    location = lakehouse.location(table)
    made = add_tag(location, tag, version)
    try:
        # A clean-up that had looked for tags before may have gone on while this one was put.
        snapshot_at(lakehouse, table, version)
    except VersionGone:
        remove_tag(location, tag)
        raise
    return made


def made_snapshot(lakehouse: Lakehouse, table: str) -> Snapshot:
    """A table as it is now. Raises LakehouseError where it has not been made yet."""
    now = lakehouse.snapshot(table)
    if now is None:
        raise LakehouseError(f"there is no table {table} at {lakehouse.location(table)}: it has not been made yet")
    return now

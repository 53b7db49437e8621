"""What changed in an input since a table last read it, by the cursor in the table's own log (PROTOCOLS 3). Not here: what follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.delta.log import HistoryGone, changes_between
from lakehouse_platform.delta.rearranged import last_of_same_rows
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.delta.versions import absent
from lakehouse_platform.engine.scan import scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.history import versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.tables.definition import Table


@dataclass(frozen=True)
class InputChange:
    """What an input's versions after `from_version` (-1: from the start) up to `to_version` did to its rows.

    `all`: every file of `upstream` is new to the table; `reason` says why, None where it reads its inputs for the first time.
    `files`: the rows of `removed` went and those of `added` came; most may be the same rows in another file. `none`: nothing new.
    """

    kind: Literal["none", "all", "files"]
    input: str
    upstream: Snapshot | None = None
    from_version: int = -1
    to_version: int = -1
    added: tuple[DataFile, ...] = ()
    removed: tuple[DataFile, ...] = ()
    reason: str | None = None

    @property
    def cursor_id(self) -> str:
        """The application id under which the table keeps how far it has read this very input."""
        return cursor_id(self.input, self.upstream) if self.upstream is not None else ""

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All files that changed rows stand in."""
        return (*self.added, *self.removed)


def cursor_id(name: str, upstream: Snapshot) -> str:
    """The application id of the cursor over an input; a table made anew under the old name has another."""
    return cursor_name(name, upstream.table_id)


def cursor_name(name: str, table_id: str) -> str:
    """The same by the input's id alone."""
    return f"input:{name}#{table_id}"


def cursor_of(target: Snapshot, upstream: Snapshot) -> int | None:
    """The version of an input up to which a table has read it; None where it has not."""
    # A cursor that stood nowhere at the version that was restored cannot be taken out of the log again: it stands below 0.
    consumed = target.transaction_version(cursor_id("/".join(upstream.location.split("/")[-2:]), upstream))
    return None if consumed is None or consumed < 0 else consumed


def read_so_far(lakehouse: Lakehouse, target: Snapshot, name: str) -> Snapshot | None:
    """The input `name` as far as the table `target` has read it; None where it has not, or the input is not what was read any more.

    Of versions with the very same rows it is the last one, whose files a vacuum keeps longest.
    Raises VersionGone where that version of the input, or a file of it, was cleaned up.
    """
    upstream = lakehouse.snapshot(name)
    cursor = cursor_of(target, upstream) if upstream is not None else None
    if upstream is None or cursor is None or cursor > upstream.version:
        return None
    last = last_of_same_rows(upstream.location, cursor)
    read = upstream if last == upstream.version else lakehouse.snapshot(name, last)
    if read is not None and (missing := absent(upstream, read.files)):
        raise VersionGone(
            f"{target.location} has read {name} up to version {cursor}, of which {len(missing)} files were vacuumed, such as {missing[0].path}; "
            "`lakehouse materialize` it, which computes it whole"
        )
    return read


def increment_of(lakehouse: Lakehouse, target: Snapshot, name: str, until: int | None = None) -> InputChange:
    """What changed in the input `name` since the table `target` last read it, up to and with version `until` (None: up to now)."""
    upstream = lakehouse.snapshot(name, until)
    if upstream is None:
        return InputChange("none", name)
    consumed = target.transaction_version(cursor_id(name, upstream))
    if consumed is not None and consumed < 0:
        return _everything(name, upstream, -1, None)
    if consumed is None:
        return _everything(name, upstream, -1, _why_unread(lakehouse, target, name))
    if consumed == upstream.version:
        return InputChange("none", name, upstream, consumed, consumed)
    if consumed > upstream.version:
        return _everything(name, upstream, consumed, f"{name} went back from version {consumed} to {upstream.version}")
    try:
        changes = changes_between(upstream.location, consumed, upstream.version)
    except HistoryGone as gone:
        return _everything(name, upstream, consumed, f"what changed in {name} after version {consumed} cannot be told any more: {gone}")
    if not changes.added and not changes.removed:
        return InputChange("none", name, upstream, consumed, upstream.version)
    return InputChange("files", name, upstream, consumed, upstream.version, changes.added, changes.removed)


def told_apart(lakehouse: Lakehouse, change: InputChange) -> InputChange:
    """The change, whose upstream has what came in other files than what was there, also where a rearrangement since put both into one file."""
    if change.kind != "files" or change.removed or change.upstream is None or {file.path for file in change.added} <= _paths(change.upstream):
        return change
    try:
        before = lakehouse.snapshot(change.input, last_of_same_rows(change.upstream.location, change.from_version))
    except VersionGone as gone:
        return everything(change, f"what {change.input} held at version {change.from_version} cannot be told any more: {gone}")
    assert before is not None
    if missing := absent(change.upstream, before.files):
        return everything(change, f"{missing[0].path} of {change.input} at version {change.from_version} was vacuumed")
    return replace(change, upstream=replace(change.upstream, files=(*before.files, *change.added)))


def everything(change: InputChange, reason: str) -> InputChange:
    """The change with every file of the input new to the table, whatever changed in it; without an input still nothing."""
    if change.upstream is None:
        return change
    return replace(change, kind="all", added=change.upstream.files, removed=(), reason=change.reason or reason)


def batch_identity(table: Table, changes: Sequence[InputChange], further: Collection[str] = ()) -> str:
    """The id of a batch: nothing but what decides its content goes in."""
    inputs = [f"{change.cursor_id} {change.from_version} {change.to_version}" for change in changes]
    return hashlib.sha256("\0".join([table.name, table.code_version, *inputs, *sorted(further)]).encode()).hexdigest()[:32]


def changed_rows(change: InputChange, columns: Collection[str]) -> str:
    """SQL of the rows, in these columns, that one side of a change of `files` has more often than the other."""
    return f"({came_rows(change, columns)}) UNION ALL ({went_rows(change, columns)})"


def came_rows(change: InputChange, columns: Collection[str]) -> str:
    """SQL of the rows, in these columns, that are there after a change and were not before."""
    return _less(change, change.added, change.removed, columns)


def went_rows(change: InputChange, columns: Collection[str]) -> str:
    """SQL of the rows, in these columns, that were there before a change and are not any more."""
    return _less(change, change.removed, change.added, columns)


def _less(change: InputChange, files: Sequence[DataFile], other: Sequence[DataFile], columns: Collection[str]) -> str:
    assert change.upstream is not None
    rows = _rows(change.upstream, files, columns)
    return f"{rows} EXCEPT ALL {_rows(change.upstream, other, columns)}" if files and other else rows


def _rows(upstream: Snapshot, files: Sequence[DataFile], columns: Collection[str]) -> str:
    fields: list[Field] = [field for field in upstream.columns if field.name in columns]
    stored = scan(upstream.columns, upstream.partition_columns, files)
    return f"SELECT {', '.join(quote(field.name) for field in fields)} FROM ({stored})"


def _paths(snapshot: Snapshot) -> set[str]:
    return {file.path for file in snapshot.files}


def _everything(name: str, upstream: Snapshot, from_version: int, reason: str | None) -> InputChange:
    return InputChange("all", name, upstream, from_version, upstream.version, upstream.files, (), reason)


def _why_unread(lakehouse: Lakehouse, target: Snapshot, name: str) -> str | None:
    """Why a table has no cursor over an input, unless it has read nothing yet: another table of that name, or a query that is new."""
    table = "/".join(target.location.split("/")[-2:])
    records = [version.record for version in versions_since(lakehouse, table) if version.record is not None and version.record.step != "backfill"]
    if any(name in record.inputs for record in records):
        return f"{name} was made anew since it was last read"
    return f"{name} is read for the first time" if records else None

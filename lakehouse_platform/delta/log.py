"""A table's history, read from its log's own files. Not here: its present state (snapshot.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lakehouse_platform.delta.active_files import uri_of
from lakehouse_platform.delta.ambiguous import COMMIT_ID, commit_path
from lakehouse_platform.delta.damage import parsed_commit
from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.delta.statistics import parsed_statistics
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined

_COMMIT_NAME = re.compile(r"(\d{20})\.json")
# What the writer itself says of a commit; the rest of commitInfo is the committer's metadata.
_WRITERS_OWN = ("timestamp", "operation", "operationParameters", "engineInfo", "clientVersion", COMMIT_ID)
_Action = dict[str, Any]


class HistoryGone(LakehouseError):
    """What changed between two versions cannot be told from the log any more."""


@dataclass(frozen=True)
class Commit:
    """One commit. `metadata` is what the committer said of it, as JSON values; `has_data_change` is false for one that only rearranged rows."""

    version: int
    timestamp_ms: int
    operation: str
    metadata: Mapping[str, Any]
    has_data_change: bool


@dataclass(frozen=True)
class FileChanges:
    """Files whose rows came and files whose rows went between two versions. `rows` and bounds of removed files may be unknown.

    `versions` names, by path, the commit that brought or took a file, where a row that came or went with it did so in that very commit.
    """

    added: tuple[DataFile, ...]
    removed: tuple[DataFile, ...]
    versions: Mapping[str, int] = field(default_factory=dict)


def commits(location: str, after: int = -1, *, newest_first: bool = False) -> Iterator[Commit]:
    """The commits that the log still has after a version, oldest first or newest first."""
    for version, path in sorted(_commit_paths(location).items(), reverse=newest_first):
        if version > after:
            yield _commit(version, _actions(path))


def actions_of(location: str, version: int) -> list[dict[str, Any]]:
    """The actions of one commit, each a JSON object of one key. Raises HistoryGone where the log has none of that version."""
    return _actions(commit_path(location, version))


def identity_of(location: str) -> str | None:
    """The table's id; None where there is no table. Read from the first commit: opening a table costs by its files, this does not."""
    first = _commit_paths(location).get(0)
    if first is not None:
        return next((str(action["metaData"]["id"]) for action in _actions(first) if "metaData" in action), None)
    snapshot = open_snapshot(location)
    return snapshot.table_id if snapshot is not None else None


def changes_between(location: str, from_version: int, to_version: int) -> FileChanges:
    """What the commits after `from_version` (-1: the start) up to `to_version` changed in the table's rows, net.

    Where a commit is missing, the difference of the two versions' files. Raises HistoryGone where that fails too, or where a restore or other columns
    lie between.
    """
    snapshot = _snapshot(location, to_version)
    paths = _commit_paths(location)
    versions = range(from_version + 1, to_version + 1)
    if not all(version in paths for version in versions):
        return _difference(_snapshot(location, from_version), snapshot)
    net = _Net()
    for version in versions:
        actions = _actions(paths[version])
        if _commit(version, actions).operation == "RESTORE":
            raise HistoryGone(f"{location}: version {version} restored an earlier one, so the commits around it do not tell what changed")
        if from_version >= 0 and any("metaData" in action for action in actions):
            _refuse_other_columns(_snapshot(location, from_version), snapshot)
        _apply(version, actions, snapshot, net)
    return _readable(net.changes(), snapshot)


@dataclass(frozen=True)
class _Net:
    """The net effect of commits, and which commit each file came or went with.

    A commit that takes what another of them brought may hold that one's rows in its own files: then neither tells when a row came or went.
    """

    added: dict[str, DataFile] = field(default_factory=dict)
    removed: dict[str, DataFile] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    doubtful: set[int] = field(default_factory=set)

    def changes(self) -> FileChanges:
        files = self.added.keys() | self.removed.keys()
        told = {path: version for path, version in self.versions.items() if path in files and version not in self.doubtful}
        return FileChanges(tuple(self.added.values()), tuple(self.removed.values()), told)


def _apply(version: int, actions: list[_Action], snapshot: Snapshot, net: _Net) -> None:
    """Take one commit into the net effect: a file that comes and goes, or goes and comes back, changed nothing."""
    for action in actions:
        for kind, here, there in (("remove", net.removed, net.added), ("add", net.added, net.removed)):
            change = action.get(kind)
            if not change or not change.get("dataChange", True):
                continue
            path = change["path"]
            if there.pop(path, None) is None:
                here[path] = _data_file(snapshot.location, change, snapshot.columns)
            else:
                net.doubtful.update((version, net.versions[path]))
            net.versions[path] = version


def _data_file(location: str, action: _Action, columns: tuple[Field, ...]) -> DataFile:
    rows, minimums, maximums, null_counts = parsed_statistics(action.get("stats"), columns)
    path = action["path"]
    # An empty text is null, whatever the column's type.
    values = {name: value or None for name, value in (action.get("partitionValues") or {}).items()}
    return DataFile(path, uri_of(location, path), values, action.get("size") or 0, rows, minimums, maximums, null_counts)


def _refuse_other_columns(before: Snapshot, after: Snapshot) -> None:
    """Rows before and after can be compared only where they have the same columns."""
    old, new = ({(field.name, field.type) for field in snapshot.columns} for snapshot in (before, after))
    if old != new:
        raise HistoryGone(f"{after.location} got other columns after version {before.version}")


def _difference(before: Snapshot, after: Snapshot) -> FileChanges:
    _refuse_other_columns(before, after)
    old, new = ({file.path: file for file in snapshot.files} for snapshot in (before, after))
    added = tuple(file for path, file in new.items() if path not in old)
    return _readable(FileChanges(added, tuple(file for path, file in old.items() if path not in new)), after)


def _readable(changes: FileChanges, snapshot: Snapshot) -> FileChanges:
    """The changes, if a reader can still open all of their files: those that left the table may have been vacuumed."""
    present = {file.path for file in snapshot.files}
    left = [file for file in (*changes.added, *changes.removed) if file.path not in present]
    there = storage.sizes(snapshot.location, [file.uri for file in left])
    for file in left:
        if file.uri not in there:
            raise HistoryGone(f"{snapshot.location}: {file.path} left the table and has been vacuumed")
    return changes


def _snapshot(location: str, version: int) -> Snapshot:
    try:
        snapshot = open_snapshot(location, version)
    except VersionGone as error:
        raise HistoryGone(str(error)) from error
    if snapshot is None:
        raise HistoryGone(f"{location} is no table")
    return snapshot


def _commit_paths(location: str) -> dict[int, str]:
    log = joined(location, "_delta_log")
    return {int(match[1]): joined(log, file.path) for file in storage.listed(log) if (match := _COMMIT_NAME.fullmatch(file.path))}


def _actions(path: str) -> list[_Action]:
    content = storage.read(path)
    if content is None:
        raise HistoryGone(f"{path} is gone: the log was cleaned up while it was read")
    return parsed_commit(path, content)


def _commit(version: int, actions: list[_Action]) -> Commit:
    info: _Action = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    changes = (action.get("add") or action.get("remove") for action in actions)
    return Commit(
        version=version,
        timestamp_ms=info.get("timestamp", 0),
        operation=info.get("operation", "UNKNOWN"),
        metadata={name: value for name, value in info.items() if name not in _WRITERS_OWN},
        has_data_change=any(change.get("dataChange", True) for change in changes if change),
    )

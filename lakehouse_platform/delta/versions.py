"""Which versions of a table there are: when each was committed, what people call it, whether it can be read still. Not here: what changed in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from lakehouse_platform.delta.active_files import uri_of
from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.delta.log import HistoryGone, actions_of, commits
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.delta.tags import find_tag, tags_of
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined

_LOG_FILE = re.compile(r"(\d{20})\.(json|checkpoint\..*parquet)")
# So many files are asked for one by one; for more, a list of the whole folder is quicker.
_ASKED_ONE_BY_ONE = 20


def ordered_times(said: Iterable[tuple[int, int]]) -> dict[int, int]:
    """When each version was committed, in ms, from what the commits, oldest first, say of it themselves.

    Delta's rule: a commit that is not later than the one before (two in one ms, a clock that was put back) counts as a ms after it.
    So a later instant never shows an earlier version, and every version can be asked for by its time.
    """
    times: dict[int, int] = {}
    last: int | None = None
    for version, milliseconds in said:
        last = milliseconds if last is None else max(milliseconds, last + 1)
        times[version] = last
    return times


def version_at(location: str, instant: datetime, *, name: str) -> int:
    """The version that stood at an instant (without a zone: UTC). Raises VersionGone where none did, or the log does not go back so far."""
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    times = ordered_times((entry.version, entry.timestamp_ms) for entry in commits(location))
    if not times:
        raise VersionGone(f"{name}: its log names no commit any more, so what stood at {_spelt(instant)} cannot be told")
    oldest, newest = min(times), max(times)
    # Not through seconds as a float: 2.002 of them are 2001.9999999999998 milliseconds.
    milliseconds = (instant - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
    if milliseconds > times[newest] and instant > datetime.now(UTC):
        raise VersionGone(f"{name}: {_spelt(instant)} is still to come; its newest version {newest} is of {_of(times[newest])}")
    standing = [version for version, committed in times.items() if committed <= milliseconds]
    if standing:
        return max(standing)
    if oldest == 0:
        raise VersionGone(f"{name} did not exist at {_spelt(instant)}: its first version is of {_of(times[0])}")
    raise VersionGone(f"{name}: its log goes back to {_of(times[oldest])} (version {oldest}), not to {_spelt(instant)}")


def version_called(location: str, text: str, *, name: str) -> int:
    """The version that a person means by a number, a tag or a timestamp. Raises VersionGone, naming the tags that there are, for another text."""
    if text.isdecimal():
        return int(text)
    if (tag := find_tag(location, text)) is not None:
        return tag.version
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        known = ", ".join(each.name for each in tags_of(location))
        raise VersionGone(
            f"{name}: {text!r} is no version number, no timestamp such as 2026-01-31T12:00:00Z, and none of its tags"
            + (f", which are {known}" if known else ": it has none")
        ) from None
    return version_at(location, instant, name=name)


def snapshot_as_of(now: Snapshot, version: int, *, name: str, opened: Callable[[str, int], Snapshot | None] = open_snapshot) -> Snapshot:
    """The table `now` as of a version, with all of its files. Raises VersionGone, with the versions that there are, where it is gone or never was.

    `opened` opens it: open_foreign for who can read what files alone do not show.
    """
    if version == now.version:
        return now
    if not 0 <= version < now.version:
        raise VersionGone(f"{name} has no version {version}: its versions go from 0 to {now.version}")
    try:
        found = opened(now.location, version)
    except VersionGone as error:
        raise VersionGone(f"{name}: version {version} was cleaned out of its log; {_still_there(now)}") from error
    assert found is not None
    missing = absent(now, found.files)
    if missing:
        raise VersionGone(
            f"{name}: version {version} cannot be read any more: {len(missing)} of its {len(found.files)} files were vacuumed, such as "
            f"{missing[0].path}; {_still_there(now)}"
        )
    return found


def absent(now: Snapshot, files: Iterable[DataFile]) -> list[DataFile]:
    """Those of the files that are not in storage any more; what the table `now` holds is taken to be there."""
    location, held = now.location, {file.path for file in now.files}
    asked = [file for file in files if file.path not in held]
    if len(asked) <= _ASKED_ONE_BY_ONE:
        return [file for file in asked if not storage.exists(file.uri)]
    there = _stored(location)
    return [file for file in asked if not _is_there(location, file.uri, there)]


def openable_versions(location: str) -> list[int]:
    """The versions that the log still tells the files of: those that a checkpoint, or the first commit, leads to without a gap."""
    found = [(int(match[1]), match[2]) for file in storage.listed(joined(location, "_delta_log")) if (match := _LOG_FILE.fullmatch(file.path))]
    logged, checkpoints = ({version for version, kind in found if (kind == "json") is is_commit} for is_commit in (True, False))
    openable: list[int] = []
    for version in sorted(logged | checkpoints):
        follows = version == 0 or (bool(openable) and openable[-1] == version - 1)
        if version in checkpoints or (version in logged and follows):
            openable.append(version)
    return openable


def readable_versions(now: Snapshot) -> list[int]:
    """Every version, up to that of the snapshot, that a reader can still open with all of its files. Costs a list of the folder, and the log once."""
    location, there = now.location, _stored(now.location)
    openable = set(openable_versions(location))
    missing: set[str] = set()
    readable = [now.version]
    # Backwards: what a commit added was not there before it, what it removed was.
    for version in range(now.version, 0, -1):
        try:
            actions = actions_of(location, version)
        except HistoryGone:
            break
        missing.difference_update(action["add"]["path"] for action in actions if "add" in action)
        removed = [action["remove"]["path"] for action in actions if "remove" in action]
        missing.update(path for path in removed if not _is_there(location, uri_of(location, path), there))
        if not missing and version - 1 in openable:
            readable.append(version - 1)
    return sorted(readable)


def spelled_versions(versions: Sequence[int]) -> str:
    """Versions for a sentence: `0, 3 to 7 and 9`."""
    runs: list[list[int]] = []
    for version in versions:
        if runs and version == runs[-1][1] + 1:
            runs[-1][1] = version
        else:
            runs.append([version, version])
    parts = [str(first) if first == last else f"{first} to {last}" for first, last in runs]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else "none"


def _still_there(now: Snapshot) -> str:
    versions = readable_versions(now)
    word = "version" if len(versions) == 1 else "versions"
    tags = ", ".join(f"{tag.name} = {tag.version}" for tag in tags_of(now.location) if tag.version in versions)
    return f"still there: {word} {spelled_versions(versions)}" + (f" (tags: {tags})" if tags else "")


def _stored(location: str) -> set[str]:
    return {f"{location}/{file.path}" for file in storage.walk(location)}


def _is_there(location: str, uri: str, stored: Collection[str]) -> bool:
    """Whether a file is among those of the table's folder; one of another place, as a shallow clone has, is asked for."""
    return uri in stored if uri.startswith(f"{location}/") else storage.exists(uri)


def _of(milliseconds: int) -> str:
    return _spelt(datetime.fromtimestamp(milliseconds / 1000, UTC))


def _spelt(instant: datetime) -> str:
    return instant.isoformat()

"""Opens a version of a table through delta-rs, round a checkpoint that is damaged, and puts it right. Not here: what a snapshot is (snapshot.py)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

from lakehouse_platform.delta.ambiguous import commit_path
from lakehouse_platform.delta.damage import DamagedLog, log_files, missing_commit, parsed_commit, pointed_checkpoint, pointer_path
from lakehouse_platform.delta.handle import open_handle
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import is_remote, joined

logger = logging.getLogger(__name__)

_DETOUR = "_lakehouse_detour"
# What delta-rs says of a table that is whole and that it does not know how to read.
_NO_DAMAGE = ("Unsupported", "not supported", "catalog")


@dataclass(frozen=True)
class _Detour:
    """How a table was read round what is damaged: from a copy of its log, which lives as long as the handle that holds this.

    `checkpoints` are the damaged ones, the names of their files by version.
    """

    copy: TemporaryDirectory[str]
    checkpoints: Mapping[int, tuple[str, ...]]
    is_pointer_damaged: bool


def open_table(location: str, version: int | None = None) -> DeltaTable:
    """delta-rs's table at a location as of a version (None: the newest). What it cannot read of a checkpoint is named in the log and read round.

    Raises DamagedLog where a commit that is needed is damaged or missing, and otherwise what delta-rs raises.
    """
    try:
        handle = open_handle(location, version)
    except (TableNotFoundError, DeltaProtocolError):
        raise
    except DeltaError as error:
        return _read_round(location, version, error)
    if version is None:
        _look_at_newest(location, handle.version())
    return handle


def damaged_parts(location: str, handle: DeltaTable) -> list[str]:
    """The files of the log that the handle was read round."""
    detour: _Detour | None = vars(handle).get(_DETOUR)
    if detour is None:
        return []
    checkpoints = [joined(location, f"_delta_log/{name}") for names in detour.checkpoints.values() for name in names]
    return [*checkpoints, *([pointer_path(location)] if detour.is_pointer_damaged else [])]


def committable(location: str, handle: DeltaTable) -> DeltaTable:
    """A handle that commits to the table: where it was read round damage, that is put right first, out of the commits."""
    detour: _Detour | None = vars(handle).get(_DETOUR)
    if detour is None:
        return handle
    for version, names in detour.checkpoints.items():
        DeltaTable(detour.copy.name, version=version).create_checkpoint()
        anew = f"_delta_log/{version:020d}.checkpoint.parquet"
        storage.put(joined(location, anew), Path(detour.copy.name, anew).read_bytes())
        storage.delete(path for name in names if (path := joined(location, f"_delta_log/{name}")) != joined(location, anew))
    # Without it, readers list the log; the next checkpoint writes it anew.
    storage.delete([pointer_path(location)])
    logger.warning("%s: damaged, and made anew out of the commits", ", ".join(damaged_parts(location, handle)))
    return open_handle(location, handle.version())


def _look_at_newest(location: str, version: int) -> None:
    """What delta-rs passes over in silence: a pointer that is no pointer, a commit that is empty."""
    pointer = storage.read(pointer_path(location))
    if pointer is not None and pointed_checkpoint(pointer) is None:
        logger.warning("%s is damaged, and is read round; the next checkpoint writes it anew", pointer_path(location))
    # A machine that lost its power leaves such files; an object store keeps a file whole or not at all.
    if not is_remote(location) and storage.size_bytes(commit_path(location, version)) == 0:
        parsed_commit(commit_path(location, version), b"")


def _read_round(location: str, version: int | None, error: DeltaError) -> DeltaTable:
    """The table from a copy of its log that lacks the newest checkpoints, one by one until it can be opened."""
    commits, checkpoints = log_files(location)
    target = max(commits | checkpoints.keys(), default=-1) if version is None else version
    bases = sorted((base for base in checkpoints if base <= target), reverse=True)
    if any(word in str(error) for word in _NO_DAMAGE) or not _is_of_this_log(version, commits, checkpoints):
        raise error
    damaged: dict[int, tuple[str, ...]] = {}
    for base in [*bases, -1]:
        try:
            copy = _copied(location, checkpoints.get(base, ()), range(base + 1, target + 1))
        except DamagedLog as damage:
            if log_files(location) != (commits, checkpoints):
                # Another cleaned the log up, or wrote to it: this look was at no one version of it.
                return open_handle(location, version)
            if damaged:
                raise DamagedLog(f"checkpoint {', '.join(map(str, damaged))} of {location} cannot be read ({error}), and {damage}") from error
            raise
        try:
            handle = DeltaTable(copy.name, version=target)
        except DeltaError:
            damaged[base] = checkpoints.get(base, ())
            continue
        return _by_detour(location, version, handle, _Detour(copy, damaged, _is_pointer_damaged(location, damaged)), error)
    raise error


def _by_detour(location: str, version: int | None, handle: DeltaTable, detour: _Detour, error: DeltaError) -> DeltaTable:
    if not detour.checkpoints and not detour.is_pointer_damaged:
        # All is well: another cleaned the log up while it was read, or storage did not answer.
        return open_handle(location, version)
    vars(handle)[_DETOUR] = detour
    parts = ", ".join(damaged_parts(location, handle))
    logger.warning("%s: damaged, and read round; the next commit makes it anew (%s)", parts, str(error).partition("\n")[0])
    return handle


def _is_of_this_log(version: int | None, commits: Collection[int], checkpoints: Collection[int]) -> bool:
    """Whether the log should tell of a version: one that is still to come, or was cleaned up with all that led to it, is no damage."""
    if version is None:
        return True
    return version <= max((*commits, *checkpoints), default=-1) and (0 in commits or any(base <= version for base in checkpoints))


def _is_pointer_damaged(location: str, damaged: Collection[int]) -> bool:
    """Whether the pointer names no checkpoint, or one of the damaged."""
    pointer = storage.read(pointer_path(location))
    if pointer is None:
        return False
    version = pointed_checkpoint(pointer)
    # Listed after the pointer was read: another may have made a checkpoint, and then the pointer to it, in the meantime.
    return version in damaged or version not in log_files(location)[1]


def _copied(location: str, checkpoint: Iterable[str], versions: range) -> TemporaryDirectory[str]:
    """A folder with a log of these files alone. Raises DamagedLog at the first commit that is missing or cannot be read."""
    copy = TemporaryDirectory(prefix="lakehouse-log-")
    Path(copy.name, "_delta_log").mkdir()
    for name in checkpoint:
        Path(copy.name, "_delta_log", name).write_bytes(storage.read(joined(location, f"_delta_log/{name}")) or b"")
    for version in versions:
        path = commit_path(location, version)
        content = storage.read(path)
        if content is None:
            raise missing_commit(path)
        parsed_commit(path, content)
        Path(commit_path(copy.name, version)).write_bytes(content)
    return copy

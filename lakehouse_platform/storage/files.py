"""Files by location, wherever they lie: every function takes a local path or the URL of an object store. Not here: how either is done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from types import ModuleType

from lakehouse_platform.storage import local
from lakehouse_platform.storage.stored import StoredFile, is_remote, joined

_ASKED_ONE_BY_ONE = 10


def walk(folder: str) -> Iterator[StoredFile]:
    """Every file below a folder, in no order; none where there is no such folder. Raises TransientFault where an object store fails."""
    yield from _room(folder).walk(folder)


def listed(folder: str) -> list[StoredFile]:
    """The files that lie directly in a folder, in no order."""
    found: list[StoredFile] = _room(folder).listed(folder)
    return found


def folders(folder: str) -> list[str]:
    """The names of the folders that lie directly in a folder, in order."""
    found: list[str] = _room(folder).folders(folder)
    return found


def sizes(folder: str, locations: Collection[str]) -> dict[str, int]:
    """The sizes of those of these files that are there, by location; most of them are below the folder.

    Many files of an object store are looked up in one list of the folder: to ask for each takes a request for each.
    """
    is_listed, within = is_remote(folder) and len(locations) > _ASKED_ONE_BY_ONE, f"{folder}/"
    listed_sizes = {joined(folder, file.path): file.size_bytes for file in walk(folder)} if is_listed else {}
    found = {location: listed_sizes.get(location) if is_listed and location.startswith(within) else size_bytes(location) for location in locations}
    return {location: size for location, size in found.items() if size is not None}


def size_bytes(location: str) -> int | None:
    """A file's size; None where there is none."""
    found: StoredFile | None = _room(location).stat(location)
    return None if found is None else found.size_bytes


def exists(location: str) -> bool:
    """Whether there is a file of that name."""
    return size_bytes(location) is not None


def read(location: str) -> bytes | None:
    """A file's bytes; None where there is none."""
    content: bytes | None = _room(location).read(location)
    return content


def put(location: str, content: bytes, *, if_absent: bool = False) -> bool:
    """Write a file, whole or not at all; with `if_absent` False, and nothing written, where there is one already."""
    is_written: bool = _room(location).put(location, content, if_absent=if_absent)
    return is_written


def delete(locations: Iterable[str]) -> None:
    """Remove files; those that are gone already are no error."""
    by_room: dict[ModuleType, list[str]] = {}
    for location in locations:
        by_room.setdefault(_room(location), []).append(location)
    for room, those in by_room.items():
        room.delete(those)


def _room(location: str) -> ModuleType:
    if not is_remote(location):
        return local
    # Imported by whoever has remote tables only.
    from lakehouse_platform.storage import objects  # noqa: PLC0415

    return objects

"""Files on this machine's disk. Not here: choosing between disk and object store (files.py)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from lakehouse_platform.storage.stored import StoredFile


def walk(folder: str) -> Iterator[StoredFile]:
    """Every file below a folder; none where there is no such folder. A file that goes meanwhile is left out."""
    root = Path(folder)
    for place, _, names in os.walk(root):
        for name in names:
            path = Path(place, name)
            if (found := stat(str(path))) is not None:
                yield StoredFile(path.relative_to(root).as_posix(), found.size_bytes, found.modified)


def listed(folder: str) -> list[StoredFile]:
    """The files that lie directly in a folder."""
    try:
        entries = [entry for entry in os.scandir(folder) if entry.is_file()]
    except FileNotFoundError:
        return []
    found = ((entry.name, stat(entry.path)) for entry in entries)
    return [StoredFile(name, file.size_bytes, file.modified) for name, file in found if file is not None]


def folders(folder: str) -> list[str]:
    """The names of the folders that lie directly in a folder, in order."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def stat(path: str) -> StoredFile | None:
    """A file's size and age; None where there is none."""
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return StoredFile(path, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def read(path: str) -> bytes | None:
    """A file's bytes; None where there is none."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None


def put(path: str, content: bytes, *, if_absent: bool) -> bool:
    """Write a file whole or not at all; with `if_absent` False where there is one already."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{uuid4().hex}")
    draft.write_bytes(content)
    try:
        if not if_absent:
            draft.replace(target)
            return True
        # A hard link fails where the name is taken: the one way to create a whole file only if there is none.
        target.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def delete(paths: Iterable[str]) -> None:
    """Remove files; those that are gone already are no error."""
    for path in paths:
        Path(path).unlink(missing_ok=True)

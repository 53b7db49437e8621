"""An object store as the file system that DuckDB reads and writes parquet files through. Not here: our own calls (objects.py)."""

from __future__ import annotations

import os
from datetime import datetime
from threading import get_ident
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.fsspec import FsspecStore
from obstore.store import ObjectStore

from lakehouse_platform.storage.objects import store_arguments

_DATA = ".parquet"
# The smallest part that stores take: a step may have a hundred files open at once, each with such a buffer beside DuckDB's own memory.
_WRITTEN_AT_ONCE_BYTES = 5 * 1024 * 1024
# A request takes longer than this many bytes do.
_READ_AT_LEAST_BYTES = 1024 * 1024


class DataFiles(FsspecStore):
    """obstore's file system, for data files of one name for ever: what is known of one is not asked again.

    DuckDB asks seven times for the size of a file that it reads, and four times for each folder that it writes to; a store has no folders.
    """

    cachable = False

    def __init__(self, url: str) -> None:
        scheme: Any = urlsplit(url).scheme
        super().__init__(scheme, **store_arguments(url))
        # None: there is no such file.
        self._known: dict[str, dict[str, Any] | None] = {}

    def _split_path(self, path: str) -> tuple[str, str]:
        # Not as a URL: a name may hold # and ?.
        bucket, _, key = path.removeprefix(f"{self.protocol}://").partition("/")
        return bucket, key

    async def _info(self, path: str, **options: Any) -> dict[str, Any]:
        if not path.endswith(_DATA):
            return {"name": path, "size": 0, "type": "directory"}
        if path not in self._known:
            try:
                self._known[path] = await super()._info(path, **options)
            except FileNotFoundError:
                self._known[path] = None
        if (found := self._known[path]) is None:
            raise FileNotFoundError(path)
        return found

    async def _ls(self, path: str, detail: bool = False, **options: Any) -> list[Any]:  # noqa: ARG002, FBT001, FBT002 -- the base class's form
        """Nothing: which files a table has says its log."""
        return []

    def modified(self, path: str) -> datetime:
        """When a file was written, in UTC."""
        modified: datetime = self.info(path)["last_modified"]
        return modified

    def _open(self, path: str, mode: str = "rb", *arguments: Any, **options: Any) -> Any:
        bucket, key = self._split_path(path)
        if mode == "rb":
            return DataFile(self._construct_store(bucket), key, self.info(path)["size"])
        self._known.pop(path, None)
        return super()._open(path, mode, *arguments, **options, buffer_size=_WRITTEN_AT_ONCE_BYTES)


class DataFile:
    """A file that several threads read at once, each from a position of its own.

    DuckDB's threads share an open file: each seeks and then reads. With one position for all they read each other's bytes, which decompression
    noticed in every second scan of a file of 10 MB, and which nothing would notice in plain values.
    """

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store, self._key, self.size = store, key, size
        # By thread: its position, and the bytes that it read last with the place where they begin.
        self._positions: dict[int, int] = {}
        self._read: dict[int, tuple[int, memoryview]] = {}
        self.closed = False

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move this thread's position, and give it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self.size}[whence]
        self._positions[get_ident()] = start + offset
        return start + offset

    def tell(self) -> int:
        """This thread's position."""
        return self._positions.get(get_ident(), 0)

    def read(self, length: int = -1) -> bytes:
        """The bytes from this thread's position on, fewer at the end of the file."""
        thread, start = get_ident(), self.tell()
        end = self.size if length < 0 else min(start + length, self.size)
        if end <= start:
            return b""
        begins, known = self._read.get(thread, (0, memoryview(b"")))
        if not begins <= start <= end <= begins + len(known):
            begins, known = start, self._fetched(start, end)
            self._read[thread] = begins, known
        self._positions[thread] = end
        return bytes(known[start - begins : end - begins])

    def close(self) -> None:
        """Let go of what was read."""
        self.closed = True
        self._read.clear()

    def _fetched(self, start: int, end: int) -> memoryview:
        until = min(max(end, start + _READ_AT_LEAST_BYTES), self.size)
        return memoryview(obstore.get_range(self._store, self._key, start=start, end=until))

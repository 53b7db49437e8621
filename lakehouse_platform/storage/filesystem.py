"""An object store as the file system that DuckDB reads and writes parquet files through. Not here: our own calls (objects.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from obstore.fsspec import BufferedFile, FsspecStore

from lakehouse_platform.storage.objects import store_arguments

_DATA = ".parquet"
# The smallest part that stores take: a step may have a hundred files open at once, each with such a buffer beside DuckDB's own memory.
_WRITTEN_AT_ONCE_BYTES = 5 * 1024 * 1024


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

    def _open(self, path: str, mode: str = "rb", *arguments: Any, **options: Any) -> BufferedFile:
        if mode == "wb":
            self._known.pop(path, None)
            options["buffer_size"] = _WRITTEN_AT_ONCE_BYTES
        return super()._open(path, mode, *arguments, **options)

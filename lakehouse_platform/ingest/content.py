"""What a landed file holds, as bytes: its digest, and where its records end.

Not here: what was taken before (ledger.py), and the records themselves (records.py).
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa

from lakehouse_platform.ingest.landed import LandedFile
from lakehouse_platform.problems import LakehouseError

CHUNK_BYTES = 1 << 20
# Names that end so are unpacked.
PACKED = (".gz", ".zst")
# What one record may hold: a quote that never closes must not take all memory.
LONGEST_RECORD_BYTES = 64 << 20


class FileRefused(LakehouseError):
    """A file that cannot be taken as it is; other files can."""


@dataclass(frozen=True)
class Prefix:
    """The first bytes of a file, up to where it was asked for (or its end, if that comes first). `open_quote`: they end inside a quoted field."""

    length: int = 0
    digest: str = ""
    last_byte: bytes = b""
    open_quote: bool = False


@dataclass(frozen=True)
class Content:
    """A whole file. `record_end` is where its last terminated record ends, `following` the two bytes after the prefix asked for.

    Of files without lines, `record_end` says nothing.
    """

    length: int
    digest: str
    record_end: int
    prefix: Prefix
    following: bytes


def examine(file: LandedFile, *, has_quotes: bool, has_lines: bool = True, prefix_length: int = 0) -> Content:
    """Read a file once. Raises FileRefused where it cannot be read, or where a line that ends a record is too far away."""
    measure = _Measure(file, has_quotes=has_quotes, has_lines=has_lines)
    with opened(file) as stream:
        for chunk in chunks(stream, prefix_length):
            measure.add(chunk)
        prefix = Prefix(measure.length, measure.digest, measure.last_byte, measure.open_quote)
        following = b""
        for chunk in chunks(stream):
            following = following if len(following) >= 2 else (following + chunk)[:2]
            measure.add(chunk)
    return Content(measure.length, measure.digest, measure.record_end, prefix, following)


@contextmanager
def opened(file: LandedFile, start: int = 0) -> Iterator[BinaryIO]:
    """A file's bytes from `start` on, unpacked. Raises FileRefused, naming the file and the mend, when it cannot be opened or read."""
    kind = {".gz": "gzip", ".zst": "zstd"}.get(file.path.suffix)
    try:
        with file.path.open("rb") as plain:
            stream = _unpacked(plain, kind)
            if kind == "zstd":
                _skip(stream, start)
            else:
                stream.seek(start)
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _broken(file, "gzip", error) from error
    except OSError as error:
        # What arrow says of a broken zstd frame is an error without a number of the operating system.
        if kind == "zstd" and error.errno is None:
            raise _broken(file, kind, error) from error
        raise FileRefused(f"{file.source_file}: cannot be read ({error.strerror or error}). Mend: let this user read it, or move it away") from error


def chunks(stream: BinaryIO, length: int | None = None) -> Iterator[bytes]:
    """The next `length` bytes, or all that is left, in pieces."""
    left = length
    while left is None or left > 0:
        chunk = stream.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
        if not chunk:
            return
        left = None if left is None else left - len(chunk)
        yield chunk


def last_record_end(chunk: bytes, *, has_quotes: bool, open_quote: bool) -> int:
    """Where the last record of a chunk ends, its line end included; 0 when none does. A line end inside quotes ends no record."""
    if not has_quotes:
        return chunk.rfind(b"\n") + 1
    is_open, end = open_quote ^ bool(chunk.count(b'"') & 1), len(chunk)
    while (line_end := chunk.rfind(b"\n", 0, end)) >= 0:
        is_open ^= bool(chunk.count(b'"', line_end, end) & 1)
        if not is_open:
            return line_end + 1
        end = line_end
    return 0


def _unpacked(plain: BinaryIO, kind: str | None) -> BinaryIO:
    match kind:
        case "gzip":
            return cast("BinaryIO", gzip.GzipFile(fileobj=plain))
        case "zstd":
            return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(plain, "r"), "zstd"))
        case _:
            return plain


def _skip(stream: BinaryIO, length: int) -> None:
    """Read past the next bytes: a stream of zstd frames has no places to go to."""
    for _ in chunks(stream, length):
        pass


def _broken(file: LandedFile, kind: str, error: Exception) -> FileRefused:
    return FileRefused(f"{file.source_file}: is no whole {kind} file ({error}). Mend: land it again, whole, or without {file.path.suffix}")


class _Measure:
    """Running digest, length, quote parity and last record end of the bytes added so far."""

    def __init__(self, file: LandedFile, *, has_quotes: bool, has_lines: bool) -> None:
        self._file, self._has_quotes, self._has_lines = file, has_quotes, has_lines
        self._hash = hashlib.sha256()
        for value in file.identity_values:
            # The length in front keeps ("a", "bc") apart from ("ab", "c"), and both apart from content.
            self._hash.update(f"{len(value.encode())}:{value}\0".encode())
        self.length = self.record_end = 0
        self.last_byte = b""
        self.open_quote = False

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def add(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        end = last_record_end(chunk, has_quotes=self._has_quotes, open_quote=self.open_quote)
        self.record_end = self.length + end if end else self.record_end
        if self._has_quotes:
            self.open_quote ^= bool(chunk.count(b'"') & 1)
        self.length += len(chunk)
        self.last_byte = chunk[-1:]
        if self._has_lines and self.length - self.record_end > LONGEST_RECORD_BYTES:
            raise FileRefused(
                f"{self._file.source_file}: the record that starts at byte {self.record_end} is longer than {LONGEST_RECORD_BYTES} bytes. "
                "Mend: end its line, or close the quote that was opened there"
            )

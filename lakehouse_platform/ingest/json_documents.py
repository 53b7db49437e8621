"""Cuts JSON documents into records: a file that is one object is one record, each element of one array is a record, its bytes as they stand.

Only brackets, commas and strings are looked at: whether a record is JSON is found when it is decoded (json_fields.py). Not here: bytes as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from lakehouse_platform.ingest import content
from lakehouse_platform.ingest.content import FileRefused, chunks
from lakehouse_platform.ingest.landed import LandedFile

UTF8_BOM = b"\xef\xbb\xbf"
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
# All up to the next bracket outside strings, so that a flat record is two steps, however many fields it has.
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|' + _STRING + rb")*+[{}\[\]]", re.DOTALL)
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_TOKEN = re.compile(rb"[{}\[\],]|" + _STRING + rb'|[^ \t\r\n,{}\[\]"]++', re.DOTALL)
_EXPECTED = {
    "document": "an object or an array of objects",
    "first": "a record, or the array's end",
    "record": "a record",
    "next": "a comma, or the array's end",
    "nothing": "nothing more",
}


def documents(file: LandedFile, stream: BinaryIO, length: int | None = None) -> Iterator[list[bytes]]:
    """The records in the next `length` bytes of a file, or in all of it, a chunk's at a time.

    Raises FileRefused where the file is no single object or array, or breaks off: what follows the break is no record of anything.
    """
    cutter = _Cutter(file)
    for chunk in chunks(stream, length):
        yield cutter.add(chunk)
    yield cutter.end()


class _Cutter:
    """Where in the file's structure the bytes added so far end. `_expected` is what may come outside records, by name."""

    def __init__(self, file: LandedFile) -> None:
        self._file = file
        self._rest = b""
        self._rest_at = self._found = 0
        # Within the rest: where looking goes on, and where a record began that is open at this depth of brackets.
        self._position = self._start = self._depth = 0
        self._expected = "document"
        self._is_array = False

    def add(self, chunk: bytes) -> list[bytes]:
        """The records that end in a chunk."""
        data, records = self._rest + chunk, []
        while True:
            record = self._inside(data) if self._depth else self._outside(data)
            if record is None:
                break
            if record:
                records.append(record)
                self._found += 1
        begin = self._start if self._depth else self._position
        if len(data) - begin > content.LONGEST_RECORD_BYTES:
            raise self._refused(begin, f"the record that starts there is longer than {content.LONGEST_RECORD_BYTES} bytes")
        self._rest, self._rest_at = data[begin:], self._rest_at + begin
        self._position, self._start = self._position - begin, 0
        return records

    def end(self) -> list[bytes]:
        """The records that end with the file."""
        records = self.add(b" ") if not self._depth else []
        if self._depth or self._rest.strip() or self._expected not in ("document", "nothing"):
            raise self._refused(0, "the file breaks off: a bracket or a quote is never closed")
        return records

    def _inside(self, data: bytes) -> bytes | None:
        """Go to the next bracket in a record: the record where that ends it, b"" where it goes on, None where the bracket has not come yet."""
        match = _TO_BRACKET.match(data, self._position)
        if match is None:
            return None
        self._position = match.end()
        self._depth += 1 if data[match.end() - 1] in b"{[" else -1
        return b"" if self._depth else data[self._start : self._position]

    def _outside(self, data: bytes) -> bytes | None:
        """Take the next token between records: an element without brackets as a record, b"" for any other, None where it has not come whole."""
        if self._expected == "document" and not self._rest_at and not self._position:
            if UTF8_BOM.startswith(data[:3]) and len(data) < len(UTF8_BOM):
                return None
            self._position = len(UTF8_BOM) if data.startswith(UTF8_BOM) else 0
        self._position = _BLANKS.match(data, self._position).end()  # type: ignore[union-attr] # it matches nothing too
        match = _TOKEN.match(data, self._position)
        # A number goes on until something else follows.
        if match is None or (match.end() == len(data) and match[0] not in (b"{", b"[", b"]", b",", b"}")):
            return None
        token, at = match[0], self._position
        self._position = match.end()
        return self._taken(token, at)

    def _taken(self, token: bytes, at: int) -> bytes:
        match self._expected, token:
            case "document", b"[":
                self._is_array, self._expected = True, "first"
            case ("document", b"{") | ("first" | "record", b"{" | b"["):
                self._start, self._depth, self._expected = at, 1, "next" if self._is_array else "nothing"
            case ("first" | "next", b"]"):
                self._expected = "nothing"
            case "next", b",":
                self._expected = "record"
            case ("first" | "record", _) if token not in (b"]", b"}", b","):
                self._expected = "next"
                return token
            case _:
                raise self._refused(at, f"{_EXPECTED[self._expected]} should stand there")
        return b""

    def _refused(self, at: int, what: str) -> FileRefused:
        place = f"byte {self._rest_at + at}, after record {self._found}" if self._found else f"byte {self._rest_at + at}"
        return FileRefused(
            f"{self._file.source_file}: is no JSON document of one object or one array (at {place}: {what}). Mend: land it again, whole; "
            "where each line is a record, say `format: json`"
        )

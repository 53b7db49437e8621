"""The records of files as a stream of Arrow batches, a whole chunk at a time: Python touches no record but those that are no text.

Belongs here: cutting bytes into records (PROTOCOLS 4.3). Does not belong here: which bytes to take (ledger.py), fields (decode.py).
"""

from __future__ import annotations

import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse_platform.ingest import parquet_rows
from lakehouse_platform.ingest.content import FileRefused, chunks, last_record_end, opened
from lakehouse_platform.ingest.json_documents import UTF8_BOM, documents
from lakehouse_platform.ingest.ledger import Take
from lakehouse_platform.ingest.source import Source

# Records as text, and as bytes where they are none: each is null where the other is not.
Texts = tuple[pa.Array, pa.Array]
_TEXT = pa.dictionary(pa.int32(), pa.string())
_ROWS_AT_ONCE = 1 << 16
# Not pa.array, which imports pandas, where there is one, to see whether it was given something of it.
_NUMBERS = pa.Array.from_buffers(pa.int64(), _ROWS_AT_ONCE, [None, pa.py_buffer(array.array("q", range(_ROWS_AT_ONCE)))])


class RecordStream:
    """The records of several takes, readable once. `last_rows` holds each take's last row once the stream has been read.

    Columns: `raw_data`, or `raw_bytes` for records with bytes outside the source's encoding, `source_row`, `source_header`, `source_file`,
    `content_hash`, and the source's path columns.
    """

    def __init__(self, source: Source, takes: Sequence[Take]) -> None:
        self._source, self._takes = source, takes
        self.last_rows: dict[Take, int] = {}
        constants = ("source_header", "source_file", "content_hash", *source.path_columns)
        self._schema = pa.schema(
            [("raw_data", pa.string()), ("raw_bytes", pa.binary()), ("source_row", pa.int64()), *((name, _TEXT) for name in constants)]
        )

    def reader(self) -> pa.RecordBatchReader:
        """The stream, for an engine to read."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for take in self._takes:
            yield from self._take_batches(take)

    def _take_batches(self, take: Take) -> Iterator[pa.RecordBatch]:
        header, parts = self._parts(take)
        row = take.rows_before
        constants = (header, take.file.source_file, take.identity, *take.file.path_values)
        for texts, others in parts:
            for first in range(0, len(texts), _ROWS_AT_ONCE):
                text = texts.slice(first, _ROWS_AT_ONCE)
                numbers = pc.add(_NUMBERS.slice(0, len(text)), row + 1)
                columns = [text, others.slice(first, _ROWS_AT_ONCE), numbers, *(_constant(value, len(text)) for value in constants)]
                row += len(text)
                yield pa.record_batch(columns, schema=self._schema)
        self.last_rows[take] = row

    def _parts(self, take: Take) -> tuple[str | None, Iterator[Texts]]:
        """A take's header record, where its format has one, and its records."""
        files = self._source.attributes.files
        if not take.end:
            return None, iter(())
        match files.format:
            case "parquet":
                return None, ((texts, pa.nulls(len(texts), pa.binary())) for texts in parquet_rows.row_texts(take.file))
            case "documents":
                return None, _document_texts(take, files.encoding)
            case "csv":
                with opened(take.file) as stream:
                    header, first_record = _header(stream, files.encoding)
                return header, _line_texts(take, files.encoding, first_record, has_quotes=True, keeps_blank="," not in header)
            case _:
                with opened(take.file) as stream:
                    first_record = _mark_length(stream, files.encoding)
                return None, _line_texts(take, files.encoding, first_record, has_quotes=False, keeps_blank=False)


def _line_texts(take: Take, encoding: str, first_record: int, *, has_quotes: bool, keeps_blank: bool) -> Iterator[Texts]:
    start = max(take.start, first_record)
    cut = partial(_records, has_quotes=has_quotes, keeps_blank=keeps_blank)
    with opened(take.file, start) as stream:
        for piece in _record_pieces(stream, take.end - start, has_quotes=has_quotes):
            yield _texts(piece, encoding, cut)


def _document_texts(take: Take, encoding: str) -> Iterator[Texts]:
    with opened(take.file) as stream:
        for records in documents(take.file, stream, take.end):
            try:
                texts = pa.array(records, pa.binary()).cast(pa.string()) if encoding == "utf-8" else None
            except pa.ArrowInvalid:
                texts = None
            yield _one_by_one(records, encoding) if texts is None else (texts, pa.nulls(len(texts), pa.binary()))


def _record_pieces(stream: BinaryIO, length: int, *, has_quotes: bool) -> Iterator[bytes]:
    """The next `length` bytes in pieces that end where records end; the last one ends where it ends."""
    rest: list[bytes] = []
    open_quote = False
    read = 0
    for chunk in chunks(stream, length):
        read += len(chunk)
        end = last_record_end(chunk, has_quotes=has_quotes, open_quote=open_quote)
        open_quote ^= has_quotes and bool(chunk.count(b'"') & 1)
        if end:
            yield b"".join([*rest, chunk[:end]])
            rest = []
        rest.append(chunk[end:])
    if read < length:
        raise FileRefused("a file became shorter while it was read. Mend: run again once nothing writes to it")
    if last := b"".join(rest):
        yield last


def _records(piece: bytes, *, has_quotes: bool, keeps_blank: bool) -> pa.Array:
    """The records of a piece without their line ends; lines inside quotes are joined again."""
    lines = pc.split_pattern(pa.array([piece.removesuffix(b"\n")], pa.binary()), b"\n").values
    if has_quotes and b'"' in piece:
        lines = _joined(lines)
    if b"\r" in piece:
        lines = pc.if_else(pc.ends_with(lines, b"\r"), pc.binary_slice(lines, 0, -1), lines)
    # A blank line holds no record, except where a record is a single field, which may be empty.
    return lines if keeps_blank else lines.filter(pc.greater(pc.binary_length(lines), 0))


def _joined(lines: pa.Array) -> pa.Array:
    """Lines joined to records: one that ends with a quote open goes on in the next."""
    open_after = pc.bit_wise_and(pc.cumulative_sum(pc.count_substring(lines, b'"')), 1)
    if pc.max(open_after).as_py() == 0:
        return lines
    goes_on = pa.concat_arrays([pa.array([0], open_after.type), open_after.slice(0, len(lines) - 1)])
    starts = pc.indices_nonzero(pc.equal(goes_on, 0)).cast(pa.int32())
    offsets = pa.concat_arrays([starts, pa.array([len(lines)], pa.int32())])
    return pc.binary_join(pa.ListArray.from_arrays(offsets, lines), b"\n")


def _header(stream: BinaryIO, encoding: str) -> tuple[str, int]:
    """A CSV file's header record, and where the records after it start. Bytes outside the encoding stand as U+FFFD."""
    length = 0
    head = b""
    for chunk in chunks(stream):
        head += chunk
        length = _first_record_end(head)
        if length:
            break
    length = length or len(head)
    bom = UTF8_BOM if encoding == "utf-8" else b""
    return head[:length].removeprefix(bom).removesuffix(b"\n").removesuffix(b"\r").decode(encoding, "replace"), length


def _mark_length(stream: BinaryIO, encoding: str) -> int:
    """Length of the byte order mark that a file may start with; it belongs to no record."""
    return len(UTF8_BOM) if encoding == "utf-8" and stream.read(len(UTF8_BOM)) == UTF8_BOM else 0


def _first_record_end(head: bytes) -> int:
    """Where the first CSV record ends, its line end included; 0 where it does not."""
    end = head.find(b"\n")
    while end >= 0 and head.count(b'"', 0, end) & 1:
        end = head.find(b"\n", end + 1)
    return end + 1


def _texts(piece: bytes, encoding: str, records: Callable[[bytes], pa.Array]) -> Texts:
    try:
        # Quotes and line ends are the same bytes in all encodings, so that a piece can be turned to UTF-8 as a whole.
        texts = records(piece if encoding == "utf-8" else piece.decode(encoding).encode()).cast(pa.string())
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return _one_by_one(records(piece).to_pylist(), encoding)
    return texts, pa.nulls(len(texts), pa.binary())


def _one_by_one(records: Sequence[bytes], encoding: str) -> Texts:
    decoded = [_text(record, encoding) for record in records]
    others = [record if text is None else None for text, record in zip(decoded, records, strict=True)]
    return pa.array(decoded, pa.string()), pa.array(others, pa.binary())


def _text(record: bytes, encoding: str) -> str | None:
    try:
        return record.decode(encoding)
    except UnicodeDecodeError:
        return None


def _constant(value: str | None, length: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), length), pa.array([value], pa.string()))

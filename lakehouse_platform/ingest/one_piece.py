"""Whether a file that is one piece (a JSON document, parquet) is whole, and one of CSV lines has lines. It is asked before anything is taken of it.

Not here: what its records hold.
"""

from __future__ import annotations

from lakehouse_platform.ingest import parquet_rows
from lakehouse_platform.ingest.content import FileRefused, chunks, opened
from lakehouse_platform.ingest.json_documents import documents
from lakehouse_platform.ingest.landed import LandedFile
from lakehouse_platform.ingest.source import Source


def refuse_broken(file: LandedFile, source: Source) -> None:
    """Read a file of one piece through, and the start of a CSV file. Raises FileRefused where it is broken."""
    match source.attributes.files.format:
        case "parquet":
            parquet_rows.check(file)
        case "documents":
            with opened(file) as stream:
                for _ in documents(file, stream):
                    pass
        case "csv":
            _refuse_one_line(file)
        case _:
            pass


def _refuse_one_line(file: LandedFile) -> None:
    """Refuse a CSV file that is a single line with CRs inside: all of it would be header, and its records would be gone without a word."""
    has_ended = has_cr = False
    last = b""
    with opened(file) as stream:
        for chunk in chunks(stream):
            if has_ended or 0 <= chunk.find(b"\n") < len(chunk) - 1:
                return
            has_ended = chunk.endswith(b"\n")
            # A CR at the end may be half of a line end.
            has_cr |= b"\r" in (last + chunk).rstrip(b"\r\n")
            last = chunk[-1:]
    if has_cr:
        what = "holds no record after its header, since its lines end in CR alone"
        raise FileRefused(f"{file.source_file}: {what}. Mend: save it with lines that end in LF or CRLF, and land that")

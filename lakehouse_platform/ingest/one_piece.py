"""Whether a file that is one piece (a JSON document, parquet) is whole. It is asked before anything is taken of it. Not here: files of lines."""

from __future__ import annotations

from lakehouse_platform.ingest import parquet_rows
from lakehouse_platform.ingest.content import opened
from lakehouse_platform.ingest.json_documents import documents
from lakehouse_platform.ingest.landed import LandedFile
from lakehouse_platform.ingest.source import Source


def refuse_broken(file: LandedFile, source: Source) -> None:
    """Read a file of one piece through. Raises FileRefused where it is broken; files of lines are never broken as a whole."""
    match source.attributes.files.format:
        case "parquet":
            parquet_rows.check(file)
        case "documents":
            with opened(file) as stream:
                for _ in documents(file, stream):
                    pass
        case _:
            pass

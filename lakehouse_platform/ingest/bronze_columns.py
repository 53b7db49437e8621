"""The columns of a bronze table: the raw record and its metadata. Not here: the fields inside a record (decode.py)."""

from __future__ import annotations

from lakehouse_platform.contracts.types import BIGINT, BINARY, DATE, STRING, TIMESTAMP
from lakehouse_platform.delta.files import Field
from lakehouse_platform.ingest.source import Source

PARTITION_COLUMN = "ingestion_date"

FILE_COLUMNS: tuple[Field, ...] = (
    Field("raw_data", STRING),
    Field("raw_bytes", BINARY),
    Field("source_header", STRING),
    Field("source_file", STRING, nullable=False),
    Field("source_row", BIGINT, nullable=False),
    Field("content_hash", STRING, nullable=False),
    Field("batch_id", STRING, nullable=False),
    Field("ingestion_timestamp", TIMESTAMP, nullable=False),
    Field(PARTITION_COLUMN, DATE, nullable=False),
)

# Records and headers are text that nobody prunes by; their bounds would only make the log long.
UNBOUNDED_COLUMNS = ("raw_data", "raw_bytes", "source_header")


def bronze_columns(source: Source) -> tuple[Field, ...]:
    """The bronze columns of a source: those of every file, and one for each `{name}` in its path."""
    return (*FILE_COLUMNS, *(Field(name, STRING, nullable=False) for name in source.path_columns))

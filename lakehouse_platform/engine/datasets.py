"""A snapshot's files as a pyarrow dataset, which reads only what it is asked for. Not here: frames of a query's rows (frames.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from lakehouse_platform.delta.files import DataFile, Field
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import duckdb_type, quote
from lakehouse_platform.storage.stored import is_remote


def dataset(session: Session, columns: Sequence[Field], files: Sequence[DataFile], location: str) -> Any:
    """The files as one dataset with exactly these columns; partition values come from the log."""
    # It loads the readers of all formats and clouds, and is for who asks for a dataset.
    import pyarrow.dataset as ds  # noqa: PLC0415
    from pyarrow import fs  # noqa: PLC0415

    schema = _schema(session, columns)
    if is_remote(location):
        from lakehouse_platform.storage.filesystem import DataFiles  # noqa: PLC0415

        system = fs.PyFileSystem(fs.FSSpecHandler(DataFiles(location)))
    else:
        system = fs.LocalFileSystem()
    parquet = ds.ParquetFileFormat()
    fragments = [
        parquet.make_fragment(_path(file.uri), filesystem=system, partition_expression=_values(ds, schema, file.partition_values)) for file in files
    ]
    return ds.FileSystemDataset(fragments, schema, parquet, system)


def held_dataset(table: pa.Table) -> Any:
    """Rows in memory as a dataset."""
    import pyarrow.dataset as ds  # noqa: PLC0415 -- as above

    return ds.dataset(table)


def _schema(session: Session, columns: Sequence[Field]) -> pa.Schema:
    nothing = ", ".join(f"CAST(NULL AS {duckdb_type(field.type)}) AS {quote(field.name)}" for field in columns)
    return session.arrow_reader(f"SELECT {nothing} WHERE false", 1).schema


def _values(ds: Any, schema: pa.Schema, values: Mapping[str, str | None]) -> Any:
    expression = ds.scalar(True)
    for name, text in values.items():
        kind = schema.field(name).type
        expression &= ds.field(name).is_null() if text is None else ds.field(name) == pa.scalar(text).cast(kind)
    return expression


def _path(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.netloc}{parts.path}" if is_remote(uri) else uri

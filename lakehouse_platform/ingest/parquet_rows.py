"""Rows of parquet files as JSON records, which are decoded like any other. Not here: how a value is spelt (engine/json_text.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from lakehouse_platform.engine.duckdb import QueryError, Session, memory_session
from lakehouse_platform.engine.json_text import row_text
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.ingest import content
from lakehouse_platform.ingest.content import PACKED, FileRefused
from lakehouse_platform.ingest.landed import LandedFile

_ROWS_AT_ONCE = 2048
# A DECIMAL of more digits is read as a double.
_MAX_PRECISION = 38


def row_texts(file: LandedFile) -> Iterator[pa.Array]:
    """Each row's text, in the file's order. Raises FileRefused where the file cannot be read."""
    try:
        with memory_session() as session:
            for batch in session.arrow_reader(_rows(session, file), _ROWS_AT_ONCE):
                yield batch.column(0)
    except QueryError as error:
        raise _refused(file, error) from error


def check(file: LandedFile) -> None:
    """Read a whole file once, so that what is broken in it shows before anything is taken. Raises FileRefused."""
    if file.path.suffix in PACKED:
        raise FileRefused(f"{file.source_file}: parquet is packed by itself. Mend: land it as it is, without {file.path.suffix}")
    try:
        with memory_session() as session:
            (longest,) = session.row(f"SELECT coalesce(max(strlen(raw_data)), 0) FROM ({_rows(session, file)})")
    except QueryError as error:
        raise _refused(file, error) from error
    if longest > content.LONGEST_RECORD_BYTES:
        raise FileRefused(
            f"{file.source_file}: a row is {longest} bytes of JSON, more than {content.LONGEST_RECORD_BYTES}. Mend: leave its largest column out"
        )


def _rows(session: Session, file: LandedFile) -> str:
    # What means many to DuckDB stands for itself inside brackets.
    path = literal(re.sub(r"[*?\[]", r"[\g<0>]", str(file.path)))
    rows = f"SELECT * FROM read_parquet({path}, hive_partitioning = false)"
    names = _top_names(file, session.rows(f"SELECT name, coalesce(num_children, 0), coalesce(precision, 0) FROM parquet_schema({path})"))
    try:
        return f"SELECT {row_text(session.kinds(rows), names)} AS raw_data FROM ({rows})"
    except ValueError as error:
        raise FileRefused(f"{file.source_file}: {error}. Mend: write that column as text") from error


def _top_names(file: LandedFile, schema: Sequence[tuple[Any, ...]]) -> list[str]:
    """The columns' names as the file has them: DuckDB gives another to one that differs from an earlier in case alone."""
    names: list[str] = []
    # The first entry is the file itself; each is followed by its children, and theirs.
    open_children: list[int] = []
    for name, children, precision in schema[1:]:
        if precision > _MAX_PRECISION:
            raise FileRefused(f"{file.source_file}: {name} is a decimal of {precision} digits, of {_MAX_PRECISION} at most. Mend: write it as text")
        if not open_children:
            names.append(name)
        else:
            open_children[-1] -= 1
        if children:
            open_children.append(children)
        while open_children and open_children[-1] == 0:
            open_children.pop()
    return names


def _refused(file: LandedFile, error: QueryError) -> FileRefused:
    return FileRefused(f"{file.source_file}: is no whole parquet file ({str(error).splitlines()[0]}). Mend: land it again, whole")

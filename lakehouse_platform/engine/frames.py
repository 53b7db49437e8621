"""Rows as users' Python code holds them (pandas, polars, pyarrow, DuckDB relations): read as a stream of Arrow batches, and made from a query.

No library of frames is imported before a frame of it is asked for. Not here: tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pyarrow as pa

from lakehouse_platform.engine.arrow_types import held, naive_columns
from lakehouse_platform.engine.duckdb import QueryError, Session
from lakehouse_platform.problems import LakehouseError

_BATCH_ROWS = 65_536
PANDAS, POLARS, LAZY = "pandas.DataFrame", "polars.DataFrame", "polars.LazyFrame"
TABLE, READER, DATASET, RELATION = "pyarrow.Table", "pyarrow.RecordBatchReader", "pyarrow.Dataset", "duckdb.DuckDBPyRelation"
KINDS = (PANDAS, POLARS, LAZY, TABLE, READER, DATASET, RELATION)


def kind_of(annotation: object) -> str | None:
    """Which kind of frame a type is, by its name: `pandas.DataFrame`, …; None where it is none that the platform knows."""
    for each in getattr(annotation, "__mro__", ()):
        name = f"{each.__module__.split('.')[0]}.{each.__name__}"
        if name in KINDS:
            return name
    return None


def stage(session: Session, name: str, frame: object) -> tuple[str, ...]:
    """Keep the rows of a frame in a session as a table that can be read any number of times, on disk beyond the session's memory.

    Gives the columns that hold timestamps without a zone, which are kept as UTC. Raises LakehouseError for what no table holds.
    """
    given = _batches(frame)
    naive = naive_columns(given.schema)
    if not given.schema.names:
        # A frame that never had a row often has no column either.
        session.table(name, "SELECT NULL AS nothing WHERE false")
        return ()
    stream = _Raised(held(given))
    session.feed(f"{name}_stream", stream.reader)
    try:
        session.table(name, f"SELECT * FROM {name}_stream")
    except QueryError as error:
        raise stream.error or error from error
    return naive


def frame(kind: str, session: Session, sql: str) -> Any:
    """The rows of a query as a frame of a kind (datasets are made from files, datasets.py). Readers and relations live as long as the session."""
    if kind == RELATION:
        return session.relation(sql)
    reader = session.arrow_reader(sql, _BATCH_ROWS)
    return _FROM_READER[kind](reader)


def lazy_frame(dataset: Any) -> Any:
    """A pyarrow dataset as a lazy polars frame."""
    import polars  # noqa: PLC0415 -- it takes a while, and is for who asks for it

    return polars.scan_pyarrow_dataset(dataset)


def _pandas(reader: pa.RecordBatchReader) -> Any:
    return reader.read_pandas()


def _polars(reader: pa.RecordBatchReader) -> Any:
    import polars  # noqa: PLC0415 -- it takes a while, and is for who asks for it

    return polars.from_arrow(reader.read_all())


_FROM_READER: dict[str, Callable[[pa.RecordBatchReader], Any]] = {
    PANDAS: _pandas,
    POLARS: _polars,
    TABLE: lambda reader: reader.read_all(),
    READER: lambda reader: reader,
}


def _batches(frame: Any) -> pa.RecordBatchReader:
    match kind_of(type(frame)):
        case "pandas.DataFrame":
            _refuse_other_names(frame)
            named = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
            return pa.Table.from_pandas(named, preserve_index=False).to_reader()
        case "polars.LazyFrame":
            return pa.RecordBatchReader.from_stream(frame.collect(engine="streaming"))
        case "pyarrow.Dataset":
            return frame.scanner().to_reader()
        case "pyarrow.RecordBatchReader":
            return frame
        case "duckdb.DuckDBPyRelation":
            assert isinstance(frame, duckdb.DuckDBPyRelation)
            return frame.to_arrow_reader(_BATCH_ROWS)
        case _ if hasattr(frame, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(frame)
    raise LakehouseError(f"a {type(frame).__module__}.{type(frame).__name__} holds no rows of a table; give one of {', '.join(KINDS)}")


def _refuse_other_names(frame: Any) -> None:
    other = [name for name in frame.columns if not isinstance(name, str)]
    if other:
        raise LakehouseError(f"column {other[0]!r} is not called by a text; name it with frame.rename(columns=…)")


class _Raised:
    """Batches that keep the error of their own making, which DuckDB would tell in its words only."""

    def __init__(self, batches: pa.RecordBatchReader) -> None:
        self.reader = pa.RecordBatchReader.from_batches(batches.schema, self._through(batches))
        self.error: BaseException | None = None

    def _through(self, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except BaseException as error:
            self.error = error
            raise

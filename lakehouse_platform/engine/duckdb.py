"""DuckDB sessions: how one is set up, how SQL runs in it, and how a query becomes parquet files. Not here: what SQL to run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.files import WrittenFile
from lakehouse_platform.engine.complaints import in_our_words
from lakehouse_platform.engine.marks import columns_mark
from lakehouse_platform.engine.spelling import literal, quote, type_of
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.complaints import is_of_client, told
from lakehouse_platform.storage.stored import is_remote

# ieee_floating_point_ops off makes x / 0 fail, as in Spark's ANSI mode; nothing may be fetched from the network. Two faults of DuckDB 2.0.0
# are kept out: it lifts an expression that occurs twice out of TRY, COALESCE and OR, where it then fails for rows that never reach it, and
# it can wait for ever when a query fails while a background thread writes its file (in the foreground, files are written as fast).
_MEANING = """
SET TimeZone = 'UTC';
SET ieee_floating_point_ops = false;
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET async_threads = 0;
"""
_DISABLED = "common_subexpressions"
# zstd at its first level writes as fast as snappy and about half the bytes. A part is cut at a size that a rewrite can bear.
_FILE_OPTIONS = "FORMAT parquet, RETURN_STATS, OVERWRITE_OR_IGNORE"
_COMPRESSION = "zstd"
_LEVELS = {"zstd": ", COMPRESSION_LEVEL 1"}
_PART_BYTES = 256_000_000


class QueryError(LakehouseError):
    """SQL that DuckDB refused or failed on, with DuckDB's message."""


class StorageError(QueryError, TransientFault):
    """A file or a place that DuckDB could not read or write, with DuckDB's message."""


class Session:
    """One DuckDB connection. Not shared between threads."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._kinds: dict[str, str] = {}
        self._reached: list[str] = []
        self._compressions: dict[str, str] = {}

    def execute(self, sql: str) -> None:
        """Run SQL for its effect."""
        self._run(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query, as Python values."""
        try:
            return self._run(sql).fetchall()
        except duckdb.Error as error:
            raise self._failure(error) from error

    def batches(self, sql: str, rows: int = 10_000) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, so many at a time; nothing else may run in the session until they are all taken."""
        try:
            running = self._run(sql)
            while batch := running.fetchmany(rows):
                yield batch
        except duckdb.Error as error:
            raise self._failure(error) from error

    def row(self, sql: str) -> tuple[Any, ...]:
        """The single row of a query."""
        found = self.rows(sql)
        if len(found) != 1:
            raise QueryError(f"a query that must give one row gave {len(found)}: {sql[:200]}")
        return found[0]

    def describe(self, sql: str) -> dict[str, ColumnType]:
        """Names and types of a query's columns. A column whose type no table can hold is an error that names it."""
        types: dict[str, ColumnType] = {}
        for name, text, *_ in self.rows(f"DESCRIBE {sql}"):
            try:
                types[name] = type_of(text)
            except ValueError as error:
                raise QueryError(f"column {name!r}: {error}") from error
        return types

    def kinds(self, sql: str) -> dict[str, DuckDBPyType]:
        """Names and DuckDB's own types of a query's columns, also those that no table can hold."""
        try:
            relation = self._connection.sql(sql)
        except duckdb.Error as error:
            raise self._failure(error) from error
        return dict(zip(relation.columns, relation.types, strict=True))

    def reach(self, url: str) -> None:
        """Let SQL of this session read and write the object store of a URL; without it DuckDB knows this machine's disk alone."""
        from lakehouse_platform.storage.filesystem import DataFiles  # noqa: PLC0415 -- takes half a second, and is for who has remote tables

        self._reached.append(url)
        if urlsplit(url).scheme not in self._connection.list_filesystems():
            self._connection.register_filesystem(DataFiles(url))

    def compress(self, location: str, compression: str) -> None:
        """Write files below a location with a compression other than zstd: snappy, gzip or uncompressed."""
        self._compressions[f"{location}/"] = compression

    def view(self, name: str, sql: str) -> None:
        """Give a query a name; it runs each time that it is read."""
        self._create("VIEW", name, sql)

    def table(self, name: str, sql: str) -> None:
        """Keep a query's rows under a name until the session ends."""
        self._create("TABLE", name, sql)

    def feed(self, name: str, batches: pa.RecordBatchReader) -> None:
        """Give a stream of Arrow batches a name; it can be read once."""
        self._connection.register(name, batches)

    def drop(self, name: str) -> None:
        """Forget a view or a table, if there is one of that name."""
        kind = self._kinds.pop(name, None)
        if kind is not None:
            self._run(f"DROP {kind} IF EXISTS {quote(name)}")

    def arrow_reader(self, sql: str, rows_per_batch: int) -> pa.RecordBatchReader:
        """Stream a query's rows as Arrow batches."""
        try:
            return self._connection.sql(sql).to_arrow_reader(rows_per_batch)
        except duckdb.Error as error:
            raise self._failure(error) from error

    def relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        """A query as DuckDB's own relation, for those who go on in Python; it lives as long as the session."""
        try:
            return self._connection.sql(sql)
        except duckdb.Error as error:
            raise self._failure(error) from error

    def write(
        self, sql: str, location: str, partition_columns: Sequence[str], *, in_order: bool = False, name: str = "part", part_bytes: int = _PART_BYTES
    ) -> list[WrittenFile]:
        """Write a query's rows as parquet files below `location`; they belong to no table until they are committed.

        Partition columns stand in the path alone (`day=2024-01-31/…`). A query without rows gives no files.

        Args:
            sql: The query.
            location: The folder, of this machine or an object store.
            partition_columns: Columns by whose values the files lie in folders.
            in_order: Keep the rows in the query's order; without partition columns only.
            name: What the files' names begin with; a mark of their columns follows.
            part_bytes: A file of a query without partition columns is ended when it has grown to so much.
        """
        stored = {column: kind for column, kind in self.describe(sql).items() if column not in partition_columns}
        if not is_remote(location):
            # DuckDB tells the files by their shortest path; one that did not begin with the table's would stand in the log as another.
            location = os.path.normpath(location)
            Path(location).mkdir(parents=True, exist_ok=True)
        folders = ", ".join(quote(column) for column in partition_columns)
        layout = f"PARTITION_BY ({folders})" if folders else f"FILE_SIZE_BYTES {part_bytes}"
        options = f"{_FILE_OPTIONS}, {self._compression(location)}, FILENAME_PATTERN {literal(f'{name}-{columns_mark(stored)}-{{uuid}}')}"
        # A file's rows have no order to keep unless it is asked for, and keeping the input's costs a third more time.
        self._run(f"SET preserve_insertion_order = {literal(in_order)}")
        try:
            parts = self.rows(f"COPY ({sql}) TO {literal(location)} ({options}, {layout})")
        finally:
            self._run("SET preserve_insertion_order = true")
        return [_written(part, location) for part in parts if _has_rows(part)]

    @contextmanager
    def joins_as_written(self) -> Iterator[None]:
        """Let every join keep its right side in memory and stream its left one past it, whatever DuckDB guesses of their sizes.

        For who knows the sizes: DuckDB takes files of a given schema for one row, and then keeps a table of 60 million in memory instead of the keys.
        """
        self._run(f"SET disabled_optimizers = '{_DISABLED},join_order,build_side_probe_side'")
        try:
            yield
        finally:
            self._run(f"SET disabled_optimizers = '{_DISABLED}'")

    def _create(self, kind: str, name: str, sql: str) -> None:
        if self._kinds.get(name, kind) != kind:
            self.drop(name)
        self._run(f"CREATE OR REPLACE TEMP {kind} {quote(name)} AS {sql}")
        self._kinds[name] = kind

    def _run(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise self._failure(error) from error

    def _compression(self, location: str) -> str:
        chosen = next((each for place, each in self._compressions.items() if f"{location}/".startswith(place)), _COMPRESSION)
        return f"COMPRESSION {chosen}{_LEVELS.get(chosen, '')}"

    def _failure(self, error: duckdb.Error) -> LakehouseError:
        text = str(error)
        if self._reached and is_of_client(text):
            return told(next((url for url in self._reached if f"/{urlsplit(url).netloc}/" in text), self._reached[0]), in_our_words(text))
        return (StorageError if isinstance(error, duckdb.IOException) else QueryError)(in_our_words(text))


@contextmanager
def open_session(settings: Settings) -> Iterator[Session]:
    """A session with the settings' memory and threads, which spills to a scratch folder of its own and is closed at the end."""
    # Two processes that spill into one folder overwrite each other's files.
    scratch = settings.scratch / uuid4().hex
    scratch.mkdir(parents=True)
    limits: dict[str, str | int] = {"memory_limit": f"{settings.memory_limit_bytes}B", "threads": settings.threads, "temp_directory": str(scratch)}
    try:
        with _connect(limits) as session:
            for root in settings.remote_roots:
                session.reach(root)
            yield session
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def memory_session() -> Iterator[Session]:
    """A session without settings that never touches the disk, to check SQL when definitions load."""
    with _connect({"threads": 1, "temp_directory": ""}) as session:
        yield session


@contextmanager
def _connect(limits: dict[str, str | int]) -> Iterator[Session]:
    connection = duckdb.connect(config=dict(limits))
    try:
        connection.execute(f"{_MEANING}SET disabled_optimizers = '{_DISABLED}';")
        yield Session(connection)
    finally:
        connection.close()


def _has_rows(part: tuple[Any, ...]) -> bool:
    """Whether COPY's part holds rows; DuckDB leaves an empty file where there were none, which goes."""
    path, rows = part[0], part[1]
    if rows == 0:
        storage.delete([path])
    return bool(rows)


def _written(part: tuple[Any, ...], location: str) -> WrittenFile:
    path, rows, size_bytes, _, statistics, partition_values, _ = part
    if not path.startswith(f"{location.rstrip('/')}/"):
        raise StorageError(f"{path} was written, which is not below {location}; nothing was committed")
    columns = {key[1:-1].replace('""', '"'): values for key, values in statistics.items() if not _is_nested(key)}
    return WrittenFile(path.removeprefix(location).lstrip("/"), partition_values or {}, size_bytes, rows, columns)


def _is_nested(key: str) -> bool:
    """Whether a key of RETURN_STATS (`"map"."key"`) is of a part of a column; quotes inside a name are doubled."""
    return '"."' in key.replace('""', "")

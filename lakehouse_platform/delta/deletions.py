"""The rows of a snapshot's files that its deletion vectors mark as deleted, decoded by delta-rs. Not here: leaving them out (engine/foreign.py)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.problems import LakehouseError

KEPT_ROWS = pa.schema([("_file", pa.string()), ("kept", pa.list_(pa.bool_()))])


def has_deletions(table: DeltaTable) -> bool:
    """Whether a row of the table's files is deleted by a vector."""
    return any(batch.num_rows for batch in _vectors(table))


def kept_rows(snapshot: Snapshot) -> pa.RecordBatchReader:
    """Each file with a deletion vector by its `uri`, with a mark for every row up to the last deleted one, at least: whether it is kept."""
    known = {file.uri for file in snapshot.files}

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in _vectors(snapshot.handle):
            uris = [_uri_of_url(url) for url in batch.column("filepath").to_pylist()]
            if unknown := [uri for uri in uris if uri not in known]:
                # Passing over it would show the deleted rows.
                raise LakehouseError(f"{snapshot.location}: the deletion vector of {unknown[0]} belongs to no file of version {snapshot.version}")
            yield pa.record_batch([pa.array(uris, pa.string()), batch.column("selection_vector").cast(KEPT_ROWS.field("kept").type)], KEPT_ROWS)

    return pa.RecordBatchReader.from_batches(KEPT_ROWS, batches())


def _vectors(table: DeltaTable) -> Iterator[pa.RecordBatch]:
    try:
        yield from pa.RecordBatchReader.from_stream(table.deletion_vectors())
    except DeltaError as error:
        raise LakehouseError(f"the deletionVectors of {table.table_uri} cannot be read: {error}") from error


def _uri_of_url(url: str) -> str:
    """A file's `uri` for delta-rs's URL of it."""
    return unquote(url.removeprefix("file://") if url.startswith("file://") else url)

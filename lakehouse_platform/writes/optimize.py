"""Rearranges a table's rows: small files become few, rows that are alike lie together, and not one row changes. Not here: when (its callers know)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lakehouse_platform.delta.actions import MAINTENANCE
from lakehouse_platform.delta.clustering import clustering_of, note_clustering
from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.delta.retry import CommitRetriesExhausted, with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.writes.committing import discard
from lakehouse_platform.writes.packing import Layout, Rewrite, in_batches, partition_of, rewrites
from lakehouse_platform.writes.zorder import in_zorder, refuse_columns

logger = logging.getLogger(__name__)

TARGET_FILE_BYTES = 128_000_000
# Two files of more than half would not fit one of the target size; a little less keeps a file that is nearly full from being written again.
SMALL_SHARE = 0.5
# What one commit rearranges. A kill or a lost race costs so much of work and no more.
_BATCH_BYTES = 1_000_000_000


@dataclass(frozen=True)
class OptimizeResult:
    """What was rearranged, up to `version`, or in a dry run would be (then `files_added` and `bytes_added` are 0).

    `partitions`: how many were touched. `lost`: files that other writers changed meanwhile, left to the next time.
    """

    version: int
    files_removed: int = 0
    files_added: int = 0
    bytes_removed: int = 0
    bytes_added: int = 0
    partitions: int = 0
    lost: int = 0


def optimize(
    session: Session,
    location: str,
    *,
    target_file_bytes: int = TARGET_FILE_BYTES,
    small_file_bytes: int | None = None,
    partitions: Collection[Mapping[str, str | None]] | None = None,
    cluster_by: Sequence[str] | None = None,
    unbounded: Collection[str] = (),
    tries: int = 5,
    dry_run: bool = False,
) -> OptimizeResult:
    """Put a table's rows into files of about `target_file_bytes`. Partitions that lie so already are not read.

    Every commit leaves the rows as they are and says so, so that readers of changes read nothing again. One that meets another writer's
    goes on top of it, unless that one took files of its own away: those are left to the next time, and the other writer never loses.

    Args:
        session: Reads and writes the files.
        location: The table.
        target_file_bytes: How large files should become; parquet as it is stored.
        small_file_bytes: Files below it are packed with others; by default half of the target.
        partitions: Values of the partitions to look at; None for all.
        cluster_by: Columns by which rows are laid in Z-order, noted in the table's metadata; None: those that are noted there.
        unbounded: Classified columns, which get no minimum and maximum in the log.
        tries: How often a batch of files that met another writer is written anew.
        dry_run: Only tell what would be done.
    """
    location = location.rstrip("/")
    small = round(target_file_bytes * SMALL_SHARE) if small_file_bytes is None else small_file_bytes
    snapshot = _opened(location)
    layout = Layout(target_file_bytes, small, clustering_of(snapshot) if cluster_by is None else tuple(cluster_by))
    refuse_columns(snapshot, layout.cluster_by, unbounded)
    found = rewrites(snapshot, layout, partitions)
    if dry_run:
        return _told(OptimizeResult(snapshot.version), found)
    result = OptimizeResult(with_retries(lambda: note_clustering(location, layout.cluster_by), tries))
    for batch in in_batches(found, _BATCH_BYTES):
        done = _rearranged(session, location, batch, layout, unbounded=unbounded, tries=tries)
        result = _sum(result, done)
    return replace(result, partitions=len({partition_of(rewrite.partition) for rewrite in found}))


def _rearranged(
    session: Session, location: str, batch: Sequence[Rewrite], layout: Layout, *, unbounded: Collection[str], tries: int
) -> OptimizeResult:
    """Rearrange a batch of files in one commit, but for those that other writers took away."""

    def attempt() -> OptimizeResult:
        snapshot = _opened(location)
        standing = _standing(snapshot, batch)
        removed = [file for rewrite in standing for file in rewrite.files]
        lost = sum(len(rewrite.files) for rewrite in batch) - len(removed)
        if not standing:
            return OptimizeResult(snapshot.version, lost=lost)
        added = _written(session, snapshot, standing, layout)
        sizes = {"bytes_removed": sum(file.size_bytes for file in removed), "bytes_added": sum(file.size_bytes for file in added)}
        counts = {"files_removed": len(removed), "files_added": len(added), **sizes}
        action = {MAINTENANCE: "zorder", "cluster_by": layout.cluster_by} if layout.cluster_by else {MAINTENANCE: "optimize"}
        try:
            version = commit(
                snapshot,
                added=added,
                removed=removed,
                metadata={**action, **counts},
                unbounded=unbounded,
                data_change=False,
                derived_from="files",
                within=[rewrite.partition for rewrite in standing],
            )
        except TransientFault:
            # The files may stand in the log all the same.
            raise
        except LakehouseError:
            discard(snapshot, added)
            raise
        return OptimizeResult(version, lost=lost, **counts)

    try:
        return with_retries(attempt, tries)
    except CommitRetriesExhausted as exhausted:
        logger.warning("%s: %d files are left as they are: %s", location, sum(len(rewrite.files) for rewrite in batch), exhausted)
        return OptimizeResult(_opened(location).version, lost=sum(len(rewrite.files) for rewrite in batch))


def _standing(snapshot: Snapshot, batch: Sequence[Rewrite]) -> list[Rewrite]:
    """The rewrites with those of their files that the table still has, where that is worth a rewrite."""
    present = {file.path for file in snapshot.files}
    left = [replace(rewrite, files=tuple(file for file in rewrite.files if file.path in present)) for rewrite in batch]
    return [rewrite for rewrite in left if len(rewrite.files) > 1 or (rewrite.is_clustering and rewrite.files)]


def _written(session: Session, snapshot: Snapshot, standing: Sequence[Rewrite], layout: Layout) -> list[WrittenFile]:
    return [file for rewrite in standing for file in _written_one(session, snapshot, rewrite, layout)]


def _written_one(session: Session, snapshot: Snapshot, rewrite: Rewrite, layout: Layout) -> list[WrittenFile]:
    folder = _folder(snapshot, rewrite.files)
    place = f"{snapshot.location}/{folder}" if folder else snapshot.location
    stored = ", ".join(quote(field.name) for field in snapshot.columns if field.name not in snapshot.partition_columns)
    added: list[WrittenFile] = []
    for rows, name in _parts(session, snapshot, rewrite, layout):
        stored = (
            f"SELECT * EXCLUDE ({', '.join(quote(name) for name in snapshot.partition_columns)}) FROM ({rows})"
            if snapshot.partition_columns
            else rows
        )
        for file in session.write(stored, place, (), in_order=True, name=name, part_bytes=2 * layout.target_file_bytes):
            path = f"{folder}/{file.path}" if folder else file.path
            added.append(replace(file, path=path, partition_values=dict(rewrite.partition)))
    _refuse_other_rows(session, snapshot, rewrite, added)
    return added


def _parts(session: Session, snapshot: Snapshot, rewrite: Rewrite, layout: Layout) -> Iterator[tuple[str, str]]:
    rows = snapshot_scan(snapshot, rewrite.files)
    if not rewrite.is_clustering:
        yield rows, "part"
        return
    files = max(1, round(rewrite.size_bytes / layout.target_file_bytes))
    for part in in_zorder(session, rows, layout.cluster_by, files):
        yield part, layout.file_name


def _folder(snapshot: Snapshot, files: Sequence[DataFile]) -> str:
    """Where new files of the partition go: beside one that lies in folders of its partition columns, else at the table's root."""
    prefix, columns = f"{snapshot.location}/", snapshot.partition_columns
    for file in files:
        folders = file.uri.removeprefix(prefix).split("/")[:-1]
        if len(folders) == len(columns) and all(part.startswith(f"{name}=") for part, name in zip(folders, columns, strict=True)):
            return "/".join(folders)
    return ""


def _refuse_other_rows(session: Session, snapshot: Snapshot, rewrite: Rewrite, added: Sequence[WrittenFile]) -> None:
    """Count once more what went in and what came out: a rearrangement that loses rows would say of itself that it changed none."""
    wrote = sum(file.rows for file in added)
    (read,) = session.row(f"SELECT count(*) FROM ({snapshot_scan(snapshot, rewrite.files)})")
    if read != wrote:
        discard(snapshot, added)
        raise LakehouseError(f"{snapshot.location}: {read} rows were to be rearranged and {wrote} were written; nothing was committed")


def _told(result: OptimizeResult, found: Sequence[Rewrite]) -> OptimizeResult:
    files = [file for rewrite in found for file in rewrite.files]
    partitions = len({partition_of(rewrite.partition) for rewrite in found})
    return replace(result, files_removed=len(files), bytes_removed=sum(file.size_bytes for file in files), partitions=partitions)


def _sum(before: OptimizeResult, done: OptimizeResult) -> OptimizeResult:
    return OptimizeResult(
        version=max(before.version, done.version),
        files_removed=before.files_removed + done.files_removed,
        files_added=before.files_added + done.files_added,
        bytes_removed=before.bytes_removed + done.bytes_removed,
        bytes_added=before.bytes_added + done.bytes_added,
        lost=before.lost + done.lost,
    )


def _opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    if snapshot is None:
        raise LakehouseError(f"{location} is no table, so there is nothing to rearrange")
    return snapshot

"""Which files of a table are written anew together: small ones of a partition, or all of one that is to be clustered. Not here: writing them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakehouse_platform.delta.files import DataFile, Snapshot

Partition = tuple[tuple[str, str | None], ...]
# Of a partition that is clustered but for so small a share, the rest is only packed: each new file would otherwise cost the whole partition.
_TOLERATED_SHARE = 0.1
# Sorted rows pack better, so that clustered files come out smaller than the target.
_TOLERATED_PIECES = 4


@dataclass(frozen=True)
class Layout:
    """How files should lie. A file below `small_file_bytes` is packed with others up to `target_file_bytes`; `cluster_by`: columns to cluster by."""

    target_file_bytes: int
    small_file_bytes: int
    cluster_by: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """What the names of files begin with that are clustered so: the one mark of a file that outlives its commit in the log."""
        return f"zorder-{hashlib.sha256(json.dumps(self.cluster_by).encode()).hexdigest()[:8]}"

    def is_clustered(self, file: DataFile) -> bool:
        """Whether a file was written clustered by these columns."""
        return bool(self.cluster_by) and file.path.rsplit("/", 1)[-1].startswith(f"{self.file_name}-")


@dataclass(frozen=True)
class Rewrite:
    """Files of one partition whose rows go into new files: one in their order or, where `is_clustering`, as many as they fill."""

    files: tuple[DataFile, ...]
    is_clustering: bool = False

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def partition(self) -> Mapping[str, str | None]:
        """The partition's values by column."""
        return self.files[0].partition_values


def rewrites(snapshot: Snapshot, layout: Layout, partitions: Collection[Mapping[str, str | None]] | None = None) -> list[Rewrite]:
    """All that is to be written anew, partition by partition; nothing of a partition that lies as it should."""
    wanted = None if partitions is None else {partition_of(partition) for partition in partitions}
    found: list[Rewrite] = []
    for partition, files in by_partition(snapshot.files).items():
        if wanted is None or partition in wanted:
            found += _of_partition(files, layout)
    return found


def by_partition(files: Sequence[DataFile]) -> dict[Partition, list[DataFile]]:
    """Files by their partition, each in the table's order."""
    found: dict[Partition, list[DataFile]] = {}
    for file in files:
        found.setdefault(partition_of(file.partition_values), []).append(file)
    return found


def partition_of(values: Mapping[str, str | None]) -> Partition:
    """A partition's values as a key."""
    return tuple(sorted(values.items()))


def in_batches(found: Sequence[Rewrite], batch_bytes: int) -> Iterator[list[Rewrite]]:
    """Rewrites in groups of about so many bytes, each a commit of its own: what a lost race or a kill costs is bounded."""
    batch: list[Rewrite] = []
    for rewrite in found:
        if batch and sum(each.size_bytes for each in batch) + rewrite.size_bytes > batch_bytes:
            yield batch
            batch = []
        batch.append(rewrite)
    if batch:
        yield batch


def _of_partition(files: Sequence[DataFile], layout: Layout) -> Iterator[Rewrite]:
    if layout.cluster_by and _is_to_cluster(files, layout):
        yield Rewrite(tuple(files), is_clustering=True)
        return
    size_bytes, bin_of = 0, list[DataFile]()
    for file in files:
        if file.size_bytes >= layout.small_file_bytes or layout.is_clustered(file):
            continue
        if bin_of and size_bytes + file.size_bytes > layout.target_file_bytes:
            yield from _packed(bin_of)
            size_bytes, bin_of = 0, []
        bin_of.append(file)
        size_bytes += file.size_bytes
    yield from _packed(bin_of)


def _packed(files: Sequence[DataFile]) -> Iterator[Rewrite]:
    if len(files) > 1:
        yield Rewrite(tuple(files))


def _is_to_cluster(files: Sequence[DataFile], layout: Layout) -> bool:
    """Whether enough of a partition lies anywhere, or in far too many files. In a single ordinary one a reader can skip nothing."""
    size_bytes = sum(file.size_bytes for file in files)
    anywhere = sum(file.size_bytes for file in files if not layout.is_clustered(file))
    is_of_several = len(files) > 1 or size_bytes > 2 * layout.target_file_bytes
    is_in_pieces = len(files) > _TOLERATED_PIECES * max(1, size_bytes / layout.target_file_bytes)
    return is_of_several and (is_in_pieces or anywhere > _TOLERATED_SHARE * size_bytes)

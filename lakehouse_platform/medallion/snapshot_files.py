"""Which snapshots a bronze table holds, and which of them new files make one compute anew. Not here: what is in them (snapshot_states.py)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import PurePosixPath

from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.problems import LakehouseError

# What says of a file how it is written, and nothing of its place among others: `day.csv` comes before `day-2.csv`.
_FORMATS = {".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".gz", ".zst"}


@dataclass(frozen=True)
class SnapshotFile:
    """A landed file as bronze holds it. `rows` are those of batches that count; `data_files` are bronze's files that hold any of its rows."""

    source_file: str
    moment: datetime
    rows: int
    batches: frozenset[str]
    data_files: tuple[DataFile, ...]


@dataclass(frozen=True)
class Moment:
    """A time of which there are snapshots. Of its `files` only `valid`, the last by name, says what was there; None where none of them counts.

    `is_new`: some of its rows were not read before. `is_known`: some were.
    """

    time: datetime
    files: tuple[SnapshotFile, ...]
    valid: SnapshotFile | None
    is_new: bool
    is_known: bool


def moments_in(session: Session, source: Source, upstream: Snapshot, new: Collection[str], rejected: Collection[str]) -> list[Moment]:
    """All moments of a bronze table in order; `new` are the uris of its files that were not read before, `rejected` batches do not count.

    Only names and counts are read, and those of a bronze file that holds one landed file from the log alone.
    """
    assert source.attributes.snapshot_time is not None
    column = source.attributes.snapshot_time.name
    found: dict[tuple[str, str], list[tuple[str, int, DataFile]]] = {}
    for name, text, batch_id, rows, data_file in _holdings(session, upstream, column):
        found.setdefault((name, text), []).append((batch_id, rows, data_file))
    by_time: dict[datetime, list[SnapshotFile]] = {}
    for (name, text), held in found.items():
        moment = _moment(source, name, text)
        counting = [(batch_id, rows) for batch_id, rows, _ in held if batch_id not in rejected]
        data_files = tuple({data_file.uri: data_file for _, _, data_file in held}.values())
        file = SnapshotFile(name, moment, sum(rows for _, rows in counting), frozenset(batch_id for batch_id, _ in counting), data_files)
        by_time.setdefault(moment, []).append(file)
    return [_joined(moment, files, new) for moment, files in sorted(by_time.items())]


def to_compute(moments: Sequence[Moment]) -> set[datetime]:
    """The moments whose changes may be others than before: those with new rows, and each that follows one."""
    wanted, follows = set(), False
    for moment in moments:
        if moment.is_new or (follows and moment.valid is not None):
            wanted.add(moment.time)
        # What does not count is followed by what it would have been compared with.
        follows = moment.is_new or (follows and moment.valid is None)
    return wanted


def implausible(moments: Sequence[Moment], least_share: float, new: Collection[str]) -> list[tuple[SnapshotFile, SnapshotFile]]:
    """Each new snapshot with a smaller share of the rows of the one before it in time, beside that one."""
    counting = [moment.valid for moment in moments if moment.valid is not None]
    return [
        (after, before)
        for before, after in pairwise(counting)
        if after.rows < least_share * before.rows and any(file.uri in new for file in after.data_files)
    ]


def _holdings(session: Session, upstream: Snapshot, column: str) -> list[tuple[str, str, str, int, DataFile]]:
    """(landed file, its time as written, batch, rows, bronze file) of all that bronze holds."""
    names = ("source_file", column, "batch_id")
    found, several = [], []
    for file in upstream.files:
        values = [file.minimums.get(name) for name in names]
        if file.rows is not None and None not in values and values == [file.maximums.get(name) for name in names]:
            found.append((*values, file.rows, file))
        else:
            several.append(file)
    by_uri = {file.uri: file for file in several}
    outputs = ", ".join(quote(name) for name in names)
    rows = scan(upstream.columns, upstream.partition_columns, several, with_file=True)
    held = session.rows(f"SELECT {outputs}, count(*), _file FROM ({rows}) GROUP BY ALL")
    return [*found, *((name, text, batch_id, count, by_uri[uri]) for name, text, batch_id, count, uri in held)]  # type: ignore[list-item]


def _moment(source: Source, name: str, text: str) -> datetime:
    assert source.attributes.snapshot_time is not None
    try:
        return source.attributes.snapshot_time.moment(text)
    except ValueError as error:
        form = source.attributes.snapshot_time.format
        mend = f"Mend: put back the form of snapshot_time in {source.defs_path} that its files were taken with"
        raise LakehouseError(f"{source.name}: the time of {name}, {text!r}, is not in the form {form}. {mend}") from error


def _joined(time: datetime, files: Sequence[SnapshotFile], new: Collection[str]) -> Moment:
    ordered = tuple(sorted(files, key=lambda file: _order(file.source_file)))
    valid = [file for file in ordered if file.rows]
    is_of_new = [each.uri in new for file in files for each in file.data_files]
    return Moment(time, ordered, valid[-1] if valid else None, is_new=any(is_of_new), is_known=not all(is_of_new))


def _order(source_file: str) -> tuple[str, str]:
    path = PurePosixPath(source_file)
    while path.suffix in _FORMATS:
        path = path.with_suffix("")
    return str(path), source_file

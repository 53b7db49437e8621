"""The real data sets that the shipped products know, as files of their landing folders. Not here: writing these."""

from __future__ import annotations

import csv
import gzip
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

KNOWN = ("online_retail.tar.gz", "git_commits", "airports_cdc", "nab.tar.gz")


def real_files(data: Path) -> Iterator[tuple[str, bytes]]:
    """Path below the landing folder and bytes of each file, for those of the known data sets that are there."""
    if (data / "online_retail.tar.gz").exists():
        for name, content in _members(data / "online_retail.tar.gz", "online_retail/by-day/*.csv"):
            yield f"retail/{name.name}", content
    changes = data / "git_commits" / "file_changes.jsonl.gz"
    if changes.exists():
        yield f"activity/{changes.name}", changes.read_bytes()
    yield from _airports(data / "airports_cdc")
    if (data / "nab.tar.gz").exists():
        for name, content in _members(data / "nab.tar.gz", "nab/data/*/*.csv"):
            yield f"sensors/{name.parent.name}/{name.name}", content


def _members(archive: Path, pattern: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    with tarfile.open(archive) as members:
        for member in members:
            name = PurePosixPath(member.name)
            content = members.extractfile(member) if name.match(pattern) else None
            if content is not None:
                yield name, content.read()


def _airports(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The first snapshot as read events of its day, then the changes since. Later snapshots are there to compare with."""
    snapshots = sorted(folder.glob("airports_*.csv.gz"))
    if snapshots:
        day = snapshots[0].name.removeprefix("airports_").removesuffix(".csv.gz")
        # The digits in front sort before the events, so that the snapshot's records come first.
        yield f"airports/{day}_snapshot.jsonl", _read_events(snapshots[0], day)
    events = folder / "cdc_events.jsonl.gz"
    if events.exists():
        yield f"airports/{events.name}", events.read_bytes()


def _read_events(snapshot: Path, day: str) -> bytes:
    milliseconds = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
    version = day.replace("-", "")
    with gzip.open(snapshot, "rt", encoding="utf-8", newline="") as rows:
        events = [
            json.dumps({"op": "r", "ts_ms": milliseconds, "version": version, "key": row["icao"], "before": None, "after": row}, ensure_ascii=False)
            for row in csv.DictReader(rows)
        ]
    return ("\n".join(events) + "\n").encode()

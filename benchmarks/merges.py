"""The other shapes of a merge gate, one after the other on large tables: what is inserted, updated, deleted, appended and overwritten at scale."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.line_items import KEY, load, one_in, peak_bytes, rows, session_at, snapshot_of, sweep
from benchmarks.measures import Measure, run_apart
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.writes import tables
from lakehouse_platform.writes.change import Written

MAXIMUM_BYTES = 1_500_000_000
_LARGE, _SMALL = 60_000_000, 30_000_000
_GONE = "hash(i, 7) % 10 = 0 AS gone"


@dataclass(frozen=True)
class Shape:
    """A write into the table of `table` million rows. The source is made as it is read, which its seconds include."""

    table: int
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    write: str = "upsert"


# In this order: a shape finds the table as the ones before it left it.
SHAPES = {
    "merge_insert_only_3m": Shape(60, rows(_LARGE - 100_000, _LARGE + 3_000_000), {"update": False}),
    "merge_update_only_3m": Shape(60, rows(0, _LARGE + 3_000_000, condition=one_in(20), change=1), {"insert": False}),
    "merge_same_again_3m": Shape(60, rows(0, _LARGE + 3_000_000, condition=one_in(20), change=1)),
    "append_3m": Shape(60, rows(_LARGE + 3_000_000, _LARGE + 6_000_000), write="append"),
    "overwrite_3m": Shape(60, rows(0, 3_500_000), write="overwrite"),
    "merge_changes_2m_into_30m": Shape(
        30, f"SELECT *, {_GONE.replace('(i', f'({KEY}')} FROM ({rows(0, _SMALL + 300_000, condition=one_in(17), change=2)})", {"deleted": "gone"}
    ),
    "merge_full_sync_15m_into_30m": Shape(30, rows(0, _SMALL // 2, change=0), {"delete_missing": True}),
}
NAMES = tuple(f"{name}_seconds" for name in SHAPES)


def measure(folder: Path) -> Iterator[Measure]:
    """Seconds of each shape, in a process of its own, and the most memory that one of them took."""
    home = folder / "merges"
    peaks = []
    loaded = 0
    for name, shape in SHAPES.items():
        if shape.table != loaded:
            shutil.rmtree(home, ignore_errors=True)
            run_apart("benchmarks.merges", "load", home, str(shape.table))
            loaded = shape.table
        found = run_apart("benchmarks.merges", name, home, str(shape.table))
        sweep(str(home / "table"))
        peaks.append(found["peak_bytes"])
        yield Measure(f"{name}_seconds", found["seconds"], "seconds")
    shutil.rmtree(home, ignore_errors=True)
    yield Measure("merges_peak_bytes", max(peaks), "bytes", bar=MAXIMUM_BYTES)


def main() -> None:
    """Load a table of so many million rows, or write one shape into it and print what it took."""
    part, home, millions = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    location = str(home / "table")
    with session_at(home) as session:
        if part == "load":
            load(session, location, millions * 1_000_000)
            print(json.dumps({}))
            return
        shape, before = SHAPES[part], snapshot_of(location).rows
        began, cpu_began = time.monotonic(), time.process_time()
        written = _write(session, location, shape)
        seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
        assert snapshot_of(location).rows == before + written.rows_added - written.rows_removed
        counts = {"rows_added": written.rows_added, "rows_removed": written.rows_removed, "files_removed": written.files_removed}
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak_bytes(), **counts}))


def _write(session: Session, location: str, shape: Shape) -> Written:
    if shape.write == "upsert":
        return tables.upsert(session, location, shape.source, [KEY], **shape.options)
    return (tables.append if shape.write == "append" else tables.overwrite)(session, location, shape.source)


if __name__ == "__main__":
    main()

"""2,000 appends of 10,000 rows each to one table that is kept by its policy: does the last one cost what the first one did?"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.line_items import rows, session_at, snapshot_of
from benchmarks.measures import Measure, run_apart
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.writes import tables
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform.writes.policy import Maintenance

APPENDS, ROWS, COMPARED = 2000, 10_000, 100
MAXIMUM_RATIO = 2.0


def measure(folder: Path) -> Iterator[Measure]:
    """The median of the last appends against that of the first ones, the table's creation aside; and what its maintenance took in all."""
    home = folder / "appends"
    shutil.rmtree(home, ignore_errors=True)
    found = run_apart("benchmarks.appends", home)
    shutil.rmtree(home, ignore_errors=True)
    yield Measure("append_2000_flatness", found["last"], "seconds", found["first"], found["last"] / found["first"], MAXIMUM_RATIO)
    yield Measure("append_2000_maintenance", found["maintenance"], "seconds", found["appends"], found["maintenance"] / found["appends"])


def main() -> None:
    """Append and maintain, and print the medians and the sums in seconds."""
    home = Path(sys.argv[1])
    location, policy = str(home / "table"), Maintenance()
    appends: list[float] = []
    maintenance = 0.0
    with session_at(home) as session:
        tables.append(session, location, rows(0, ROWS))
        for number in range(1, APPENDS + 1):
            began = time.monotonic()
            tables.append(session, location, rows(number * ROWS, (number + 1) * ROWS))
            appends.append(time.monotonic() - began)
            began = time.monotonic()
            _maintain(session, location, policy)
            maintenance += time.monotonic() - began
        assert snapshot_of(location).rows == (APPENDS + 1) * ROWS
    first, last = median(appends[:COMPARED]), median(appends[-COMPARED:])
    print(json.dumps({"first": first, "last": last, "appends": sum(appends), "maintenance": maintenance}))


def _maintain(session: Session, location: str, policy: Maintenance) -> None:
    small = sum(file.size_bytes < policy.small_file_bytes for file in snapshot_of(location).files)
    if small >= policy.small_files:
        optimize(session, location, target_file_bytes=policy.target_file_size, small_file_bytes=policy.small_file_bytes)


if __name__ == "__main__":
    main()

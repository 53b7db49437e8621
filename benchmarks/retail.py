"""The retail year, 305 daily partitions through all layers, as one Dagster increment from landed files to gold.

LAKEHOUSE_TEST_DATA names a folder with the real year; without it a year of the same size is generated.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from benchmarks.measures import Measure, run_apart
from lakehouse_platform.demo.landing import unpack
from lakehouse_platform.orchestration.runs import run_increment
from lakehouse_platform.settings import Settings

MAXIMUM_SECONDS = 60.0
_DAYS, _ROWS_A_DAY = 305, 1_777


def measure(folder: Path) -> Iterator[Measure]:
    """Seconds of the run in a process of its own: loading the definitions, ingesting, every layer and every event."""
    home = folder / "retail"
    shutil.rmtree(home, ignore_errors=True)
    data = os.environ.get("LAKEHOUSE_TEST_DATA")
    if data is not None:
        unpack(Path(data), home / "landing")
    else:
        _generate(home / "landing" / "retail")
    yield Measure("retail_year_seconds", run_apart("benchmarks.retail", home)["seconds"], "seconds", bar=MAXIMUM_SECONDS)
    shutil.rmtree(home, ignore_errors=True)


def _generate(folder: Path) -> None:
    """A year of order lines as CSV, a file a day."""
    folder.mkdir(parents=True)
    connection = duckdb.connect()
    for day in range(_DAYS):
        first = day * _ROWS_A_DAY
        moment = f"TIMESTAMP '2010-12-01 08:00:00' + to_days({day}) + to_seconds((i % 36000)::BIGINT)"
        columns = (
            "printf('%06d', 536365 + i // 20) AS InvoiceNo, printf('%05d', hash(i) % 4000) AS StockCode, 'ITEM ' || (hash(i) % 4000) AS Description, "
            f"1 + i % 12 AS Quantity, strftime({moment}, '%Y-%m-%d %H:%M:%S') AS InvoiceDate, printf('%.2f', 0.5 + (i % 400) / 100.0) AS UnitPrice, "
            "printf('%05d.0', 12346 + hash(i) % 4372) AS CustomerID, 'United Kingdom' AS Country"
        )
        connection.execute(
            f"COPY (SELECT {columns} FROM range({first}, {first + _ROWS_A_DAY}) AS t(i)) TO '{folder}/day-{day:03}.csv' (FORMAT csv, HEADER)"
        )


def main() -> None:
    """Run the increment and print its seconds."""
    began = time.monotonic()
    run = run_increment(Settings(home=Path(sys.argv[1]), settle_seconds=0), "bronze/retail_transactions")
    assert run.success, run.failures
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()

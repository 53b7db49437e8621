"""What an increment costs as history grows: the same 50,000 rows of the newest day into tables of 5 and of 50 million order lines.

The history is written straight into the silver table, as the platform would have left it: daily partitions, one file each, statistics,
and the cursor that says bronze has been read so far.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.measures import Measure, run_apart
from benchmarks.platform_steps import shipped_definitions
from lakehouse_platform.delta.commit import commit
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project
from lakehouse_platform.tables.storage import stored_fields

SMALL_ROWS, LARGE_ROWS, NEW_ROWS = 5_000_000, 50_000_000, 50_000
ROWS_A_DAY = 20_000
NEWEST = date(2011, 12, 9)
# The best of many rounds: one takes half a second, and the noise of two shared cores is a third of that.
ROUNDS, MAXIMUM_RATIO = 9, 1.2
BRONZE, SILVER = "bronze/retail_transactions", "silver/order_lines"


def measure(folder: Path) -> Iterator[Measure]:
    """The cost on ten times the history, where the key's timestamp prunes files and where a random key cannot."""
    for name, kind, bar in (("increment_10x", "timestamp", MAXIMUM_RATIO), ("increment_10x_random_key", "random", None)):
        home = folder / f"increment-{kind}"
        shutil.rmtree(home, ignore_errors=True)
        best = run_apart("benchmarks.increment", home, kind)
        shutil.rmtree(home, ignore_errors=True)
        yield Measure(name, best["large"], "seconds", best["small"], best["large"] / best["small"], bar)


def main() -> None:
    """Build both histories, then land and refresh the newest day's rows in each some times over, in turn; print the best seconds of each."""
    home, kind = Path(sys.argv[1]), sys.argv[2]
    lakehouses = {name: _with_history(home / name, rows, kind) for name, rows in (("small", SMALL_ROWS), ("large", LARGE_ROWS))}
    best = dict.fromkeys(lakehouses, float("inf"))
    for number in range(1, ROUNDS + 1):
        for name, lakehouse in lakehouses.items():
            best[name] = min(best[name], _increment_seconds(lakehouse, number, kind))
    print(json.dumps(best))


def _with_history(home: Path, rows: int, kind: str) -> Lakehouse:
    lakehouse = Lakehouse(Settings(home=home, settle_seconds=0), load_project(shipped_definitions()))
    landing = home / "landing" / "retail"
    landing.mkdir(parents=True)
    _land(landing / "first.csv", 0, 100, kind)
    run_step(lakehouse, BRONZE, run_id="benchmark")
    run_step(lakehouse, SILVER, run_id="benchmark")
    _write_history(lakehouse, rows)
    return lakehouse


def _increment_seconds(lakehouse: Lakehouse, number: int, kind: str) -> float:
    _land(lakehouse.settings.home / "landing" / "retail" / f"newest-{number}.csv", number * NEW_ROWS, NEW_ROWS, kind)
    run_step(lakehouse, BRONZE, run_id="benchmark")
    began = time.monotonic()
    result = run_step(lakehouse, SILVER, run_id="benchmark")
    seconds = time.monotonic() - began
    assert result.record is not None
    assert result.record.accounts is not None
    assert result.record.accounts.accepted == NEW_ROWS
    return seconds


def _land(path: Path, first: int, rows: int, kind: str) -> None:
    """Order lines as CSV: of the newest day, or, for the random key, of any day of ten years."""
    day = f"TIMESTAMP '{NEWEST} 09:00:00'"
    moment = f"{day} + to_seconds((i % 28800)::BIGINT)" if kind == "timestamp" else f"{day} - to_days((hash(i) % 2400)::INT)"
    columns = (
        f"printf('%06d', 100000 + i % 800000) AS InvoiceNo, printf('%05d', hash(i) % 4000) AS StockCode, 'NEW ITEM ' || i AS Description, "
        f"1 + i % 12 AS Quantity, strftime({moment}, '%Y-%m-%d %H:%M:%S') AS InvoiceDate, printf('%.2f', 0.5 + (i % 400) / 100.0) AS UnitPrice, "
        "printf('%05d.0', 10000 + hash(i) % 4000) AS CustomerID, 'United Kingdom' AS Country"
    )
    duckdb.connect().execute(f"COPY (SELECT {columns} FROM range({first}, {first + rows}) AS t(i)) TO '{path}' (FORMAT csv, HEADER)")


def _write_history(lakehouse: Lakehouse, rows: int) -> None:
    """Commit the history in slices, each a range of days up to the newest."""
    snapshot = lakehouse.snapshot(SILVER)
    assert snapshot is not None
    days = rows // ROWS_A_DAY
    start = NEWEST - timedelta(days=days - 1)
    names = ", ".join(quote(field.name) for field in stored_fields(lakehouse.project.tables[SILVER]))
    with lakehouse.session() as session:
        for first_day in range(0, days, 50):
            last_day = min(first_day + 50, days)
            added = session.write(f"SELECT {names} FROM ({_history(start, first_day, last_day)})", snapshot.location, snapshot.partition_columns)
            commit(snapshot, added=added)
            again = lakehouse.snapshot(SILVER)
            assert again is not None
            snapshot = again


def _history(start: date, first_day: int, last_day: int) -> str:
    first, last = first_day * ROWS_A_DAY, last_day * ROWS_A_DAY
    moment = f"TIMESTAMPTZ '{start} 08:00:00+00' + to_days((i // {ROWS_A_DAY})::INT) + to_seconds((i % 36000)::BIGINT)"
    return (
        "SELECT printf('%06d', 100000 + i % 800000) AS invoice_no, printf('%05d', hash(i) % 4000) AS stock_code, "
        "'ITEM ' || (hash(i) % 4000) AS description, "
        f"CAST(1 + i % 12 AS INTEGER) AS quantity, {moment} AS invoice_timestamp, CAST({moment} AS DATE) AS invoice_date, "
        "CAST(0.5 + (i % 400) / 100.0 AS DECIMAL(18,3)) AS unit_price, printf('%05d', 10000 + hash(i) % 4000) AS customer_id, "
        f"'United Kingdom' AS country, FALSE AS is_cancellation, TIMESTAMPTZ '2012-01-01' AS processed_timestamp, 1.0::DOUBLE AS data_quality_score, "
        f"struct_pack(source := 'retail/history.csv', row := i::BIGINT) AS _source_position FROM range({first}, {last}) AS t(i)"
    )


if __name__ == "__main__":
    main()

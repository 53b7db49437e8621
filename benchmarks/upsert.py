"""0.6 million random keys into 60 million rows of 17 columns: the platform's upsert beside a bare DuckDB script of the same work."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
from deltalake import DeltaTable
from deltalake.transaction import AddAction, CommitProperties, RemoveAction

from benchmarks.line_items import KEY, load, one_in, peak_bytes, rows, session_at, snapshot_of, sweep
from benchmarks.measures import Measure, run_apart
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.writes import tables

ROWS, NEW = 60_000_000, 60_000
MAXIMUM_SECONDS, MAXIMUM_BYTES = 30.0, 1_000_000_000


def measure(folder: Path) -> Iterator[Measure]:
    """Seconds and peak memory of the upsert, each side in a process of its own that does nothing else; another 0.6 million keys for each."""
    home = folder / "upsert"
    shutil.rmtree(home, ignore_errors=True)
    run_apart("benchmarks.upsert", "load", home)
    ours = run_apart("benchmarks.upsert", "upsert", home)
    run_apart("benchmarks.upsert", "check", home)
    sweep(str(home / "table"))
    bare = run_apart("benchmarks.upsert", "bare", home)
    shutil.rmtree(home, ignore_errors=True)
    yield Measure("upsert_600k_into_60m_seconds", ours["seconds"], "seconds", bar=MAXIMUM_SECONDS)
    yield Measure("upsert_600k_into_60m_peak_bytes", ours["peak_bytes"], "bytes", bar=MAXIMUM_BYTES)
    yield Measure("upsert_600k_into_60m_cpu_seconds", ours["cpu_seconds"], "seconds", bare["cpu_seconds"], ours["cpu_seconds"] / bare["cpu_seconds"])
    yield Measure("upsert_600k_into_60m_vs_bare", ours["seconds"], "seconds", bare["seconds"], ours["seconds"] / bare["seconds"])


def source(number: int) -> str:
    """About 0.6 million lines, some of them new, with values of their own and other keys for each number from 0."""
    first = ROWS + number * NEW
    return f"{rows(0, ROWS, condition=one_in(100, number), change=number + 1)} UNION ALL {rows(first, first + NEW, change=number + 1)}"


def main() -> None:
    """Do one part of the benchmark and print what it took."""
    part, home = sys.argv[1], Path(sys.argv[2])
    location, merged = str(home / "table"), home / f"{part}.parquet"
    home.mkdir(parents=True, exist_ok=True)
    with session_at(home) as session:
        if part == "load":
            load(session, location, ROWS)
            # Each side's source lies ready, as a batch that came in does.
            for number, name in enumerate(("upsert", "bare")):
                session.execute(f"COPY ({source(number)}) TO '{home / name}.parquet'")
            print(json.dumps({}))
            return
        if part == "check":
            _check(home, location)
            return
        began, cpu_began = time.monotonic(), time.process_time()
        if part == "bare":
            _bare(location, merged, home)
        else:
            tables.upsert(session, location, f"SELECT * FROM read_parquet('{merged}')", [KEY])
        print(json.dumps({"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - cpu_began, "peak_bytes": peak_bytes()}))


def _check(home: Path, location: str) -> None:
    """Every row of the source stands in the table as it is, and the table has none too many."""
    with session_at(home) as session, session.joins_as_written():
        found, total = session.row(
            f"SELECT count(*) FILTER (WHERE source.comment IS NOT NULL), count(*) FROM ({snapshot_scan(snapshot_of(location))}) AS stored "
            f"LEFT JOIN (SELECT * FROM read_parquet('{home}/upsert.parquet')) AS source "
            f"ON stored.{KEY} = source.{KEY} AND stored.comment = source.comment AND stored.extended_price = source.extended_price"
        )
        (wanted,) = session.row(f"SELECT count(*) FROM read_parquet('{home}/upsert.parquet')")
        assert (found, total) == (wanted, ROWS + NEW), (found, wanted, total)
    print(json.dumps({}))


def _bare(location: str, merged: Path, home: Path) -> None:
    """The fastest calls, without a question: anti-join and union in one COPY, all files replaced in one commit."""
    table = DeltaTable(location)
    files = table.file_uris()
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB", "temp_directory": str(home / "spill")})
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"CREATE TEMP TABLE source AS SELECT * FROM read_parquet('{merged}')")
    kept = f"SELECT * FROM read_parquet({files}) AS stored WHERE NOT EXISTS (FROM source WHERE source.{KEY} = stored.{KEY})"
    options = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, RETURN_STATS, FILENAME_PATTERN 'bare-{uuid}', FILE_SIZE_BYTES '256MB'"
    written = connection.execute(f"COPY ({kept} UNION ALL SELECT * FROM source) TO '{location}' ({options}, OVERWRITE_OR_IGNORE)").fetchall()
    now = time.time_ns() // 1_000_000
    actions: list[AddAction | RemoveAction] = [
        AddAction(Path(path).name, size, {}, now, data_change=True, stats=json.dumps({"numRecords": count})) for path, count, size, *_ in written
    ]
    actions += [RemoveAction(Path(uri).name, data_change=True, deletion_timestamp=now, size=Path(uri).stat().st_size) for uri in files]
    table.create_write_transaction(actions, "append", table.schema(), commit_properties=CommitProperties(max_commit_retries=0))


if __name__ == "__main__":
    main()

"""5 million activity events, bronze to silver to gold: the platform beside a bare script of the fastest calls, in the same run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.events import write_events
from benchmarks.measures import Measure, run_apart

ROWS = 5_000_000
ROUNDS = 2
TABLES = ("silver/user_events", "gold/daily_user_aggregates")
MAXIMUM_RATIO, MAXIMUM_BYTES = 1.25, 2_000_000_000


def measure(folder: Path) -> Iterator[Measure]:
    """The ratio to the bare script (each side's best round, taken in turn), the naive query's time, and the platform's peak memory."""
    home = folder / "medallion"
    write_events(home / "landing" / "activity", ROWS)
    run_apart("benchmarks.platform_steps", home, "bronze/activity_events")
    bronze = home / "tables" / "bronze" / "activity_events"
    bare, platform, peaks = [], [], []
    for number in range(ROUNDS):
        shutil.rmtree(folder / "bare", ignore_errors=True)
        bare.append(run_apart("benchmarks.bare_medallion", bronze, folder / "bare")["total"])
        _clear(home)
        found = run_apart("benchmarks.platform_steps", home, *TABLES)
        platform.append(found["total"])
        peaks.append(found["peak_bytes"])
        if number == 0:
            shutil.rmtree(folder / "bare", ignore_errors=True)
            naive = run_apart("benchmarks.bare_medallion", bronze, folder / "bare", "--naive")["total"]
    yield Measure("medallion_naive_query", naive, "seconds", min(bare), naive / min(bare))
    yield Measure("medallion_vs_bare", min(platform), "seconds", min(bare), min(platform) / min(bare), MAXIMUM_RATIO)
    yield Measure("medallion_peak_bytes", max(peaks), "bytes", bar=MAXIMUM_BYTES)


def _clear(home: Path) -> None:
    for layer in ("silver", "gold", "system"):
        shutil.rmtree(home / "tables" / layer, ignore_errors=True)

"""Runs benchmarks and prints what they measured: `python -m benchmarks [NAME]`. Exit code 1 when a bar is missed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks import appends, increment, loading, medallion, merges, retail, upsert
from benchmarks.measures import show

# Which benchmark gives which measures.
BENCHMARKS = {
    loading.measure: ("definitions_load_seconds",),
    retail.measure: ("retail_year_seconds",),
    medallion.measure: ("medallion_vs_bare", "medallion_peak_bytes"),
    increment.measure: ("increment_10x",),
    appends.measure: ("append_2000_flatness",),
    upsert.measure: ("upsert_600k_into_60m_seconds", "upsert_600k_into_60m_peak_bytes"),
    merges.measure: merges.NAMES,
}


def main() -> int:
    """Run all benchmarks, or those that give the named measure."""
    names = [name for given in BENCHMARKS.values() for name in given]
    wanted = sys.argv[1:]
    if unknown := set(wanted) - set(names):
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    folder = Path(os.environ.get("LAKEHOUSE_BENCH_FOLDER", ".lakehouse/bench")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    holds = True
    for measure, gives in BENCHMARKS.items():
        if wanted and not set(wanted) & set(gives):
            continue
        for found in measure(folder):
            show(found)
            holds = holds and found.holds
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())

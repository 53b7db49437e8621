"""Runs steps of the platform in a process of its own and prints their seconds and the process's peak memory as JSON.

Usage: python -m benchmarks.platform_steps HOME TABLE…
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project


def main() -> None:
    """Run each table's step in turn."""
    lakehouse = Lakehouse(Settings(home=Path(sys.argv[1]), settle_seconds=0), load_project(shipped_definitions()))
    seconds = {}
    for name in sys.argv[2:]:
        began = time.monotonic()
        run_step(lakehouse, name, run_id="benchmark")
        seconds[name] = time.monotonic() - began
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "total": sum(seconds.values()), "peak_bytes": peak_bytes}))


def shipped_definitions() -> Path:
    """The folder of the shipped products."""
    return Path(__file__).parents[1] / "lakehouse_platform" / "defs"


if __name__ == "__main__":
    main()

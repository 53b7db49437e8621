"""How long a cold process takes to load all shipped definitions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measures import Measure, run_apart

ROUNDS, MAXIMUM_SECONDS = 3, 4.0


def measure(_folder: Path) -> Iterator[Measure]:
    """The best of some cold loads."""
    seconds = min(run_apart("benchmarks.loading")["seconds"] for _ in range(ROUNDS))
    yield Measure("definitions_load_seconds", seconds, "seconds", bar=MAXIMUM_SECONDS)


def main() -> None:
    """Load the definitions as Dagster does, imports included, and print the seconds."""
    began = time.monotonic()
    from lakehouse_platform.definitions import defs  # noqa: PLC0415 -- the import is what is measured

    defs().get_repository_def()
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()

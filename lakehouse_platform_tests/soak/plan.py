"""The numbers that make one run. Not here: running it (run.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from lakehouse_platform_tests.soak.faults import ALL, Fault


@dataclass(frozen=True)
class Plan:
    """A run: `writers` processes of `operations` each on `tables` below `root` (a folder or a URL); workers write down what they do in `folder`.

    Every decision of a worker comes from `seed`; how the operating system takes turns does not. `fault_share` of the operations meet one of
    `faults` at their put; besides, a worker is killed each time that so many commits came, on average (None: never). Vacuum takes what left a table
    `retention_seconds` ago. `is_broken` writers skip the conflict check, for the checker to notice. `environment` is how an object store is reached.
    """

    seed: int
    writers: int
    operations: int
    root: str
    folder: Path
    tables: tuple[str, ...] = ("sales", "stock")
    fault_share: float = 0.1
    faults: tuple[Fault, ...] = ALL
    commits_between_kills: float | None = 15.0
    retention_seconds: float = 60.0
    is_broken: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def random(self, *purpose: object) -> Random:
        """The source of decisions for one purpose: whatever was decided before, so that a worker that was killed goes on as it would have."""
        return Random("/".join(str(part) for part in (self.seed, *purpose)))

    def location(self, table: str) -> str:
        """Where a table is."""
        return f"{self.root}/{table}"

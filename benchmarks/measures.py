"""What a benchmark gives back, and how it is printed: a line for people and a line of JSON. Not here: any measuring."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measure:
    """One measured number. `bar` is what it may be at most (None: shown without a bar); `baseline` and `ratio` belong to comparisons."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    bar: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the number (or its ratio, where it is a comparison) keeps to its bar."""
        return self.bar is None or (self.value if self.ratio is None else self.ratio) <= self.bar


def show(measure: Measure) -> None:
    """Print a measure for people, then as JSON."""
    judged = "" if measure.bar is None else f"  {'holds' if measure.holds else 'MISSED'}: at most {measure.bar:g}"
    compared = "" if measure.ratio is None else f"  ratio {measure.ratio:.2f} to {measure.baseline:.2f}"
    print(f"{measure.name}: {measure.value:.2f} {measure.unit}{compared}{judged}")
    told = {name: value for name, value in asdict(measure).items() if name != "bar"}
    print(json.dumps(told), flush=True)


def run_apart(module: str, *arguments: str | Path) -> dict[str, Any]:
    """Run a part in a process of its own, cold, and read the JSON that it prints last: parts share no caches and no memory peaks."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{module} failed:\n{done.stdout}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found

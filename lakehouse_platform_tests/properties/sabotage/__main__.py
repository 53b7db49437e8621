"""Runs every property under each of its sabotages, and fails if one does not notice, or if a property has none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess

from rich.console import Console

from lakehouse_platform_tests.properties.sabotage.patches import SABOTAGES, Sabotage
from lakehouse_platform_tests.properties.sabotage.plugin import PROPERTIES

_TAG = re.compile(r"^# Feature: data-lakehouse, Property (\d+): ", re.MULTILINE)


def main() -> int:
    """The exit code: 0 when every property notices each of its sabotages."""
    console = Console()
    tagged = {int(number) for path in PROPERTIES.glob("test_*.py") for number in _TAG.findall(path.read_text(encoding="utf-8"))}
    without = tagged - {sabotage.number for sabotage in SABOTAGES.values()}
    for number in sorted(without):
        console.print(f"property {number} has no sabotage: add one to sabotage/patches.py", style="red")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = zip(SABOTAGES.items(), pool.map(_run, SABOTAGES), strict=True)
        unnoticed = [name for (name, sabotage), done in runs if not _is_noticed(console, name, sabotage, done)]
    console.print(f"{len(SABOTAGES) - len(unnoticed)} of {len(SABOTAGES)} sabotages noticed", highlight=False)
    return 1 if without or unnoticed else 0


def _run(name: str) -> CompletedProcess[str]:
    options = ["-p", f"{__package__}.plugin", "--sabotage", name]
    return subprocess.run([sys.executable, "-m", "pytest", *options, str(PROPERTIES)], capture_output=True, text=True, check=False)


def _is_noticed(console: Console, name: str, sabotage: Sabotage, done: CompletedProcess[str]) -> bool:
    is_noticed = done.returncode == 0
    console.print(f"property {sabotage.number}, {name}: {'noticed' if is_noticed else 'NOT NOTICED'}", highlight=False)
    if not is_noticed:
        console.print(done.stdout[-4000:], done.stderr[-2000:], markup=False, highlight=False)
    return is_noticed


if __name__ == "__main__":
    sys.exit(main())

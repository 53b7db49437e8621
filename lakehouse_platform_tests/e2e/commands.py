"""Starts the `lakehouse` command as a user does: its own process, its own home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "lakehouse_platform.cli"]


def environment(home: Path) -> dict[str, str]:
    """This process's environment with another home."""
    return {**os.environ, "LAKEHOUSE_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"}


def lakehouse(home: Path, *arguments: str, expect: int = 0) -> str:
    """Run a command to its end and give its output; an exit code other than expected fails with all that it said."""
    done = subprocess.run([*COMMAND, *arguments], env=environment(home), capture_output=True, text=True, check=False)
    assert done.returncode == expect, f"{arguments} ended with {done.returncode}, not {expect}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def lakehouse_json(home: Path, *arguments: str) -> Any:
    """What a command shows, as values."""
    return json.loads(lakehouse(home, *arguments, "--format", "json"))


def start(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a command and leave it running, in a process group of its own so that a kill reaches all of it."""
    return subprocess.Popen(
        [*COMMAND, *arguments], env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )

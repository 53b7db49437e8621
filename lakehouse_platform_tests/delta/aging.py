"""Makes what a table holds older than it is, so that retention can be tested without waiting. Not here: tests."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path


class Clock:
    """Gives each file of a table, and each commit, the age that it is to have; `now` stands still, as the present of all ages."""

    def __init__(self, location: str) -> None:
        self.now = datetime.now(UTC)
        self._started = time.time()
        self._root = Path(location)
        self._aged: set[Path] = set()

    def age(self, hours: float) -> None:
        """Make all that was written since the last call so many hours old."""
        seconds = self._started - hours * 3600
        for path in self._root.rglob("*"):
            if path.is_file() and path not in self._aged:
                if path.parent.name == "_delta_log" and path.suffix == ".json" and len(path.stem) == 20:
                    path.write_text(_told_at(path.read_text(encoding="utf-8"), round(seconds * 1000)), encoding="utf-8")
                os.utime(path, (seconds, seconds))
                self._aged.add(path)


def _told_at(commit: str, milliseconds: int) -> str:
    actions = [json.loads(line) for line in commit.split("\n") if line]
    for action in actions:
        if "commitInfo" in action:
            action["commitInfo"]["timestamp"] = milliseconds
    return "".join(f"{json.dumps(action)}\n" for action in actions)

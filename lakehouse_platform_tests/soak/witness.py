"""Follows a table's log as it grows, and keeps what every commit said and every file held before vacuum takes it.

It knows Delta's log by itself, without the product's reader. Not here: judging it (checker.py).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq

from lakehouse_platform.storage import files as storage
from lakehouse_platform_tests.soak.operations import Row

_COMMIT_NAME = re.compile(r"(\d{20})\.json")


class TooSlow(Exception):
    """A file was vacuumed before the witness had read it: its retention is too short for this machine."""


@dataclass(frozen=True)
class Logged:
    """One commit as the log has it.

    `maintains`: it says of itself that it is maintenance; `rearranges`: it says of each of its actions that it changes no rows; `added`: each path,
    and how many rows it claims to hold.
    """

    version: int
    timestamp_ms: int
    invocation: str | None
    operation: str
    maintains: bool
    rearranges: bool
    transactions: Mapping[str, int]
    added: Mapping[str, int | None]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """All that storage shows of a table: its commits one after the other, and the rows of each file that was ever in it by the log's path.

    `versions_in_log` and `paths_stored` are the commits and the data files that are there at last.
    """

    commits: Sequence[Logged]
    rows: Mapping[str, tuple[Row, ...]]
    versions_in_log: Sequence[int]
    paths_stored: Set[str]

    @property
    def paths_gone(self) -> set[str]:
        """The files that were in the table once and are not stored any more."""
        return {path for path in self.rows if unquote(path) not in self.paths_stored}

    def version_at(self, seconds: float) -> int:
        """The version that stood at an instant, in seconds since 1970; the first where none did."""
        return max((commit.version for commit in self.commits if commit.timestamp_ms <= seconds * 1000), default=0)


@dataclass
class Witness:
    """Follows the table at a location."""

    location: str
    commits: list[Logged] = field(default_factory=list)
    rows: dict[str, tuple[Row, ...]] = field(default_factory=dict)

    def follow(self) -> int:
        """Take in what is new, and say how many commits that was."""
        log = f"{self.location}/_delta_log"
        known = len(self.commits)
        while (content := storage.read(f"{log}/{len(self.commits):020d}.json")) is not None:
            actions = [json.loads(line) for line in content.decode().split("\n") if line.strip()]
            for action in actions:
                if "add" in action:
                    self._read(action["add"])
            self.commits.append(_logged(len(self.commits), actions))
        return len(self.commits) - known

    def seen(self) -> Seen:
        """All of it, as it is now."""
        self.follow()
        names = (_COMMIT_NAME.fullmatch(file.path) for file in storage.listed(f"{self.location}/_delta_log"))
        stored = {file.path for file in storage.walk(self.location) if file.path.endswith(".parquet")}
        return Seen(self.commits, self.rows, sorted(int(match[1]) for match in names if match), stored)

    def _read(self, add: Mapping[str, Any]) -> None:
        path = add["path"]
        if path in self.rows:
            return
        content = storage.read(f"{self.location}/{unquote(path)}")
        if content is None:
            raise TooSlow(f"{self.location}: {path} of version {len(self.commits)} is gone already")
        part = add["partitionValues"]["part"]
        table = pq.read_table(io.BytesIO(content)).to_pydict()
        self.rows[path] = tuple(Row(key, part, value, mark) for key, value, mark in zip(table["key"], table["value"], table["mark"], strict=True))


def _logged(version: int, actions: Sequence[Mapping[str, Any]]) -> Logged:
    info: Mapping[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    added, removed = ([action[kind] for action in actions if kind in action] for kind in ("add", "remove"))
    return Logged(
        version=version,
        timestamp_ms=info.get("timestamp", 0),
        invocation=info.get("invocation"),
        operation=info.get("operation", ""),
        maintains="maintenance" in info,
        rearranges=not any(change.get("dataChange", True) for change in (*added, *removed)),
        transactions={action["txn"]["appId"]: action["txn"]["version"] for action in actions if "txn" in action},
        added={add["path"]: json.loads(add.get("stats") or "{}").get("numRecords") for add in added},
        removed=tuple(remove["path"] for remove in removed),
    )

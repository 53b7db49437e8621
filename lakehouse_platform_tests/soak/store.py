"""Where the tables of a run lie: a folder, or an object store behind a proxy that fails requests. Not here: the proxy, and faults inside a worker."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from unittest.mock import patch

from lakehouse_platform_tests.faulty_store import Fault as StoreFault
from lakehouse_platform_tests.faulty_store import FaultyStore
from lakehouse_platform_tests.object_store import running_server
from lakehouse_platform_tests.soak.faults import ALL, KILLS, Fault

When = Literal["before", "after", "instead"]
_COMMITS = r"/_delta_log/\d{20}\.json$"
_DATA = r"\.parquet$"
# The errors of the store itself: before it sees the request, after it did what was asked (by a status, by a connection that closes), and in
# its place an answer that says another was first.
_STORE_FAULTS: tuple[tuple[When, str, str, int | None, float], ...] = (
    ("before", "PUT", _COMMITS, 503, 0.03),
    ("after", "PUT", _COMMITS, 500, 0.03),
    ("after", "PUT", _COMMITS, None, 0.02),
    ("instead", "PUT", _COMMITS, 412, 0.03),
    ("before", "PUT", _DATA, 503, 0.005),
    ("before", "GET", "", 503, 0.0005),
)


@dataclass(frozen=True)
class Place:
    """Where it is, how workers reach it, which faults their own processes are to make, and which the store makes."""

    root: str
    faults: tuple[Fault, ...]
    fault_share: float
    # Longer than any operation there takes, so that vacuum takes nothing that one is about to read.
    retention_seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)
    store_faults: Sequence[StoreFault] = ()


@contextmanager
def place(kind: str, folder: Path, seed: int) -> Iterator[Place]:
    """A place of its own for one run."""
    if kind == "local":
        yield Place(str(folder / "tables"), ALL, fault_share=0.1, retention_seconds=25)
        return
    with running_server() as server, FaultyStore(server, seed).running() as proxy:
        made = [StoreFault(when, method, path, status, share=share, times=None) for when, method, path, status, share in _STORE_FAULTS]
        for fault in made:
            proxy.fail(fault)
        # This process looks at what is there, and meets no faults.
        with patch.dict(os.environ, server.environment()):
            yield Place(server.new_bucket(), KILLS, 0.03, 60, {**proxy.environment(), "LAKEHOUSE_STORE_RETRIES": "0"}, made)

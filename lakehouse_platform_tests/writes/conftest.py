"""Fixtures of the tests of writing: a session, a place for a table, and what a reader sees of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.settings import Settings


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with open_session(Settings(home=tmp_path / "home", threads=1)) as opened:
        yield opened


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "table")


@pytest.fixture
def stored(session: Session, location: str) -> Callable[[], list[tuple[Any, ...]]]:
    """The table's rows as a reader sees them now, in order."""

    def read() -> list[tuple[Any, ...]]:
        snapshot = open_snapshot(location)
        assert snapshot is not None
        return session.rows(f"SELECT * FROM ({snapshot_scan(snapshot)}) ORDER BY ALL")

    return read

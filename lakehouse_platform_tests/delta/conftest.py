"""Fixtures of the Delta tests: a session that writes files, and tables made of a query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import BIGINT, DATE, STRING
from lakehouse_platform.delta.commit import create_table
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.settings import Settings

COLUMNS = (Field("id", BIGINT, nullable=False), Field("name", STRING), Field("day", DATE))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with open_session(Settings(home=tmp_path / "home", threads=1)) as opened:
        yield opened


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "table")


@pytest.fixture
def write(session: Session, location: str) -> Callable[..., list[WrittenFile]]:
    """Write rows with these ids, one day for each `day`, without committing them."""

    def write_ids(*ids: int, day: int = 1) -> list[WrittenFile]:
        rows = ", ".join(f"({number}::BIGINT, 'n{number}', DATE '2024-01-{day:02d}')" for number in ids)
        return session.write(f"SELECT * FROM (VALUES {rows}) AS t(id, name, day)", location, ["day"])

    return write_ids


@pytest.fixture
def table(location: str, write: Callable[..., list[WrittenFile]]) -> Snapshot:
    """A table of three rows on the first of January 2024."""
    create_table(location, COLUMNS, ["day"], added=write(1, 2, 3))
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


@pytest.fixture
def ids(session: Session, location: str) -> Callable[[], list[int]]:
    """The ids that a reader of the table sees now."""

    def read() -> list[int]:
        snapshot = open_snapshot(location)
        assert snapshot is not None
        return [number for (number,) in session.rows(f"SELECT id FROM ({snapshot_scan(snapshot)}) ORDER BY id")]

    return read

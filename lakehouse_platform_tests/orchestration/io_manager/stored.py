"""What stands in a table that the IO manager wrote. Not here: how it came there."""

from __future__ import annotations

from typing import Any

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import open_session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.settings import Settings


def snapshot(name: str = "sales") -> Snapshot:
    """The table of the asset shop/<name> as it is."""
    settings = Settings()
    found = open_snapshot(f"{settings.tables_root}/shop/{name}")
    assert found is not None
    return found


def rows(name: str = "sales") -> list[tuple[Any, ...]]:
    """All of its rows, in order."""
    with open_session(Settings()) as session:
        return session.rows(f"SELECT * FROM ({snapshot_scan(snapshot(name))}) ORDER BY ALL")


def count(name: str = "sales") -> int:
    """How many rows it has."""
    return len(rows(name))

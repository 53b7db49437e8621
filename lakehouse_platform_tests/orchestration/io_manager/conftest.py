"""Where these tests keep their tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_platform.orchestration.io_manager import DeltaIOManager


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeltaIOManager:
    """The IO manager as a project gets it: its tables are among the lakehouse's own."""
    for name in ("LAKEHOUSE_TABLES", "LAKEHOUSE_TABLES_BRONZE", "LAKEHOUSE_TABLES_SILVER", "LAKEHOUSE_TABLES_GOLD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))
    return DeltaIOManager()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made

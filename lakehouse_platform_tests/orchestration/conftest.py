"""A small shop whose files have landed, and the runner of its runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_platform.orchestration.runs import Runner, open_runner
from lakehouse_platform.settings import Settings
from lakehouse_platform_tests.orchestration.shop import land, order, write_shop


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A shop with orders of two days, one of them with a price that the contract rejects."""
    settings = write_shop(tmp_path)
    land(settings, "one.csv", [order(1, "2026-01-02"), order(2, "2026-01-02"), order(3, "2026-01-05"), order(4, "2026-01-05", "-1.00")])
    return settings


@pytest.fixture
def runner(settings: Settings) -> Iterator[Runner]:
    """The shop's runs, on an instance in memory: SQLite's commits would take most of these tests' time."""
    with dg.DagsterInstance.ephemeral() as instance, open_runner(settings, instance=instance) as opened:
        yield opened

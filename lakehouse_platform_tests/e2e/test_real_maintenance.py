"""Maintenance of the retail product on real data that came in halves; skipped where LAKEHOUSE_TEST_DATA names no folder of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse_platform.delta.inspection import inspect_table
from lakehouse_platform.delta.upkeep import clean_log
from lakehouse_platform.delta.vacuum import vacuum
from lakehouse_platform.demo.real_data import real_files
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.needed import needed
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project
from lakehouse_platform.writes.optimize import TARGET_FILE_BYTES, optimize
from lakehouse_platform_tests.e2e.tables import fingerprint_at

DATA = Path(os.environ.get("LAKEHOUSE_TEST_DATA", "/nonexistent"))
TABLES = ("bronze/retail_transactions", "silver/order_lines", "gold/daily_sales")
DAYS = 60
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="LAKEHOUSE_TEST_DATA names no folder with the real data")


def test_small_files_are_gone_and_every_kept_version_is_what_it_was(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, settle_seconds=0)
    lakehouse = Lakehouse(settings, load_project(settings.defs_root))
    days = list(islice((file for file in real_files(DATA) if file[0].startswith("retail/")), DAYS))
    for half in (0, 1):
        for name, content in days:
            land(settings.landing, name, content, half)
        for table in TABLES:
            run_step(lakehouse, table, run_id=f"run-{half}")
    locations = {name: lakehouse.location(name) for name in (*TABLES, "system/run_metrics")}
    before = {name: versions(location) for name, location in locations.items()}
    assert small_files(locations)["silver/order_lines"] >= DAYS
    with lakehouse.session() as session:
        for location in locations.values():
            optimize(session, location)
        assert small_files(locations) == dict.fromkeys(locations, 0)
        assert {name: {version: versions(locations[name])[version] for version in known} for name, known in before.items()} == before
        assert [run_step(lakehouse, table, run_id="again").record for table in TABLES] == [None] * len(TABLES)
        for name, location in locations.items():
            wanted, later = needed(lakehouse, session, name), datetime.now(UTC) + timedelta(hours=721)
            assert wanted is not None
            done = vacuum(location, keep_versions=wanted.versions, now=later)
            clean_log(location, keep_from_version=wanted.log_from, now=later)
            kept = [version for version in before[name] if version >= done.oldest_version_kept or version in wanted.versions]
            assert {version: fingerprint_at(location, version) for version in kept} == {version: before[name][version] for version in kept}
            assert fingerprint_at(location) == before[name][max(before[name])]


def land(landing: Path, name: str, content: bytes, half: int) -> None:
    """Land the first or the second half of a file's lines, under a name of its own."""
    header, *lines = content.splitlines(keepends=True)
    middle = len(lines) // 2
    path = landing / name.replace(".csv", f"-{half}.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join([header, *(lines[middle:] if half else lines[:middle])]))


def versions(location: str) -> dict[int, tuple[int, int, int]]:
    """What each version of a table holds."""
    return {version: fingerprint_at(location, version) for version in range(DeltaTable(location).version() + 1)}


def small_files(locations: dict[str, str]) -> dict[str, int]:
    """How many files of each table could be packed with others of their partition."""
    states = {name: inspect_table(location, TARGET_FILE_BYTES // 2) for name, location in locations.items()}
    return {name: state.small for name, state in states.items() if state is not None}

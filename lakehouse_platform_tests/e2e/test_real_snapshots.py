"""The shipped airport tables fed by six full snapshots of the real list alone; skipped where LAKEHOUSE_TEST_DATA names no folder of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from lakehouse_platform_tests.e2e.commands import lakehouse
from lakehouse_platform_tests.e2e.tables import connect, rows
from lakehouse_platform_tests.e2e.test_real_data import DATA, SNAPSHOTS, airports, snapshot, sums

DAYS = ("2020-11-06", *SNAPSHOTS)
# They arrive out of order: the second run puts one between two that are there, one before all and one after all of them.
ARRIVALS = (("2023-03-03", "2021-04-25", "2026-08-02"), ("2026-09-05", "2022-01-07", "2020-11-06"))
SOURCE = {
    "table": "bronze/airport_changes",
    "files": {"path": "airports/airports_{snapshot_date}.csv.gz", "format": "csv"},
    "changes": "snapshot",
    "snapshot_time": {"name": "snapshot_date", "format": "%Y-%m-%d"},
}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="LAKEHOUSE_TEST_DATA names no folder with the real data")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse whose bronze table of airports is fed by snapshots in place of change events."""
    home, project = tmp_path_factory.mktemp("snapshots"), tmp_path_factory.mktemp("project")
    shipped = Path(__file__).parents[2] / "lakehouse_platform" / "defs" / "airports"
    shutil.copytree(shipped, project / "defs")
    component = {"type": "lakehouse_platform.Source", "attributes": SOURCE}
    (project / "defs" / "bronze_airport_changes" / "defs.yaml").write_text(yaml.safe_dump(component), encoding="utf-8")
    landing = home / "landing" / "airports"
    landing.mkdir(parents=True)
    for days in ARRIVALS:
        for day in days:
            shutil.copy2(DATA / "airports_cdc" / f"airports_{day}.csv.gz", landing)
        lakehouse(home, "--project", str(project), "materialize", "bronze/airport_changes")
    return home


@pytest.mark.parametrize("day", DAYS)
def test_the_dimension_as_of_a_day_equals_its_snapshot(home: Path, day: str) -> None:
    instant = f"TIMESTAMPTZ '{day} 00:00:00+00'"
    found = airports(connect(home, "gold/dim_airport"), f"effective_date <= {instant} AND (end_date IS NULL OR end_date > {instant})")
    assert sorted(found, key=repr) == sorted(snapshot(day), key=repr)


def test_the_state_equals_the_last_snapshot(home: Path) -> None:
    found = airports(connect(home, "silver/airports"), "TRUE")
    assert sorted(found, key=repr) == sorted(snapshot(DAYS[-1]), key=repr)


def test_each_row_of_a_snapshot_is_accepted_once(home: Path) -> None:
    listed = sum(len(list(snapshot(day))) for day in DAYS)
    assert sums(home, "silver/airports") == {"read": listed, "accepted": listed, "duplicates": 0, "rejected": 0, "late": 0, "filtered": 0}
    assert rows(home, "silver/airports") == len(list(snapshot(DAYS[-1])))

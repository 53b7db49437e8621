"""The main job on real data with known right answers; skipped where LAKEHOUSE_TEST_DATA names no folder of it.

The numbers are facts of the data (its README), not of this code.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from lakehouse_platform_tests.e2e.commands import lakehouse, lakehouse_json
from lakehouse_platform_tests.e2e.tables import connect, rows, table_names

DATA = Path(os.environ.get("LAKEHOUSE_TEST_DATA", "/nonexistent"))
SNAPSHOTS = ("2021-04-25", "2022-01-07", "2023-03-03", "2026-08-02", "2026-09-05")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="LAKEHOUSE_TEST_DATA names no folder with the real data")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse after `lakehouse demo --data`."""
    home = tmp_path_factory.mktemp("real")
    lakehouse(home, "demo", "--data", str(DATA))
    return home


def sums(home: Path, table: str) -> dict[str, int]:
    """The sums of a table's accounts."""
    entries = lakehouse_json(home, "accounts", table)
    return {end: sum(entry[end] for entry in entries) for end in ("read", "accepted", "duplicates", "rejected", "late", "filtered")}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("silver/order_lines", {"read": 541_909, "accepted": 536_639, "duplicates": 5_268, "rejected": 2, "late": 0, "filtered": 0}),
        ("silver/user_events", {"read": 443_433, "accepted": 443_433, "duplicates": 0, "rejected": 0, "late": 0, "filtered": 0}),
        ("silver/sensor_readings", {"read": 365_558, "accepted": 365_509, "duplicates": 49, "rejected": 0, "late": 0, "filtered": 0}),
    ],
)
def test_accounts_are_the_facts_of_the_data(home: Path, table: str, expected: dict[str, int]) -> None:
    assert sums(home, table) == expected


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("silver/order_lines", 536_639),
        ("gold/daily_sales", 1_716),
        ("gold/fact_sales", 536_639),
        ("silver/user_events", 443_433),
        ("gold/daily_user_aggregates", 38_345),
        ("silver/sensor_readings", 365_509),
        ("gold/sensor_hourly", 51_859),
    ],
)
def test_tables_have_the_rows_that_the_data_gives(home: Path, table: str, expected: int) -> None:
    assert rows(home, table) == expected


def test_net_revenue_is_exact(home: Path) -> None:
    found = connect(home, "gold/daily_sales").execute("SELECT sum(net_revenue) FROM t").fetchone()
    assert found is not None
    assert found[0] == Decimal("9748131.074")


def snapshot(day: str) -> Iterator[tuple[object, ...]]:
    """An airport snapshot's rows, its numbers as numbers."""
    with gzip.open(DATA / "airports_cdc" / f"airports_{day}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            texts = tuple(row[name] or None for name in ("icao", "iata", "name", "city", "subd", "country", "tz"))
            yield (*texts, row.get("lid") or None, *(float(row[name]) if row[name] else None for name in ("elevation", "lat", "lon")))


COLUMNS = "icao, nullif(iata, ''), nullif(name, ''), nullif(city, ''), nullif(subd, ''), nullif(country, ''), nullif(tz, ''), nullif(lid, '')"
NUMBERS = "elevation::DOUBLE, lat::DOUBLE, lon::DOUBLE"


def airports(connection: duckdb.DuckDBPyConnection, where: str) -> list[tuple[object, ...]]:
    """Rows of an airport table in the snapshot's columns."""
    return connection.execute(f"SELECT {COLUMNS}, {NUMBERS} FROM t WHERE {where}").fetchall()


def test_scd1_equals_the_last_snapshot(home: Path) -> None:
    found = airports(connect(home, "silver/airports"), "TRUE")
    assert sorted(found, key=repr) == sorted(snapshot(SNAPSHOTS[-1]), key=repr)


@pytest.mark.parametrize("day", SNAPSHOTS)
def test_the_dimension_as_of_a_day_equals_its_snapshot(home: Path, day: str) -> None:
    instant = f"TIMESTAMPTZ '{day} 00:00:00+00'"
    found = airports(connect(home, "gold/dim_airport"), f"effective_date <= {instant} AND (end_date IS NULL OR end_date > {instant})")
    assert sorted(found, key=repr) == sorted(snapshot(day), key=repr)


def test_started_again_it_changes_nothing(home: Path) -> None:
    before = {name: rows(home, name) for name in table_names(home)}, {name: log(home, name) for name in table_names(home)}
    lakehouse(home, "demo", "--data", str(DATA))
    assert ({name: rows(home, name) for name in table_names(home)}, {name: log(home, name) for name in table_names(home)}) == before


def log(home: Path, name: str) -> list[str]:
    """The commits of a table."""
    return sorted(path.name for path in (home / "tables" / name / "_delta_log").glob("*.json"))

"""A changed rule on the real retail data: a rebuild gives the numbers that the data has under it, gold follows, and back again.

Skipped where LAKEHOUSE_TEST_DATA names no folder of the data. The numbers are facts of the data (its README), not of this code.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import lakehouse_platform
from lakehouse_platform.demo.landing import land
from lakehouse_platform_tests.e2e.commands import lakehouse, lakehouse_json
from lakehouse_platform_tests.e2e.tables import fingerprint, rows

DATA = Path(os.environ.get("LAKEHOUSE_TEST_DATA", "/nonexistent"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="LAKEHOUSE_TEST_DATA names no folder with the real data")

LINES = "silver/order_lines"
GOLD = ("gold/daily_sales", "gold/customer_value", "gold/fact_sales", "gold/dim_product", "gold/dim_customer")
ENDS = ("read", "accepted", "duplicates", "rejected")
BEFORE, STRICT = (541_909, 536_639, 5_268, 2), (541_909, 534_129, 5_263, 2_517)


def sums(home: Path) -> tuple[int, ...]:
    """What became of every order line, over all commits."""
    entries = lakehouse_json(home, "accounts", LINES)
    return tuple(sum(entry[end] for entry in entries) for end in ENDS)


def gold(home: Path) -> dict[str, tuple[int, int, int]]:
    return {name: fingerprint(home, name) for name in GOLD}


def quarantined(home: Path) -> int:
    """Rows that show in quarantine, each by its only rule."""
    return sum(row["rows"] for row in lakehouse_json(home, "quarantine", "list") if row["table"] == LINES)


def made_anew(home: Path, place: Path) -> Path:
    """Another lakehouse over the same bronze table, everything after it computed from nothing."""
    shutil.copytree(home / "tables" / "bronze", place / "tables" / "bronze")
    (place / "landing").mkdir()
    lakehouse(place, "materialize", LINES)
    return place


def test_a_changed_rule_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    shutil.copytree(Path(lakehouse_platform.__file__).parent / "defs", project / "defs")
    contract = project / "defs" / "retail" / "silver_order_lines" / "contract.yaml"
    shipped = contract.read_text()
    monkeypatch.setenv("LAKEHOUSE_PROJECT", str(project))
    land(home / "landing", DATA)
    lakehouse(home, "materialize", "bronze/retail_transactions")
    assert sums(home) == BEFORE
    first = gold(home)

    strict = shipped.replace("price_not_zero, type: sql, severity: warning", "price_not_zero, type: sql, severity: error")
    assert strict != shipped
    contract.write_text(strict)
    lakehouse(home, "rebuild", LINES)
    assert sums(home) == STRICT
    assert (rows(home, LINES), quarantined(home)) == (STRICT[1], STRICT[3])
    assert gold(home) == gold(made_anew(home, tmp_path / "anew"))
    assert gold(home) != first

    contract.write_text(shipped)
    lakehouse(home, "rebuild", LINES)
    assert (sums(home), rows(home, LINES), quarantined(home)) == (BEFORE, BEFORE[1], BEFORE[3])
    assert gold(home) == first

"""Rebuild and replay from the command line: the difference is shown, what is downstream follows in the same run, stale tables are told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import lakehouse_platform
from lakehouse_platform.cli.app import app
from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform_tests.cli.conftest import fill_landing


class Shop:
    """A copy of the shipped products as a project of its own, and commands over it."""

    def __init__(self, root: Path) -> None:
        self.contract = root / "project" / "defs" / "retail" / "silver_order_lines" / "contract.yaml"
        shutil.copytree(Path(lakehouse_platform.__file__).parent / "defs", root / "project" / "defs")
        fill_landing(root / "home" / "landing")
        environment = {"LAKEHOUSE_HOME": str(root / "home"), "LAKEHOUSE_PROJECT": str(root / "project"), "LAKEHOUSE_SETTLE_SECONDS": "0"}
        self.runner = CliRunner(env=environment)

    def run(self, *arguments: str, code: int = 0) -> str:
        done = self.runner.invoke(app, list(arguments))
        assert done.exit_code == code, done.output
        return done.output

    def rows(self, *arguments: str) -> Any:
        done = self.runner.invoke(app, [*arguments, "--format", "json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def price(self, *, zero: str) -> None:
        """Let a price of zero be an error, or a warning as it ships."""
        text = self.contract.read_text()
        for severity in ("error", "warning"):
            text = text.replace(f"price_not_zero, type: sql, severity: {severity}", f"price_not_zero, type: sql, severity: {zero}")
        assert f"price_not_zero, type: sql, severity: {zero}" in text
        self.contract.write_text(text)

    def sums(self) -> dict[str, int]:
        entries = self.rows("accounts", "silver/order_lines")
        return {end: sum(entry[end] for entry in entries) for end in ("read", "accepted", "duplicates", "rejected")}

    def stale(self) -> list[str]:
        return [row["table"] for row in self.rows("tables") if row["stale"]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    opened = Shop(tmp_path_factory.mktemp("history"))
    opened.run("materialize", "silver/order_lines,gold/daily_sales")
    return opened


def test_a_changed_rule_is_told_rebuilt_and_taken_back_by_a_replay(shop: Shop) -> None:
    first = shop.sums()
    revenue = "SELECT sum(line_count) AS lines FROM gold.daily_sales"
    (before,) = shop.rows("query", revenue)
    assert shop.stale() == []
    shop.price(zero="error")
    assert shop.stale() == ["silver/order_lines"]
    assert "lakehouse rebuild silver/order_lines --dry-run" in shop.run("check", "silver/order_lines")

    dry = {row["what"]: (row["before"], row["after"]) for row in shop.rows("rebuild", "silver/order_lines", "--dry-run")}
    assert (dry["accepted"], dry["rejected"], dry["rows"]) == ((4, 3), (2, 3), (4, 3))
    assert shop.sums() == first
    assert {row["what"]: (row["before"], row["after"]) for row in shop.rows("rebuild", "silver/order_lines")} == dry
    assert shop.sums() == first | {"accepted": 3, "rejected": 3}
    assert shop.stale() == []
    assert shop.rows("query", revenue) == [{"lines": before["lines"] - 1}]
    assert [row["step"] for row in shop.rows("history", "gold/daily_sales")][-1] == "increment"

    shop.price(zero="warning")
    (replayed,) = shop.rows("quarantine", "replay", "silver/order_lines", "--where", "reasons[0].rule = 'price_not_zero'")
    assert (replayed["replayed"], replayed["accepted"], replayed["rejected"]) == (1, 1, -1)
    assert shop.sums() == first
    assert shop.rows("query", revenue) == [before]
    assert shop.rows("quarantine", "replay", "silver/order_lines", "--where", "source_row > 1000") == []
    assert shop.stale() == ["silver/order_lines"]
    shop.run("rebuild", "silver/order_lines")
    assert (shop.sums(), shop.stale()) == (first, [])


def test_what_breaks_the_contract_in_the_committed_table_is_named(shop: Shop) -> None:
    text = shop.contract.read_text()
    shop.contract.write_text(text.replace("minLength: 1", "minLength: 50", 1))
    assert "silver/order_lines: pandera finds 4 rows that break invoice_no" in shop.run("check", "silver/order_lines", code=ExitCode.CHECKS)
    shop.contract.write_text(text)


def test_gold_without_a_source_is_rebuilt_too(shop: Shop) -> None:
    shop.run("materialize", "gold/dim_date")
    rows = {row["what"]: (row["before"], row["after"]) for row in shop.rows("rebuild", "gold/dim_date")}
    assert rows["rows only there"] == (0, 0)


def test_a_restored_table_is_what_it_was_until_it_is_refreshed(shop: Shop) -> None:
    days = "SELECT date, sum(line_count) AS lines FROM gold.daily_sales GROUP BY date ORDER BY date"
    now, sums = shop.rows("query", days), shop.sums()
    (restored,) = shop.rows("restore", "silver/order_lines", "--version", "0")
    assert (restored["restored_version"], restored["rows"]) == (0, 0)
    assert shop.sums() == dict.fromkeys(sums, 0)
    assert shop.rows("query", days) == []
    shop.run("materialize", "gold/daily_sales")
    assert (shop.rows("query", days), shop.sums()) == (now, sums)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("restore", "bronze/retail_transactions", "--version", "0"), ExitCode.USAGE, "only grows"),
        (("restore", "silver/order_lines", "--version", "999"), ExitCode.USAGE, "is at version"),
        (("rebuild", "bronze/retail_transactions"), ExitCode.USAGE, "holds records as they came"),
        (("rebuild", "gold/nothing"), ExitCode.USAGE, "there is no table"),
        (("rebuild", "silver/sensor_readings"), ExitCode.FAILED, "lakehouse materialize silver/sensor_readings"),
        (("quarantine", "replay", "gold/daily_sales"), ExitCode.USAGE, "judges no rows"),
        (("quarantine", "replay", "silver/order_lines", "--where", "colour = 1"), ExitCode.FAILED, "the columns are outcome"),
    ],
)
def test_mistakes_are_told(shop: Shop, arguments: tuple[str, ...], code: ExitCode, said: str) -> None:
    assert said in shop.run(*arguments, code=code)

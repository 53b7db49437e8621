"""The retail product end to end on S3, its layers in two buckets, killed once on the way: the same rows as of an undisturbed run on disk.

LAKEHOUSE_TEST_DATA takes the real year of retail, whose numbers are facts of the data (its README).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lakehouse_platform.cli.app import app
from lakehouse_platform.demo import retail
from lakehouse_platform.demo.real_data import real_files
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.e2e.commands import lakehouse, start
from lakehouse_platform_tests.e2e.tables import connect_at, fingerprint_at
from lakehouse_platform_tests.object_store import S3Server, server

DATA = os.environ.get("LAKEHOUSE_TEST_DATA")
SOURCE, SILVER = "bronze/retail_transactions", "silver/order_lines"
pytestmark = pytest.mark.s3


@dataclass(frozen=True)
class Shop:
    """The retail product in an object store. `on_disk` is the same lakehouse, undisturbed, on this machine's disk."""

    home: Path
    tables: str
    gold: str
    on_disk: Lakehouse
    store: S3Server

    def location(self, table: str) -> str:
        return f"{self.gold if table.startswith('gold/') else self.tables}/{table}"


def land_retail(landing: Path) -> None:
    files = retail.generated(7) if DATA is None else (file for file in real_files(Path(DATA)) if file[0].startswith("retail/"))
    for name, content in files:
        path = landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """After a run that was killed half-way, and another one."""
    place = tmp_path_factory.mktemp("shop")
    settings = Settings(home=place / "disk", settle_seconds=0)
    on_disk = Lakehouse(settings, load_project(settings.defs_root))
    land_retail(settings.landing)
    began = time.monotonic()
    for table in (SOURCE, *on_disk.project.downstream(SOURCE)):
        run_step(on_disk, table, run_id="disk")
    seconds = time.monotonic() - began

    store, home = server(), place / "remote"
    land_retail(home / "landing")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        tables, gold = f"{store.new_bucket()}/tables", f"{store.new_bucket()}/some/where"
        for name, value in {**store.environment(), "LAKEHOUSE_TABLES": f"{tables}/", "LAKEHOUSE_TABLES_GOLD": gold}.items():
            patch.setenv(name, value)
        patch.setenv("LAKEHOUSE_SETTLE_SECONDS", "0")
        process = start(home, "materialize", SILVER)
        # Starting takes a few seconds; then about as long as on disk.
        time.sleep(4 + seconds / 2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        lakehouse(home, "materialize", SILVER)
        patch.setenv("LAKEHOUSE_HOME", str(home))
        yield Shop(home, tables, gold, on_disk, store)


def shown(*arguments: str) -> Any:
    """What a command shows, as values: in this process, whose variables are the shop's."""
    done = CliRunner().invoke(app, [*arguments, "--format", "json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_its_tables_are_those_of_a_run_on_disk(shop: Shop) -> None:
    tables = [SOURCE, *shop.on_disk.project.downstream(SOURCE)]
    assert len(tables) >= 7
    for table in tables:
        assert fingerprint_at(shop.location(table)) == fingerprint_at(shop.on_disk.location(table)), table


def test_nothing_of_it_lies_on_disk_or_in_the_other_bucket(shop: Shop) -> None:
    assert not (shop.home / "tables").exists()
    layers = [
        {key.removeprefix("tables/").removeprefix("some/where/").split("/")[0] for key in shop.store.keys(root)} for root in (shop.tables, shop.gold)
    ]
    assert layers[0] == {"bronze", "silver", "system"}
    assert layers[1] == {"gold"}


def test_its_accounts_add_up(shop: Shop) -> None:
    entries = shown("accounts", SILVER)
    sums = {end: sum(entry[end] for entry in entries) for end in ("read", "accepted", "duplicates", "rejected", "late", "filtered")}
    assert sums["read"] == sum(value for end, value in sums.items() if end != "read") > 0
    if DATA is not None:
        assert sums == {"read": 541_909, "accepted": 536_639, "duplicates": 5_268, "rejected": 2, "late": 0, "filtered": 0}
        found = connect_at(shop.location("gold/daily_sales")).execute("SELECT count(*), sum(net_revenue) FROM t").fetchone()
        assert found == (1_716, Decimal("9748131.074"))


def test_commands_find_it_there(shop: Shop) -> None:
    (count,) = shown("query", "SELECT COUNT(*) AS days FROM gold.daily_sales")
    assert count["days"] == fingerprint_at(shop.on_disk.location("gold/daily_sales"))[0]
    told = {entry["table"]: entry for entry in shown("tables")}
    assert told["gold/daily_sales"]["location"] == shop.location("gold/daily_sales")

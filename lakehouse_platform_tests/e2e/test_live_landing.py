"""A shop left alone under `lakehouse up`: files land, tables follow with no hand, processes are killed, and nothing is lost, doubled or unknown.

Takes some minutes: LAKEHOUSE_TEST_LIVE (any value) turns it on, as `make live` does. It needs /proc.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.orchestration.instance import open_instance
from lakehouse_platform.orchestration.names import asset_key
from lakehouse_platform.orchestration.reporting import is_reported
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.e2e.commands import lakehouse_json
from lakehouse_platform_tests.e2e.live_shop import PARTITIONS, LiveShop, Up, up
from lakehouse_platform_tests.e2e.server import wait_for
from lakehouse_platform_tests.e2e.tables import rows
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, DAILY, FACT, PRODUCT, SILVER, SOURCE, TABLES, write_shop

pytestmark = pytest.mark.skipif("LAKEHOUSE_TEST_LIVE" not in os.environ, reason="LAKEHOUSE_TEST_LIVE is not set; `make live` runs it")

SECONDS = 300
FIRST_PAGE_SECONDS = 30
PARTITIONED = (SILVER, DAILY, FACT)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[LiveShop]:
    """A shop whose partitions begin in 2024; one of its tables is refreshed each minute, the others as files land."""
    settings = write_shop(tmp_path, {CUSTOMER: 'automation: {cron: "* * * * *"}'}, start="2024-01-01")
    with open_instance(settings) as instance:
        yield LiveShop(Lakehouse(settings, load_project(settings.defs_root)), instance)


def test_files_land_and_tables_follow_through_kills(shop: LiveShop) -> None:
    with up(shop) as running:
        # Cores that others keep busy are that much slower; their load is what it was over the last minute.
        slowness = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        told("first page", wait_for(running.server.shows_page, "the first page", FIRST_PAGE_SECONDS * slowness))
        files_that_land_are_followed(shop)
        a_late_file_moves_its_day_and_what_points_to_a_changed_version(shop)
        three_hundred_days_are_one_run(shop)
        killed_within_a_run(shop, running)
    with up(shop) as running:
        settled(shop, "taken up after all was killed between bronze and gold")
        killed_between_commit_and_events(shop, running)
    with up(shop) as running:
        settled(shop, "taken up after all was killed between a commit and its events")
        told("a table with times of its own", wait_for(lambda: shop.customers_orders() == len(shop.landed), "the schedule of each minute", SECONDS))
        settled(shop, "and its events")
        nothing_is_lost_doubled_or_unknown(shop, running)
        running.process.send_signal(signal.SIGTERM)
        assert running.ends() == 0


def files_that_land_are_followed(shop: LiveShop) -> None:
    shop.land("first.csv", {1: ("2026-02-02", "p1"), 2: ("2026-02-09", "p1"), 3: ("2026-02-16", "p1"), 4: ("2026-02-23", "p2")})
    settled(shop, "the first file in gold")
    for table in PARTITIONED:
        assert shop.moved(table, -1) == {"2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23"}
    assert rows(shop.lakehouse.settings.home, PRODUCT) == 3, "two products and the row for none"


def a_late_file_moves_its_day_and_what_points_to_a_changed_version(shop: LiveShop) -> None:
    """For some hours the product had another name, so that what came after is its next version: an order of 16 February points to that."""
    before = {table: shop.version(table) for table in TABLES}
    shop.land("late.csv", {5: ("2026-02-09", "p1")}, product_name="other name", hour=11)
    settled(shop, "a late file in gold")
    assert {table: shop.moved(table, before[table]) for table in PARTITIONED} == {
        SILVER: {"2026-02-09"},
        DAILY: {"2026-02-09"},
        FACT: {"2026-02-09", "2026-02-16"},
    }
    event = shop.instance.fetch_materializations(asset_key(FACT), 1).records[0].asset_materialization
    assert event is not None and event.metadata["note affected_by_lookup"].value == {PRODUCT: ["2026-02-16"]}, "the run names such days"


def three_hundred_days_are_one_run(shop: LiveShop) -> None:
    days = [(date(2024, 2, 1) + timedelta(days=2 * number)).isoformat() for number in range(300)]
    before = {table: shop.version(table) for table in PARTITIONED}
    known = {table: set(shop.known(table)) for table in PARTITIONED}
    shop.land("history.csv", {100 + number: (day, "p2") for number, day in enumerate(days)})
    settled(shop, "300 days in gold")
    for table in PARTITIONED:
        assert shop.moved(table, before[table]) == set(days)
        runs = {run for key, told_by in shop.known(table).items() if key not in known[table] for run in told_by}
        assert 1 <= len(runs) <= 5, f"{table} took {len(runs)} runs"


def killed_within_a_run(shop: LiveShop, running: Up) -> None:
    """The daemon and the run that it started are killed once bronze has committed; `lakehouse up` says so and ends."""
    shop.land("within.csv", {500 + number: (f"2025-12-{number + 1:02}", "p1") for number in range(0, 30, 3)})
    wait_for_commit(shop, SOURCE)
    (daemon,) = running.pids("dagster._daemon")
    # Left to itself, the run would have half a minute to end in good order.
    for pid in (daemon, *running.pids()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert running.ends() == 1
    assert shop.instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])), "the run did not end by itself"


def killed_between_commit_and_events(shop: LiveShop, running: Up) -> None:
    """All processes are stopped once silver has committed, and killed before any of its events is stored."""
    shop.land("events.csv", {600 + number: (f"2025-11-{number + 1:02}", "p2") for number in range(0, 30, 2)})
    wait_for_commit(shop, SILVER)
    # Those of the run were started last and stop first.
    pids = sorted(running.pids(), reverse=True)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    snapshot = shop.lakehouse.snapshot(SILVER)
    assert snapshot is not None and not is_reported(shop.instance, shop.lakehouse, SILVER, snapshot), "its events were stored already"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert running.ends() == 1


def wait_for_commit(shop: LiveShop, table: str) -> None:
    """Come back within a millisecond or so of the table's next commit."""
    commit = Path(shop.lakehouse.location(table)) / "_delta_log" / f"{shop.version(table) + 1:020}.json"
    deadline = time.monotonic() + SECONDS
    while not commit.exists():
        assert time.monotonic() < deadline, f"{table} was not committed to"
        time.sleep(0.001)


def nothing_is_lost_doubled_or_unknown(shop: LiveShop, running: Up) -> None:
    home = shop.lakehouse.settings.home
    assert shop.revenue() == shop.expected_revenue()
    assert (rows(home, SILVER), rows(home, FACT)) == (len(shop.landed), len(shop.landed))
    assert rows(home, PRODUCT) == 5, "three versions of one product, one of the other, and the row for none"
    accounts = lakehouse_json(home, "--project", str(shop.lakehouse.settings.project), "accounts", SILVER)
    assert sum(entry["accepted"] for entry in accounts) == sum(entry["read"] for entry in accounts) == len(shop.landed)
    for table in (SOURCE, *TABLES):
        assert set(shop.known(table)) == shop.to_be_known(table), f"Dagster does not know every commit of {table}"
    for table in PARTITIONED:
        node = running.server.ask(PARTITIONS, key={"path": table.split("/")})["assetNodeOrError"]
        assert node["partitionStats"]["numMaterialized"] == len(shop.expected_revenue())


def settled(shop: LiveShop, what: str) -> None:
    told(what, wait_for(shop.is_settled, what, SECONDS))


def told(what: str, seconds: float) -> None:
    sys.stderr.write(f"{what}: {seconds:.1f} s\n")

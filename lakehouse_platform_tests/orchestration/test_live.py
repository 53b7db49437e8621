"""A webserver and a daemon over the shipped workspace.yaml: files that land are taken in, and a backfill through GraphQL shows every partition.

With LAKEHOUSE_TEST_DATA (a folder of the real data sets) the backfill is of the whole retail year; otherwise of some weeks of a small shop.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.demo.landing import land as land_products
from lakehouse_platform.orchestration.instance import prepare_home
from lakehouse_platform.settings import Settings
from lakehouse_platform_tests.e2e.server import Server, free_port, wait_for
from lakehouse_platform_tests.orchestration.shop import DAILY, FACT, SILVER, land, order, write_shop

ROOT = Path(__file__).parents[2]
REAL_DATA = os.environ.get("LAKEHOUSE_TEST_DATA")
SECONDS = 900 if REAL_DATA else 240

_BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename ... on LaunchBackfillSuccess { backfillId } }
}
"""
_STATUS = "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
_RUNS = "query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { runId status } } } }"
_PARTITIONS = """
query($key: AssetKeyInput!, $limit: Int!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode {
    partitionStats { numPartitions numMaterialized numFailed }
    assetMaterializations(limit: $limit) {
      partition
      runId
      metadataEntries { label ... on IntMetadataEntry { intValue } }
    }
  } }
}
"""


@dataclass(frozen=True)
class Product:
    """What is backfilled: the settings of its lakehouse, its source, its daily tables and the days."""

    settings: Settings
    source: str
    tables: tuple[str, ...]
    days: tuple[str, ...]
    rows: int


@pytest.fixture
def product(tmp_path: Path) -> Product:
    """Files that have landed, none of them taken in."""
    if REAL_DATA:
        settings = Settings(home=tmp_path / "home", project=None)
        land_products(settings.landing, Path(REAL_DATA))
        days = _days(date(2010, 12, 1), date(2011, 12, 9))
        return Product(settings, "retail_transactions", ("silver/order_lines", "gold/daily_sales", "gold/fact_sales"), days, 536_639)
    settings = write_shop(tmp_path)
    days = _days(date(2026, 1, 1), date(2026, 2, 14))
    land(settings, "orders.csv", [order(number, day) for number, day in enumerate(days)])
    return Product(settings, "shop_orders", (SILVER, DAILY, FACT), days, len(days))


@pytest.fixture
def server(product: Product) -> Iterator[Server]:
    """A webserver and a daemon of their own, as a deployment has them."""
    prepare_home(product.settings)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(product.settings.dagster_home),
        "LAKEHOUSE_HOME": str(product.settings.home),
        "PYTHONPATH": str(ROOT),
        **({"LAKEHOUSE_PROJECT": str(product.settings.project)} if product.settings.project else {}),
    }
    port = free_port()
    workspace = ["-w", str(ROOT / "workspace.yaml")]
    with ExitStack() as stack:
        for module, arguments in (("dagster_webserver", ["-p", str(port), *workspace]), ("dagster._daemon", ["run", *workspace])):
            log = stack.enter_context((product.settings.dagster_home / f"{module}.log").open("w"))
            stack.enter_context(_process([sys.executable, "-m", module, *arguments], environment, log))
        running = Server(port)
        wait_for(running.answers, "the webserver", SECONDS)
        yield running


def test_what_lands_is_taken_in_and_a_backfill_shows_every_partition(product: Product, server: Server) -> None:
    job = f"increment_{product.source}"
    wait_for(lambda: "SUCCESS" in _statuses(server, job), f"{job} to be launched by its sensor and to succeed", SECONDS)
    assert _statuses(server, job) == ["SUCCESS"]

    launched = server.ask(
        _BACKFILL, params={"assetSelection": [{"path": table.split("/")} for table in product.tables], "partitionNames": list(product.days)}
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    wait_for(lambda: _backfill_status(server, launched["backfillId"]).startswith("COMPLETED"), "the backfill to end", SECONDS)
    assert _backfill_status(server, launched["backfillId"]) == "COMPLETED_SUCCESS"

    tag = {"key": "dagster/backfill", "value": launched["backfillId"]}
    runs = {run["runId"] for run in server.ask(_RUNS, filter={"tags": [tag]})["runsOrError"]["results"]}
    for table in product.tables:
        node = server.ask(_PARTITIONS, key={"path": table.split("/")}, limit=3 * len(product.days))["assetNodeOrError"]
        assert node["partitionStats"]["numFailed"] == 0
        assert node["partitionStats"]["numMaterialized"] >= len(product.days)
        rows = {
            event["partition"]: entry["intValue"]
            for event in node["assetMaterializations"]
            for entry in event["metadataEntries"]
            if event["runId"] in runs and entry["label"] == "dagster/partition_row_count"
        }
        assert set(rows) == set(product.days)
        if table == product.tables[0]:
            assert sum(rows.values()) == product.rows
    assert _statuses(server, job) == ["SUCCESS"], "the sensor asked for nothing more"


def _statuses(server: Server, job: str) -> list[str]:
    return [run["status"] for run in server.ask(_RUNS, filter={"pipelineName": job})["runsOrError"]["results"]]


def _backfill_status(server: Server, backfill: str) -> str:
    status: str = server.ask(_STATUS, id=backfill)["partitionBackfillOrError"]["status"]
    return status


@contextmanager
def _process(command: list[str], environment: dict[str, str], log: Any) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _days(first: date, last: date) -> tuple[str, ...]:
    return tuple((first + timedelta(offset)).isoformat() for offset in range((last - first).days + 1))

"""A shop under `lakehouse up`: what its tables hold, what Dagster knows of their commits, which processes serve it. Not here: what happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import dagster as dg

from lakehouse_platform.medallion.history import Version, versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.orchestration.metadata import DATA_VERSION_TAG, data_version
from lakehouse_platform.orchestration.names import asset_key, increment_job_name
from lakehouse_platform.orchestration.reporting import is_reported
from lakehouse_platform.orchestration.sensors import UNFINISHED
from lakehouse_platform_tests.e2e.commands import COMMAND, environment
from lakehouse_platform_tests.e2e.server import Server, free_port
from lakehouse_platform_tests.e2e.tables import connect
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, DAILY, SILVER, SOURCE, TABLES, land

PARTITIONS = "query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { partitionStats { numMaterialized } } } }"


@dataclass(frozen=True)
class Up:
    """`lakehouse up` as a process of this one, and the page that it serves."""

    process: subprocess.Popen[bytes]
    server: Server

    def pids(self, command: str = "") -> list[int]:
        """The processes below it, those of runs among them, whose command line holds a text."""
        children: dict[int, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(path.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(path.parent.name))
        found, waiting = [], [self.process.pid]
        while waiting:
            below = children.get(waiting.pop(), [])
            found += below
            waiting += below
        return [pid for pid in found if not command or command in _command_line(pid)]

    def ends(self) -> int:
        """Wait until it has ended, and give its exit code."""
        return self.process.wait(90)


@dataclass
class LiveShop:
    """A shop with the instance that knows its runs. `landed` are all orders by number: product, day and amount."""

    lakehouse: Lakehouse
    instance: dg.DagsterInstance
    landed: dict[int, tuple[str, Decimal]] = field(default_factory=dict)

    def land(self, name: str, orders: Mapping[int, tuple[str, str]], *, product_name: str = "name", hour: int = 10) -> None:
        """Drop a file of orders (day and product by number) into the landing folder, just now."""
        rows = []
        for number, (day, product) in orders.items():
            amount = Decimal(number) / 100
            self.landed[number] = (day, amount)
            rows.append(f"o{number},{day} {hour}:00:00,{product},{product_name} {product},c{number % 2},{amount}")
        land(self.lakehouse.settings, name, rows, age_seconds=0)

    def version(self, table: str) -> int:
        """The table's version, -1 where there is none."""
        snapshot = self.lakehouse.snapshot(table)
        return -1 if snapshot is None else snapshot.version

    def is_settled(self) -> bool:
        """Whether all that landed is in silver and gold, Dagster knows of every commit, and no increment runs; customers have times of their own."""
        snapshots = {table: self.lakehouse.snapshot(table) for table in (SOURCE, *TABLES)}
        silver, increments = snapshots[SILVER], dg.RunsFilter(job_name=increment_job_name(SOURCE), statuses=UNFINISHED)
        if silver is None or silver.rows != len(self.landed) or self.instance.get_runs(increments, limit=1):
            return False
        if any(snapshot is None and table != CUSTOMER for table, snapshot in snapshots.items()):
            return False
        return all(snapshot is None or is_reported(self.instance, self.lakehouse, table, snapshot) for table, snapshot in snapshots.items())

    def commits(self, table: str, after: int = -1) -> list[Version]:
        """The commits of steps after a version."""
        return [version for version in versions_since(self.lakehouse, table, after) if version.record is not None]

    def moved(self, table: str, after: int) -> set[str]:
        """The partitions that the commits after a version touched."""
        return {key for version in self.commits(table, after) if version.record is not None for key in version.record.partitions}

    def known(self, table: str) -> dict[tuple[str, str | None], list[str]]:
        """The runs that told Dagster of each data version and partition."""
        found: dict[tuple[str, str | None], list[str]] = {}
        for record in self.instance.fetch_materializations(asset_key(table), 5000).records:
            event = record.asset_materialization
            assert event is not None and event.tags is not None
            found.setdefault((event.tags[DATA_VERSION_TAG], event.partition), []).append(record.run_id)
        return found

    def to_be_known(self, table: str) -> set[tuple[str, str | None]]:
        """Every data version and partition that the table's log tells of."""
        snapshot = self.lakehouse.snapshot(table)
        assert snapshot is not None
        has_partitions = table in self.lakehouse.project.tables and self.lakehouse.project.tables[table].attributes.partitions is not None
        return {
            (data_version(snapshot.table_id, version.version), partition)
            for version in self.commits(table)
            if version.record is not None
            for partition in (version.record.partitions if has_partitions else [None])
        }

    def revenue(self) -> dict[str, tuple[int, Decimal]]:
        """Orders and revenue by day as gold has them."""
        rows = connect(self.lakehouse.settings.home, DAILY).execute("SELECT order_date, orders, revenue FROM t").fetchall()
        return {day.isoformat(): (orders, revenue) for day, orders, revenue in rows}

    def customers_orders(self) -> int:
        """All customers' orders as gold has them."""
        if self.version(CUSTOMER) < 0:
            return 0
        found = connect(self.lakehouse.settings.home, CUSTOMER).execute("SELECT sum(orders)::BIGINT FROM t").fetchone()
        return int(found[0] or 0) if found is not None else 0

    def expected_revenue(self) -> dict[str, tuple[int, Decimal]]:
        """Orders and revenue by day of all that landed."""
        days: dict[str, tuple[int, Decimal]] = {}
        for day, amount in self.landed.values():
            orders, revenue = days.get(day, (0, Decimal(0)))
            days[day] = (orders + 1, revenue + amount)
        return days


@contextmanager
def up(shop: LiveShop) -> Iterator[Up]:
    """Start `lakehouse up`; whatever is left of it is gone at the end."""
    settings, port = shop.lakehouse.settings, free_port()
    variables = {**environment(settings.home), "LAKEHOUSE_PROJECT": str(settings.project), "LAKEHOUSE_RETRY_SECONDS": "1"}
    with (settings.home.parent / "up.log").open("ab") as log:
        process = subprocess.Popen([*COMMAND, "up", "--port", str(port)], env=variables, stdout=log, stderr=log, start_new_session=True)
    running = Up(process, Server(port))
    try:
        yield running
    finally:
        left = running.pids()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in left:
            if str(settings.home) in _environment(pid):
                os.kill(pid, signal.SIGKILL)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
    except OSError:
        return ""


def _environment(pid: int) -> str:
    """A process's environment: its id alone may be another's by now."""
    try:
        return Path(f"/proc/{pid}/environ").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

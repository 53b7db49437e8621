"""A lakehouse that lives for one example: land files, run steps, read tables. Tables are read through deltalake alone, never through the platform."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder
from hypothesis import HealthCheck, settings

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import Project

# The same hundred examples on every machine; one may take as long as its commits take.
hundred_examples = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

Row = dict[str, Any]
# When and by which run a row was made differs between runs that are equal; the score is compared where it is the question.
AUDIT_COLUMNS = ("processed_timestamp", "aggregation_timestamp")


@dataclass(frozen=True)
class World:
    """One lakehouse and what a test does with it."""

    lakehouse: Lakehouse
    _run_numbers: Iterator[int]

    def land(self, name: str, records: Iterable[Mapping[str, Any] | str]) -> None:
        """Put a file of JSON lines into the landing folder; a text is a line as it is."""
        path = self.lakehouse.settings.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def run(self, *tables: str, partitions: Collection[str] | None = None) -> StepResult:
        """Run the step of each table in turn, and give the last one's result."""
        for table in tables:
            result = run_step(self.lakehouse, table, run_id=f"run-{next(self._run_numbers)}", partitions=partitions)
        return result

    def delta(self, table: str) -> DeltaTable:
        """The table as deltalake opens it."""
        return DeltaTable(self.lakehouse.location(table))

    def rows(self, table: str) -> list[Row]:
        """All rows of a table; none while there is no table."""
        if not DeltaTable.is_deltatable(self.lakehouse.location(table)):
            return []
        found = QueryBuilder().register("t", self.delta(table)).execute("SELECT * FROM t").read_all()
        rows: list[Row] = pa.table(found).to_pylist()
        return rows

    def contents(self, table: str, *without: str) -> list[Row]:
        """All rows in an order of their own, without audit columns, the platform's hidden ones and those named."""
        left_out = {*AUDIT_COLUMNS, *without}
        kept = [{name: value for name, value in row.items() if name not in left_out and not name.startswith("_")} for row in self.rows(table)]
        return in_order(kept)

    def files(self, table: str) -> dict[str, Row]:
        """The table's files by path, with the partition values that the log gives them; none while there is no table."""
        if not DeltaTable.is_deltatable(self.lakehouse.location(table)):
            return {}
        actions = pa.table(self.delta(table).get_add_actions()).to_pylist()
        return {action["path"]: action.get("partition") or {} for action in actions}

    def file_rows(self, table: str) -> dict[str, list[Row]]:
        """The rows of each of the table's files, each file read by itself."""
        root = Path(self.lakehouse.location(table))
        return {path: [row | values for row in pq.ParquetFile(root / path).read().to_pylist()] for path, values in self.files(table).items()}


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows as a multiset: sorted by their text, so that two lists are equal when they hold the same rows."""
    return sorted(rows, key=lambda row: repr(sorted(row.items(), key=lambda item: item[0])))


@contextmanager
def world(project: Project) -> Iterator[World]:
    """A new, empty lakehouse of a project; everything is gone at the end."""
    with TemporaryDirectory(prefix="lakehouse-property-") as home:
        yield World(Lakehouse(Settings(home=Path(home), threads=1, settle_seconds=0), project), count(1))

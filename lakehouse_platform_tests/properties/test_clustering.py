"""Properties 13 and 30: a table laid in Z-order says so in its metadata, and a filter on any of the columns reads fewer of its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import BIGINT, DATE, STRING
from lakehouse_platform.delta.commit import create_table
from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.delta.prune import files_that_may_hold
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform_tests.properties.cared_tables import session
from lakehouse_platform_tests.properties.worlds import hundred_examples

COLUMNS = (Field("number", BIGINT), Field("day", DATE), Field("text", STRING))
# The SQL of a column's value for the k-th of 40 different ones, in an order that is its own.
VALUES = {"number": "{k} - 20", "day": "DATE '2024-01-01' + ({k} * 11 % 40)::INT", "text": "'t' || lpad(({k} * 7 % 40)::VARCHAR, 2, '0')"}
ROWS, DIFFERENT = 240, 40
clusterings = st.permutations(list(VALUES)).flatmap(lambda names: st.integers(1, 3).map(lambda count: tuple(names[:count])))


@pytest.fixture(scope="module")
def opened() -> Iterator[Session]:
    with session() as shared:
        yield shared


# Feature: data-lakehouse, Property 13: Z-ORDER application
@hundred_examples
@given(clusterings, st.integers(2, 3), st.integers(0, 99))
def test_property_13_the_table_shows_its_clustering(opened: Session, columns: tuple[str, ...], files: int, seed: int) -> None:
    with TemporaryDirectory(prefix="lakehouse-property-") as folder:
        snapshot = scattered(opened, f"{folder}/table", files, seed)
        optimize(opened, snapshot.location, cluster_by=columns, target_file_bytes=size_bytes(snapshot) // 5)
        assert json.loads(DeltaTable(snapshot.location).metadata().configuration.get("lakehouse.clusterBy", "[]")) == list(columns)
        clustered = reopened(snapshot)
        for name in columns:
            by_value = read_for_each(opened, clustered, name)
            assert min(len(found) for found in by_value.values()) < len(clustered.files), f"a filter on {name} leaves out files"
            held = opened.rows(f"SELECT DISTINCT {name}, _file FROM ({snapshot_scan(clustered, with_file=True)})")
            assert all(uri in {file.uri for file in by_value[value]} for value, uri in held), "and never one with a row in it"


# Feature: data-lakehouse, Property 30: Z-ORDER reorganization
@hundred_examples
@given(clusterings.filter(lambda columns: len(columns) == 2), st.integers(0, 99))
def test_property_30_related_values_lie_together(opened: Session, columns: tuple[str, ...], seed: int) -> None:
    with TemporaryDirectory(prefix="lakehouse-property-") as folder:
        before = scattered(opened, f"{folder}/table", 8, seed)
        rows = opened.rows(f"SELECT * FROM ({snapshot_scan(before)}) ORDER BY ALL")
        optimize(opened, before.location, cluster_by=columns, target_file_bytes=size_bytes(before) // 8)
        after = reopened(before)
        assert opened.rows(f"SELECT * FROM ({snapshot_scan(after)}) ORDER BY ALL") == rows
        for name in columns:
            touched = [sum(map(len, read_for_each(opened, snapshot, name).values())) / len(snapshot.files) for snapshot in (before, after)]
            assert touched[1] < 0.75 * touched[0], f"of the files a filter on {name} reads a smaller share than before"


def scattered(opened: Session, location: str, files: int, seed: int) -> Snapshot:
    """A table whose rows lie anywhere in its files."""
    drawn = [f"(hash(i * 3 + {seed + place}) % {DIFFERENT})::BIGINT" for place in range(len(VALUES))]
    outputs = ", ".join(f"{sql.format(k=k)} AS {name}" for (name, sql), k in zip(VALUES.items(), drawn, strict=True))
    added = []
    for number in range(files):
        rows = f"SELECT {outputs} FROM range({ROWS}) AS rows(i) WHERE i % {files} = {number}"
        added += opened.write(rows, location, ())
    create_table(location, COLUMNS, (), added=added)
    return reopened(location)


def reopened(table: Snapshot | str) -> Snapshot:
    snapshot = open_snapshot(table if isinstance(table, str) else table.location)
    assert snapshot is not None
    return snapshot


def size_bytes(snapshot: Snapshot) -> int:
    return sum(file.size_bytes for file in snapshot.files)


def read_for_each(opened: Session, snapshot: Snapshot, name: str) -> dict[Any, tuple[DataFile, ...]]:
    """The files that a filter on each value of a column reads, by the value."""
    values = opened.rows(f"SELECT DISTINCT {name} FROM ({snapshot_scan(snapshot)})")
    return {value: files_that_may_hold(snapshot.files, {name: (value, value)}, snapshot.columns) for (value,) in values}

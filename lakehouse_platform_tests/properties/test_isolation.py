"""Property 42: who has opened a table reads that version to the end, whatever writers and maintenance do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.delta.upkeep import checkpoint
from lakehouse_platform.delta.vacuum import vacuum
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform_tests.properties.cared_tables import CaredTable, Row, batches, cared_table, operations, session
from lakehouse_platform_tests.properties.worlds import hundred_examples

maintenance = st.sampled_from([("optimize", ()), ("optimize", ("id", "text")), ("vacuum", ()), ("checkpoint", ())])


@pytest.fixture(scope="module")
def opened() -> Iterator[Session]:
    with session() as shared:
        yield shared


# Feature: data-lakehouse, Property 42: Snapshot isolation
@hundred_examples
@given(st.lists(batches, min_size=1, max_size=2), st.lists(st.one_of(operations, maintenance), min_size=1, max_size=3))
def test_property_42_a_reader_sees_one_version(opened: Session, appended: list[Any], meanwhile: list[tuple[str, Any]]) -> None:
    with cared_table(opened) as table:
        for rows in appended:
            table.apply("append", rows)
        # What is there is older than any retention, so that nothing but the reader's version holds it.
        table.clock.age(24.0 * 30)
        reader = open_snapshot(table.location)
        assert reader is not None
        for kind, given_rows in [*meanwhile, ("optimize", ()), ("vacuum", ())]:
            happen(opened, table, kind, given_rows)
            assert seen(opened, reader) == table.model[reader.version], f"after {kind}"
        assert table.read() == table.model[max(table.model)]


def happen(opened: Session, table: CaredTable, kind: str, given_rows: Any) -> None:
    """One thing that a writer or maintenance does."""
    match kind:
        case "optimize":
            optimize(opened, table.location, cluster_by=given_rows)
        case "vacuum":
            vacuum(table.location, now=datetime.now(UTC))
        case "checkpoint":
            checkpoint(table.location)
        case _:
            table.apply(kind, given_rows)
            return
    table.rearranged()


def seen(opened: Session, reader: Snapshot) -> list[Row] | str:
    """The rows of the version that was opened; what is said where they cannot be read."""
    try:
        return sorted(opened.rows(f"SELECT part, id, text FROM ({snapshot_scan(reader)})"), key=repr)
    except LakehouseError as error:
        return str(error)

"""Many writers on one table: some serial order explains what each was told, and the log is whole at every moment. The oracle is a plain dict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import BIGINT, STRING
from lakehouse_platform.delta.ambiguous import CommitUnknown
from lakehouse_platform.delta.commit import create_table
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.writes import tables
from lakehouse_platform.writes.change import Written
from lakehouse_platform_tests.faulty_store import Fault, FaultyStore
from lakehouse_platform_tests.properties.worlds import hundred_examples

COLUMNS = (Field("key", BIGINT), Field("value", BIGINT), Field("day", STRING))
DAYS = ("monday", "tuesday")
WRITERS, SHARING = 3, 5
# What a table holds: value and day by key. No key is ever in it twice.
Rows = dict[int, tuple[int, str]]


def opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Session]]:
    """A session for each writer, for all examples: opening one costs more than a write."""
    with ExitStack() as stack:
        homes = [tmp_path_factory.mktemp("home") for _ in range(WRITERS)]
        yield [stack.enter_context(open_session(Settings(home=home, threads=1))) for home in homes]


def sql(rows: Rows) -> str:
    values = ", ".join(f"({key}::BIGINT, {value}::BIGINT, '{day}')" for key, (value, day) in rows.items())
    return f"SELECT * FROM (VALUES {values}) AS t(key, value, day)" if rows else "SELECT 1::BIGINT AS key, 1::BIGINT AS value, '' AS day WHERE false"


def stored(location: str, options: dict[str, str] | None = None) -> Rows:
    """The rows of a table as deltalake reads them."""
    found = DeltaTable(location, storage_options=options).to_pyarrow_table().to_pylist()
    rows = {row["key"]: (row["value"], row["day"]) for row in found}
    assert len(rows) == len(found), "a key is in the table twice"
    return rows


@dataclass(frozen=True)
class Write:
    """A write of one writer: what it does to a table, and what it makes of rows in a dict."""

    kind: str
    rows: Rows
    day: str = DAYS[0]

    def run(self, own: Session, location: str) -> Written:
        match self.kind:
            case "append":
                return tables.append(own, location, sql(self.rows), tries=50)
            case "replace":
                return tables.replace_partitions(own, location, sql(self.rows), [{"day": self.day}], tries=50)
            case "upsert":
                return tables.upsert(own, location, sql(self.rows), ("key",), tries=50)
            case _:
                return tables.delete(own, location, f"value % 2 = 0 AND day = '{self.day}'", tries=50)

    def after(self, before: Rows) -> Rows:
        match self.kind:
            case "append" | "upsert":
                return {**before, **self.rows}
            case "replace":
                return {key: row for key, row in before.items() if row[1] != self.day} | self.rows
            case _:
                return {key: row for key, row in before.items() if row[0] % 2 or row[1] != self.day}


@st.composite
def races(draw: st.DrawFn) -> list[list[Write]]:
    """What two or three writers do at the same time. Only an upsert writes keys that others may have."""
    fresh = iter(range(100, 1000))
    values, days = st.integers(0, 3), st.sampled_from(DAYS)

    def one() -> Write:
        kind, day = draw(st.sampled_from(["append", "replace", "upsert", "delete"])), draw(days)
        if kind == "upsert":
            return Write(kind, draw(st.dictionaries(st.integers(0, 3), st.tuples(values, days), min_size=1, max_size=3)))
        count = 0 if kind == "delete" else draw(st.integers(1, 2))
        return Write(kind, {next(fresh): (draw(values), day) for _ in range(count)}, day)

    return [[one() for _ in range(draw(st.integers(1, 2)))] for _ in range(draw(st.integers(2, WRITERS)))]


FIRST: Rows = {0: (0, DAYS[0]), 1: (1, DAYS[0]), 2: (2, DAYS[1])}


# Feature: data-lakehouse, Property 40: Concurrent write serialization
@hundred_examples
@given(writers=races())
def test_property_40_some_serial_order_explains_what_concurrent_writers_were_told(sessions: list[Session], writers: list[list[Write]]) -> None:
    with TemporaryDirectory() as folder:
        location, begin = f"{folder}/table", Barrier(len(writers))
        create_table(location, COLUMNS, ["day"], added=sessions[0].write(sql(FIRST), location, ["day"]))

        def work(number: int) -> list[tuple[Write, Written]]:
            begin.wait()
            return [(write, write.run(sessions[number], location)) for write in writers[number]]

        with ThreadPoolExecutor(len(writers)) as pool:
            done = [each for results in pool.map(work, range(len(writers))) for each in results]
        # A write that changed nothing is told the version that it looked at, so it comes after the one that made it.
        changed = [(write, told) for write, told in done if told.files_added or told.files_removed]
        assert sorted(told.version for _, told in changed) == list(range(1, DeltaTable(location).version() + 1))
        rows, states = FIRST, {0: FIRST}
        for write, told in sorted(changed, key=lambda each: each[1].version):
            before, rows = rows, write.after(rows)
            assert told.rows_added - told.rows_removed == len(rows) - len(before)
            states[told.version] = rows
        assert all(write.after(states[told.version]) == states[told.version] for write, told in done if (write, told) not in changed)
        assert stored(location) == rows


@st.composite
def failures(draw: st.DrawFn) -> Fault:
    """Of the requests of a write, one by its number fails, or all from there on: before the store sees it, after it did it, or instead."""
    method, times = draw(st.sampled_from([("PUT", 1), ("PUT", None), ("GET|HEAD|PUT|POST|DELETE", 1), ("GET|HEAD|PUT|POST|DELETE", None)]))
    when: Any = draw(st.sampled_from(["before", "after", "instead"]))
    return Fault(when, method, status=draw(st.sampled_from([500, 503, None])), times=times, skip=draw(st.integers(0, 4 if method == "PUT" else 16)))


@dataclass(frozen=True)
class Lake:
    """Tables in an object store behind a proxy that fails, and numbers that no example has had yet. They are read past the proxy."""

    bucket: str
    store: FaultyStore
    session: Session
    numbers: Iterator[int]

    def table(self, number: int) -> str:
        """The table of an example: a few share one, so that it has some versions, and few files to read."""
        location = f"{self.bucket}/table-{number // SHARING}"
        if number % SHARING == 0:
            tables.append(self.session, location, sql(FIRST), partition_by=["day"])
        return location

    def rows(self, location: str) -> Rows:
        options = self.store.store.environment()
        return stored(location, options) if DeltaTable.is_deltatable(location, options) else {}


@pytest.fixture
def lake(faulty: FaultyStore, sessions: list[Session]) -> Lake:
    bucket = faulty.store.new_bucket()
    sessions[0].reach(bucket)
    return Lake(bucket, faulty, sessions[0], count(100 * SHARING))


@dataclass(frozen=True)
class Act:
    """Something done to a table: its rows before and after, and how it is done."""

    location: str
    before: Rows
    after: Rows
    do: Callable[[], object]


def act_on(lake: Lake, kind: str) -> Act:
    """A write of a kind, of a row that no other write has."""
    own, number = lake.session, next(lake.numbers)
    location = lake.table(number)
    before, row, day = lake.rows(location), {number: (number, DAYS[number % 2])}, DAYS[number % 2]
    match kind:
        case "create":
            another = f"{location}-{number}"
            return Act(another, {}, row, lambda: tables.append(own, another, sql(row), partition_by=["day"]))
        case "retried":
            # Whoever writes again what failed, under the same transaction, has it once.
            do = partial(tables.append, own, location, sql(row), transaction=("example", number))
            return Act(location, before, {**before, **row}, do)
        case _:
            write = Write(kind, row, day)
            return Act(location, before, write.after(before), lambda: write.run(own, location))


# Feature: data-lakehouse, Property 41: Transaction atomicity
@settings(hundred_examples, suppress_health_check=[*HealthCheck])
@given(kind=st.sampled_from(["create", "append", "replace", "upsert", "delete", "retried"]), fault=failures())
def test_property_41_a_write_that_fails_midway_leaves_nothing(lake: Lake, kind: str, fault: Fault) -> None:
    act = act_on(lake, kind)
    lake.store.fail(replace(fault))
    told: LakehouseError | None = None
    try:
        act.do()
    except LakehouseError as error:
        told = error
    finally:
        lake.store.heal()
    rows = lake.rows(act.location)
    assert rows in (act.before, act.after), f"a part of the write is there, after: {told}"
    assert told is not None or rows == act.after, "told that it is done, and it is not"
    assert told is None or isinstance(told, CommitUnknown) or rows == act.before, f"told that nothing was committed, and it is: {told}"
    if kind == "retried":
        act.do()
        assert lake.rows(act.location) == act.after, "not there once"

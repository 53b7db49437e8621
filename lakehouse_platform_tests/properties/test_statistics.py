"""Property 15: after each write of any kind, the log's statistics of every file are those of its rows. The oracle reads log and files by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isinf, isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import BIGINT, DATE, DOUBLE, STRING, TIMESTAMP, decimal
from lakehouse_platform.delta.files import Field
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.settings import Settings
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform.writes.tables import append, delete, overwrite, replace_partitions, upsert
from lakehouse_platform_tests.properties.worlds import hundred_examples

COLUMNS = (
    Field("k", BIGINT),
    Field("part", STRING),
    Field("text", STRING),
    Field("number", DOUBLE),
    Field("exact", decimal(30, 4)),
    Field("at", TIMESTAMP),
    Field("day", DATE),
    Field("secret", STRING),
)
BARE = [field.name for field in COLUMNS if field.name not in ("part", "secret")]
LONGEST = 32
# Texts around the cut, with code points on both sides of the surrogates and the last one.
texts = st.text(st.sampled_from("aé\ud7ff\ue000\U0010ffff'\"\\") | st.characters(codec="utf-8"), max_size=4) | st.text(
    st.sampled_from("z\ud7ff\U0010ffff"), min_size=31, max_size=34
)
Row = tuple[Any, ...]
rows = st.tuples(
    st.integers(0, 6) | st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(["a", "b c", None]),
    st.none() | texts,
    st.none() | st.floats(),
    st.none() | st.decimals(min_value=Decimal("-" + "9" * 26), max_value=Decimal("9" * 26), places=4),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.none() | st.dates(),
    st.none() | texts,
)
batches = st.lists(rows, min_size=1, max_size=4)
writes = st.one_of(
    st.tuples(st.sampled_from(["append", "overwrite"]), batches),
    st.tuples(st.just("replace"), batches),
    st.tuples(st.just("upsert"), st.lists(rows, min_size=1, max_size=4, unique_by=lambda row: row[0])),
    st.tuples(st.just("delete"), st.integers(0, 6)),
    st.tuples(st.just("optimise"), st.none()),
)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with TemporaryDirectory() as home, open_session(Settings(home=Path(home), threads=1)) as opened:
        yield opened


# Feature: data-lakehouse, Property 15: Statistics update
@hundred_examples
@given(first=batches, then=st.lists(writes, min_size=1, max_size=3))
def test_property_15_statistics_are_those_of_the_rows(session: Session, first: list[Row], then: list[tuple[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        location = f"{folder}/table"
        for kind, argument in [("append", first), *then]:
            write(session, location, kind, argument)
            for add in active_files(location):
                assert_told(location, add)


def write(session: Session, location: str, kind: str, argument: Any) -> None:
    """One write of the platform; `secret` is classified."""
    unbounded = ["secret"]
    match kind:
        case "append":
            append(session, location, values_of(argument), columns=COLUMNS, partition_by=["part"], unbounded=unbounded)
        case "overwrite":
            overwrite(session, location, values_of(argument), unbounded=unbounded)
        case "replace":
            partitions = [{"part": part} for part in {row[1] for row in argument}]
            replace_partitions(session, location, values_of(argument), partitions, unbounded=unbounded)
        case "upsert":
            upsert(session, location, values_of(argument), ["k"], insert=argument[0][0] % 2 == 0, unbounded=unbounded)
        case "delete":
            delete(session, location, f"k = {argument}", unbounded=unbounded)
        case _:
            optimize(session, location, unbounded=unbounded)


def values_of(batch: list[Row]) -> str:
    """SQL of the rows."""
    outputs = ", ".join(f"CAST(c{number} AS {duckdb_type(field.type)}) AS {quote(field.name)}" for number, field in enumerate(COLUMNS))
    values = ", ".join(f"({', '.join(literal(value) for value in row)})" for row in batch)
    return f"SELECT {outputs} FROM (VALUES {values}) AS given({', '.join(f'c{number}' for number in range(len(COLUMNS)))})"


def active_files(location: str) -> list[dict[str, Any]]:
    """The adds of the newest version, by the commits' own text."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(location, "_delta_log").glob("*.json")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            action = json.loads(line) if line else {}
            if "remove" in action:
                found.pop(action["remove"]["path"], None)
            if "add" in action:
                found[action["add"]["path"]] = action["add"]
    return list(found.values())


def assert_told(location: str, add: dict[str, Any]) -> None:
    """The statistics of a file are exact, or as PROTOCOLS 7 cuts them."""
    told = json.loads(add["stats"], parse_float=Decimal)
    content = pq.ParquetFile(f"{location}/{unquote(add['path'])}").read().to_pydict()
    count = len(content["k"])
    assert told["numRecords"] == count
    for name in (*BARE, "secret"):
        assert told["nullCount"][name] == sum(value is None for value in content[name]), f"nulls of {name}"
    assert not {"secret", "part"} & {*told["minValues"], *told["maxValues"]}, "classified values and partitions are not told"
    for name in BARE:
        values = [value for value in content[name] if value is not None]
        bounds = tuple(as_value(name, told[side].get(name)) for side in ("minValues", "maxValues"))
        assert bounds == expected(name, values), f"bounds of {name}"


def as_value(name: str, bound: Any) -> Any:
    """A bound of the log as Python has values of the column."""
    match name, bound:
        case _, None:
            return None
        case "number", _:
            return float(bound)
        case "exact", _:
            return Decimal(bound)
        case "at", _:
            return datetime.fromisoformat(bound)
        case "day", _:
            return date.fromisoformat(bound)
    return bound


def expected(name: str, values: list[Any]) -> tuple[Any, Any]:
    """Minimum and maximum as PROTOCOLS has them."""
    if not values or (name == "number" and any(isnan(value) for value in values)):
        return None, None
    low, high = min(values), max(values)
    match name:
        case "number":
            return (None if isinf(low) else low), (None if isinf(high) else high)
        case "at":
            beyond = timedelta(microseconds=-high.microsecond % 1000)
            latest = datetime.max.replace(tzinfo=UTC)
            return low - timedelta(microseconds=low.microsecond % 1000), high + beyond if high <= latest - beyond else None
        case "text":
            return low[:LONGEST], raised(high)
    return low, high


def raised(text: str) -> str | None:
    """The text where it is short, else the least one of its beginning that is greater than all that begin so."""
    if len(text) <= LONGEST:
        return text
    kept = text[:LONGEST].rstrip("\U0010ffff")
    following = ord(kept[-1]) + 1 if kept else None
    return None if following is None else kept[:-1] + ("\ue000" if following == ord("\ud800") else chr(following))

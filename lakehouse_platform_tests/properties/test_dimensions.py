"""Property 12: versions of things through time, from change events and from rows in sequence. The oracle is plain SQL on a bare DuckDB connection."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform_tests.properties.projects import Folder, column, load, source, table
from lakehouse_platform_tests.properties.worlds import Row, World, hundred_examples, in_order, world

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
# An event: (file, line, device, moment in hours, operation, name, note). File and line are its place in the source.
Event = tuple[str, int, str, int, str, str | None, int]


def dimension(name: str, entity: str, time: str, upstream: str, **attributes: Any) -> Folder:
    """A dimension of devices whose name is tracked and whose note is not."""
    columns = [
        column(f"{entity}_key", "BIGINT", required=True, key=1),
        column("device", "STRING"),
        column("name", "STRING"),
        column("note", "INT"),
        column("effective_date", time, required=True),
        column("end_date", time),
        column("is_current", "BOOLEAN", required=True),
    ]
    sql = f"SELECT device, name, note FROM {upstream}"
    return table(name, sql, columns, refresh="scd2", business_key=["device"], track=["name"], **attributes)


CHANGES = load(
    source("bronze/device_changes", "devices/*.jsonl", changes="plain"),
    table(
        "silver/devices",
        "SELECT device, name, note FROM bronze.device_changes",
        [column("device", "STRING", required=True, key=1), column("name", "STRING"), column("note", "INT")],
        refresh="scd1",
    ),
    dimension("gold/dim_device", "device", "TIMESTAMP", "silver.devices", unknown_row=True),
    dimension("gold/dim_device_day", "device_day", "DATE", "silver.devices"),
)
SIGHTINGS = load(
    source("bronze/sightings", "sightings/*.jsonl"),
    table(
        "silver/sightings",
        "SELECT sighting, device, seen_at, name, note FROM bronze.sightings",
        [
            column("sighting", "INT", required=True, key=1),
            column("device", "STRING", required=True),
            column("seen_at", "TIMESTAMP", required=True),
            column("name", "STRING"),
            column("note", "INT", required=True),
        ],
        refresh="upsert",
    ),
    dimension("gold/dim_seen", "seen", "TIMESTAMP", "silver.sightings", sequence_by=["seen_at"]),
)

# Events of the same hour and of the same day are common, and so are returns to an earlier name.
moments = st.one_of(st.integers(0, 4), st.sampled_from([24, 25, 48]))
names = st.sampled_from(["Alice", "Bob", "", None])


@st.composite
def change_arrivals(draw: st.DrawFn) -> tuple[list[Event], list[list[str]]]:
    """Change events with exact repeats, shuffled into files whose names tell nothing of the order in which they arrive."""
    single = st.tuples(st.sampled_from("ab"), moments, st.sampled_from("cuuurdd"), names, st.integers(0, 2))
    events = draw(st.lists(single, min_size=1, max_size=9))
    repeats = draw(st.lists(st.sampled_from(events), max_size=3))
    return place(draw, [*events, *repeats])


@st.composite
def sighting_arrivals(draw: st.DrawFn) -> tuple[list[Event], list[int], list[list[str]]]:
    """Rows that name a device at a moment, some of which correct an earlier row of the same number, also its device and moment."""
    single = st.tuples(st.sampled_from("ab"), moments, st.just("u"), names, st.integers(0, 2))
    placed, groups = place(draw, draw(st.lists(single, min_size=1, max_size=9)))
    numbers = draw(st.lists(st.integers(1, 5), min_size=len(placed), max_size=len(placed)))
    return placed, numbers, groups


def place(draw: st.DrawFn, events: list[tuple[str, int, str, str | None, int]]) -> tuple[list[Event], list[list[str]]]:
    """Shuffle events into at most three files, and the files into runs."""
    shuffled = draw(st.permutations(events))
    files = draw(st.lists(st.sampled_from("cab"), min_size=len(shuffled), max_size=len(shuffled)))
    placed: list[Event] = []
    for name, event in zip(files, shuffled, strict=True):
        line = 1 + sum(other[0] == f"{name}.jsonl" for other in placed)
        placed.append((f"{name}.jsonl", line, *event))
    order = list(dict.fromkeys(f"{name}.jsonl" for name in files))
    cut = draw(st.integers(0, len(order)))
    return placed, [group for group in (order[:cut], order[cut:]) if group]


ORACLE = """
WITH once AS (            -- an exact repeat is one event, at its first place
  SELECT min(place) AS place, device, moment, operation, name, note FROM events GROUP BY ALL
), ranked AS (            -- of what happened at one effective time the last counts
  SELECT *, CAST(moment AS {time}) AS effective,
    row_number() OVER (PARTITION BY device, CAST(moment AS {time}) ORDER BY moment DESC, place DESC) AS nth
  FROM once
), marked AS (            -- an island begins where the name changes, and at either side of a delete
  SELECT *,
    CASE WHEN operation = 'd' OR lag(operation, 1, 'd') OVER earlier = 'd' OR name IS DISTINCT FROM lag(name) OVER earlier THEN 1 ELSE 0 END AS begins
  FROM ranked WHERE nth = 1 WINDOW earlier AS (PARTITION BY device ORDER BY effective)
), numbered AS (
  SELECT *, sum(begins) OVER (PARTITION BY device ORDER BY effective) AS island FROM marked
), islands AS (
  SELECT device, island, any_value(operation = 'd') AS deleted, min(effective) AS effective_date,
    max_by(struct_pack(name := name, note := note), effective) AS tail
  FROM numbered GROUP BY device, island
), bounded AS (
  SELECT *, lead(effective_date) OVER (PARTITION BY device ORDER BY effective_date) AS end_date FROM islands
)
SELECT device, tail.name, tail.note, effective_date, end_date, end_date IS NULL AS is_current FROM bounded WHERE NOT deleted
"""
CURRENT = """
SELECT device, name, note
FROM (SELECT *, row_number() OVER (PARTITION BY device ORDER BY moment DESC, place DESC) AS nth FROM events)
WHERE nth = 1 AND operation <> 'd'
"""


def ask(sql: str, events: Iterable[Event]) -> list[Row]:
    """The rows that plain SQL gives over a table of events, each with its moment and place."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        place = "place STRUCT(file VARCHAR, line INT)"
        connection.execute(f"CREATE TABLE events ({place}, device VARCHAR, moment TIMESTAMPTZ, operation VARCHAR, name VARCHAR, note INT)")
        for file, line, device, hour, operation, name, note in events:
            values = [{"file": file, "line": line}, device, EPOCH + timedelta(hours=hour), operation, name, note]
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", values)
        found = connection.execute(sql)
        columns = [part[0] for part in found.description]
        return in_order(dict(zip(columns, row, strict=True)) for row in found.fetchall())


def versions_of(events: Iterable[Event], time: str) -> list[Row]:
    """What SCD2 gives for a set of events, with effective times of a type."""
    return ask(ORACLE.format(time=time), events)


# Feature: data-lakehouse, Property 12: SCD Type 2 versioning
@hundred_examples
@given(change_arrivals(), st.sampled_from([("device", "TIMESTAMPTZ"), ("device_day", "DATE")]))
def test_property_12_versions_from_change_events(arriving: tuple[list[Event], list[list[str]]], dimension_of: tuple[str, str]) -> None:
    (events, groups), (entity, time) = arriving, dimension_of
    with world(CHANGES) as lakehouse:
        for group in groups:
            for name in group:
                lakehouse.land(f"devices/{name}", [change_event(event) for event in events if event[0] == name])
            lakehouse.run("bronze/device_changes", "silver/devices", f"gold/dim_{entity}")
        assert lakehouse.contents("silver/devices", "data_quality_score") == ask(CURRENT, repeats_at_first_place(events))
        assert versions(lakehouse, entity) == versions_of(events, time)


# Feature: data-lakehouse, Property 12: SCD Type 2 versioning
@hundred_examples
@given(sighting_arrivals())
def test_property_12_versions_from_rows_in_sequence(arriving: tuple[list[Event], list[int], list[list[str]]]) -> None:
    rows, numbers, groups = arriving
    with world(SIGHTINGS) as lakehouse:
        for group in groups:
            for name in group:
                lakehouse.land(f"sightings/{name}", [sighting(row, number) for row, number in zip(rows, numbers, strict=True) if row[0] == name])
            lakehouse.run("bronze/sightings", "silver/sightings", "gold/dim_seen")
        # Of the rows of one number the one at the last place is the correction that counts.
        last = {number: row for row, number in sorted(zip(rows, numbers, strict=True), key=lambda pair: pair[0][:2])}
        assert versions(lakehouse, "seen") == versions_of(last.values(), "TIMESTAMPTZ")


def change_event(event: Event) -> dict[str, Any]:
    file, line, device, hour, operation, name, note = event
    state = {"device": device, "name": name, "note": note}
    before, after = (state, None) if operation == "d" else (None, state)
    milliseconds = int((EPOCH + timedelta(hours=hour)).timestamp() * 1000)
    return {"op": operation, "ts_ms": milliseconds, "key": device, "before": before, "after": after, "place": f"{file}:{line}"}


def sighting(row: Event, number: int) -> dict[str, Any]:
    file, line, device, hour, _, name, note = row
    seen_at = (EPOCH + timedelta(hours=hour)).isoformat()
    return {"sighting": number, "device": device, "seen_at": seen_at, "name": name, "note": note, "place": f"{file}:{line}"}


def repeats_at_first_place(events: Iterable[Event]) -> list[Event]:
    once: dict[tuple[Any, ...], Event] = {}
    for event in sorted(events, key=lambda event: event[:2]):
        once.setdefault(event[2:], event)
    return list(once.values())


# (device, name, how many versions of that name it had before) -> surrogate key, over all examples: no arrival may give another.
SURROGATES: dict[tuple[str, Any, Any, int], int] = {}


def versions(lakehouse: World, entity: str) -> list[Row]:
    """A dimension's versions without their surrogate keys, after what must hold of them whatever the oracle says."""
    name = f"gold/dim_{entity}"
    rows = [row for row in lakehouse.rows(name) if row[f"{entity}_key"] != -1]
    by_device: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["effective_date"]):
        by_device.setdefault(row["device"], []).append(row)
    for device, history in by_device.items():
        assert sum(row["is_current"] for row in history) <= 1, f"{device} has two open versions"
        for earlier, later in pairwise(history):
            assert earlier["end_date"] is not None, f"{device}: a version after the open one"
            assert earlier["effective_date"] < earlier["end_date"] <= later["effective_date"], f"{device}: versions overlap or are empty"
        for position, row in enumerate(history):
            nth = sum(other["name"] == row["name"] for other in history[:position])
            key = row[f"{entity}_key"]
            assert SURROGATES.setdefault((name, device, row["name"], nth), key) == key, "the surrogate key depends on the order of arrival"
    keys = [row[f"{entity}_key"] for row in lakehouse.rows(name)]
    assert len(keys) == len(set(keys))
    return in_order({column: value for column, value in row.items() if column != f"{entity}_key" and not column.startswith("_")} for row in rows)

"""The SQL of versions against a plain Python model: out of order, deletes, re-inserts, duplicates, DATE and TIMESTAMP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import DATE, DOUBLE, STRING, TIMESTAMP, ColumnType
from lakehouse_platform.engine.duckdb import Session, memory_session
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.medallion.events import current_rows
from lakehouse_platform.medallion.versions import Versioning, versions

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
TYPES = {"id": STRING, "name": STRING, "note": STRING}


@dataclass(frozen=True)
class Event:
    id: str
    hours: int
    operation: str
    name: str | None
    note: str
    row: int

    def sql(self) -> str:
        values = [self.id, self.name, self.note, self.operation, EPOCH + timedelta(hours=self.hours)]
        position = f"struct_pack(source := 'f', row := {self.row}::BIGINT)"
        return f"({', '.join(literal(value) for value in values)}, {position}, '{self.row}')"


EVENTS = st.lists(
    st.builds(
        Event,
        id=st.sampled_from(["a", "b", "c"]),
        hours=st.integers(0, 60),
        operation=st.sampled_from(["u", "u", "c", "r", "d"]),
        name=st.sampled_from([None, "", "Ann", "Bo"]),
        note=st.sampled_from(["x", "y"]),
        row=st.just(0),
    ),
    min_size=1,
    max_size=25,
)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with memory_session() as opened:
        yield opened


def relation(events: list[Event]) -> str:
    columns = "id, name, note, _operation, _change_timestamp, _source_position, _event_hash"
    return f"SELECT * FROM (VALUES {', '.join(event.sql() for event in events)}) AS events({columns})"


def placed(events: list[Event]) -> list[Event]:
    return [Event(event.id, event.hours, event.operation, event.name, event.note, row) for row, event in enumerate(events)]


def effective(event: Event, time: ColumnType) -> datetime | date:
    moment = EPOCH + timedelta(hours=event.hours)
    return moment.date() if time == DATE else moment


def model(events: list[Event], time: ColumnType) -> set[tuple[Any, ...]]:
    found = set()
    for key in {event.id for event in events}:
        mine = sorted((event for event in events if event.id == key), key=lambda event: (event.hours, event.row))
        last = {effective(event, time): event for event in mine}
        open_version: tuple[Any, ...] | None = None
        for moment, event in last.items():
            if open_version is not None and event.operation != "d" and open_version[1] == event.name:
                open_version = (key, event.name, event.note, open_version[3])
                continue
            if open_version is not None:
                found.add((*open_version, moment))
            open_version = None if event.operation == "d" else (key, event.name, event.note, moment)
        if open_version is not None:
            found.add((*open_version, None))
    return found


def computed(session: Session, events: list[Event], time: ColumnType) -> list[tuple[Any, ...]]:
    versioning = Versioning(key=("id",), tracked=("name",), types=TYPES, time=time)
    return session.rows(f"SELECT id, name, note, _start, _end, _surrogate FROM ({versions(relation(events), versioning)})")


@given(events=EVENTS, time=st.sampled_from([DATE, TIMESTAMP]))
@settings(deadline=None, max_examples=150)
def test_versions_equal_the_model(session: Session, events: list[Event], time: ColumnType) -> None:
    rows = computed(session, placed(events), time)
    assert {row[:5] for row in rows} == model(placed(events), time)
    assert len({row[5] for row in rows}) == len(rows)
    assert all(0 <= row[5] < 16**15 for row in rows)


@given(events=EVENTS, order=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_order_of_arrival_does_not_matter(session: Session, events: list[Event], order: Any) -> None:
    shuffled = placed(events)
    order.shuffle(shuffled)
    assert sorted(computed(session, shuffled, TIMESTAMP), key=repr) == sorted(computed(session, placed(events), TIMESTAMP), key=repr)


@given(events=EVENTS)
@settings(deadline=None, max_examples=50)
def test_latest_rows_are_the_open_versions(session: Session, events: list[Event]) -> None:
    latest = session.rows(f"SELECT id, name, note FROM ({current_rows(relation(placed(events)), ('id',))})")
    assert set(latest) == {row[:3] for row in model(placed(events), TIMESTAMP) if row[4] is None}


def test_a_late_event_bisects_a_version(session: Session) -> None:
    names = [(5, "Alice"), (10, "Alice"), (15, "Alice"), (20, "Charlie"), (12, "Bob")]
    rows = computed(session, [Event("a", hours, "u", name, "", row) for row, (hours, name) in enumerate(names)], TIMESTAMP)
    hours = {start: (end, name) for _, name, _, start, end, _ in rows}
    at = [EPOCH + timedelta(hours=each) for each in (5, 12, 15, 20)]
    assert hours == {at[0]: (at[1], "Alice"), at[1]: (at[2], "Bob"), at[2]: (at[3], "Alice"), at[3]: (None, "Charlie")}


def test_an_earlier_start_leaves_the_surrogate_key_of_a_version(session: Session) -> None:
    events = [Event("a", 10, "u", "Ann", "", 0), Event("a", 20, "u", "Bo", "", 1)]
    late = Event("a", 5, "u", "Ann", "", 2)
    before = {row[1]: row[5] for row in computed(session, events, TIMESTAMP)}
    assert {row[1]: row[5] for row in computed(session, [*events, late], TIMESTAMP)} == before


def side_by_side(first: str, second: str) -> str:
    """Two upserts of one key, of two columns each."""
    moments = ((first, 0), (second, 1))
    rows = (f"('k', {values}, 'u', TIMESTAMPTZ '2024-01-0{row + 1}', {{'source': 'f', 'row': {row}}}, '{row}')" for values, row in moments)
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS events(id, a, b, _operation, _change_timestamp, _source_position, _event_hash)"


def test_values_that_look_alike_side_by_side_have_different_keys(session: Session) -> None:
    versioning = Versioning(key=("id",), tracked=("a", "b"), types={"id": STRING, "a": STRING, "b": STRING}, time=TIMESTAMP)
    events = side_by_side("'1:x', ''", "'1', 'x'")
    assert len(session.rows(f"SELECT DISTINCT _surrogate FROM ({versions(events, versioning)})")) == 2


def test_negative_zero_is_no_change(session: Session) -> None:
    versioning = Versioning(key=("id",), tracked=("a",), types={"id": STRING, "a": DOUBLE}, time=TIMESTAMP)
    assert len(session.rows(versions(side_by_side("0.0::DOUBLE, ''", "-0.0::DOUBLE, ''"), versioning))) == 1

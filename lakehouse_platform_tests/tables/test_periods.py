"""Hours, days, weeks and months: Python, DuckDB and Dagster agree on where each begins and what its key is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform.engine.duckdb import memory_session
from lakehouse_platform.tables.periods import Unit, following, key_of, last_of, named_moments, partition_sql, start_at, start_of
from lakehouse_platform_tests.properties.worlds import hundred_examples

UNITS: tuple[Unit, ...] = ("hour", "day", "week", "month")
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999), timezones=st.just(UTC))  # noqa: DTZ001 -- Hypothesis adds the zone


@settings(hundred_examples, max_examples=40)
@given(st.lists(moments, min_size=1, max_size=20), st.sampled_from(UNITS))
def test_a_moment_lies_in_the_period_of_its_key_in_python_and_in_duckdb(given_moments: list[datetime], unit: Unit) -> None:
    keys = []
    for moment in given_moments:
        start = start_of(moment, unit)
        assert start <= moment <= last_of(start, unit)
        assert start_at(key_of(start, unit), unit) == start
        if last_of(start, unit).year < 9999:
            after = following(start, unit)
            assert start_of(after, unit) == after == last_of(start, unit) + timedelta(microseconds=1)
        keys.append(key_of(start, unit))
    with memory_session() as session:
        values = ", ".join(f"(TIMESTAMPTZ '{moment.isoformat()}')" for moment in given_moments)
        found = session.rows(f"SELECT CAST({partition_sql(unit, 'moment')} AS VARCHAR) FROM (VALUES {values}) AS given(moment)")
    assert [key for (key,) in found] == keys


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("2024-01-31-05:30", "hour"),
        ("2024-01-31", "hour"),
        ("2024-01-31-05:00", "day"),
        ("2024-01-30", "week"),
        ("2024-01-31", "month"),
        ("x", "day"),
    ],
)
def test_a_text_that_begins_no_period_is_no_key(key: str, unit: Unit) -> None:
    with pytest.raises(ValueError, match=r".+"):
        start_at(key, unit)


def test_a_day_and_an_hour_can_be_named() -> None:
    day = datetime(2024, 1, 31, tzinfo=UTC)
    assert named_moments("2024-01-31") == (day, day + timedelta(hours=24, microseconds=-1))
    assert named_moments("2024-01-31-05:00") == (day + timedelta(hours=5), day + timedelta(hours=6, microseconds=-1))

"""Properties 16 and 17: a table as it was, against a dict that remembers every version. Commits are moved to the instants that are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.delta.tags import add_tag, pinned_versions
from lakehouse_platform.delta.upkeep import clean_log
from lakehouse_platform.delta.vacuum import vacuum
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.settings import Settings
from lakehouse_platform_tests.properties.past import DAYS, Past, Step, at, empty_past
from lakehouse_platform_tests.properties.worlds import hundred_examples

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
RETENTION_HOURS = 168
CHANGES = ("append", "append", "replace", "upsert", "delete", "restore")
rows = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2), st.sampled_from(DAYS)), min_size=1, max_size=4)


def steps(kinds: tuple[str, ...], most: int) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(st.sampled_from(kinds), rows, st.integers(0, 9)), min_size=2, max_size=most)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One for all examples: opening it costs more than an example."""
    with open_session(Settings(home=tmp_path_factory.mktemp("home"), threads=1)) as opened:
        yield opened


def shown(past: Past, times: list[datetime]) -> list[datetime]:
    """When each version counts as committed: by its own time, but after the one before it."""
    found: list[datetime] = []
    for time in times[: past.newest + 1]:
        found.append(max(time, found[-1] + MILLISECOND) if found else time)
    return found


# How far the clock goes on, or back, from one commit to the next; most clocks tell the same time more than once.
clocks = st.lists(st.sampled_from([0, 0, 1, 2, 60_000, 86_400_000, -1, -60_000, -7_200_000]), min_size=16, max_size=16)


# Feature: data-lakehouse, Property 16: Time travel correctness
@hundred_examples
@given(steps((*CHANGES, "optimize", "checkpoint"), 4), clocks, st.integers(0, 99))
def test_property_16_a_version_or_a_timestamp_gives_the_table_as_it_was(session: Session, done: list[Step], clock: list[int], chosen: int) -> None:
    with TemporaryDirectory(prefix="lakehouse-past-") as folder:
        past = empty_past(folder, session)
        for step in done:
            past.take(step)
        times = [BEGINNING + MILLISECOND * sum(clock[:number]) for number in range(1, len(clock) + 1)]
        past.move(times[: past.newest + 1])
        add_tag(past.location, "chosen", chosen % (past.newest + 1))

        found = past.read({version: f"VERSION AS OF {version}" for version in past.states} | {-1: "VERSION AS OF 'chosen'"})
        assert found.pop(-1) == past.states[chosen % (past.newest + 1)], "the tag names another version"
        assert found == past.states

        counted = shown(past, times)
        # Each version at the very time that it is shown with, or a moment later, and what stood just before it.
        asked = [instant + MILLISECOND / 2 * ((chosen + version) % 2) for version, instant in enumerate(counted)]
        asked += [instant - MILLISECOND / 2 for instant in counted[1:]]
        standing = {place: max(version for version, time in enumerate(counted) if time <= instant) for place, instant in enumerate(asked)}
        shown_then = past.read({place: at(instant) for place, instant in enumerate(asked)})
        assert shown_then == {place: past.states[version] for place, version in standing.items()}, "an instant shows another version than its own"


# Feature: data-lakehouse, Property 17: Version availability within retention
@hundred_examples
@given(
    steps((*CHANGES, "optimize", "checkpoint", "checkpoint"), 5),
    steps(("optimize", "checkpoint", "vacuum", "clean_log"), 4),
    st.lists(st.sampled_from([0, 1, 30, 120, 200]), min_size=16, max_size=16),
    st.integers(0, 99),
)
def test_property_17_versions_within_retention_outlive_maintenance(
    session: Session, done: list[Step], upkeep: list[Step], hours: list[int], chosen: int
) -> None:
    with TemporaryDirectory(prefix="lakehouse-past-") as folder:
        past = empty_past(folder, session)
        for step in done:
            past.take(step)
        ages = [sum(hours[number : past.newest + 1]) for number in range(past.newest + 1)]
        present = datetime.now(UTC)
        past.move(present - timedelta(hours=age) for age in ages)
        add_tag(past.location, "chosen", chosen % (past.newest + 1))

        # What stood when retention began is within it, and all that came after.
        first = max((version for version, age in enumerate(ages) if age >= RETENTION_HOURS), default=0)
        kept = {*range(first, past.newest + 1), *pinned_versions(past.location)}
        for step in [*upkeep, ("vacuum", [], 0), ("clean_log", [], 0)]:
            match step[0]:
                case "vacuum":
                    vacuum(past.location, retention_hours=RETENTION_HOURS, now=present)
                    past.remember()
                case "clean_log":
                    clean_log(past.location, keep_from_version=past.newest, log_retention_hours=RETENTION_HOURS, now=present)
                case _:
                    past.take(step)
        wanted = sorted(kept | set(range(first, past.newest + 1)))
        try:
            found = past.read({version: f"VERSION AS OF {version}" for version in wanted})
        except VersionGone as gone:
            raise AssertionError(f"a version that is to be kept is gone: {gone}") from gone
        assert found == {version: past.states[version] for version in wanted}

"""The log while many commit to it, and what becomes of a commit that keeps losing. The files that the log names hold no rows: they are not read."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Event
from typing import Any
from uuid import uuid4

from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import BIGINT
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.retry import CommitRetriesExhausted, with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform_tests.properties.worlds import hundred_examples

Actions = list[dict[str, Any]]


def opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


def files(number: int) -> list[WrittenFile]:
    return [WrittenFile(f"{uuid4().hex}.parquet", {}, 10, 1, {}) for _ in range(number)]


@contextmanager
def new_table() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        create_table(f"{folder}/table", [Field("id", BIGINT)], (), added=files(1), metadata={"files": 1, "gone": 0})
        yield f"{folder}/table"


def look(location: str) -> dict[int, Actions]:
    """The commits of a log by version, up to the first that is not there, each of whole lines of JSON."""
    log, found = Path(location, "_delta_log"), {}
    # Listed first: a version is there only after all before it, and so must be found now.
    listed = [int(path.stem) for path in log.glob("*.json") if path.stem.isdecimal()]
    for version in count():
        path = log / f"{version:020d}.json"
        if not path.exists():
            break
        found[version] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(version in found for version in listed), f"versions {sorted(listed)} are not without gaps"
    return found


def is_whole(actions: Actions) -> bool:
    """Whether a commit has as many actions as its committer put into it."""
    (info,) = (action["commitInfo"] for action in actions if "commitInfo" in action)
    return [sum(kind in action for action in actions) for kind in ("add", "remove")] == [info["files"], info["gone"]]


# Feature: data-lakehouse, Property 43: Transaction log atomicity
@hundred_examples
@given(writers=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=2, max_size=3))
def test_property_43_each_commit_is_whole_or_absent_and_versions_have_no_gaps(writers: list[list[int]]) -> None:
    with new_table() as location, ThreadPoolExecutor(len(writers) + 1) as pool:
        begin, is_over = Barrier(len(writers)), Event()

        def write(sizes: list[int]) -> list[int]:
            begin.wait()
            return [with_retries(lambda size=size: put(size), 100, sleep=lambda _: None) for size in sizes]  # type: ignore[misc]

        def put(size: int) -> int:
            now = opened(location)
            going = now.files[:2]
            return commit(now, added=files(size), removed=going, metadata={"files": size, "gone": len(going)})

        def watch() -> list[dict[int, Actions]]:
            looks = []
            while not is_over.wait(0.001):
                looks.append(look(location))
            return looks

        watching = pool.submit(watch)
        try:
            versions = sorted(version for done in pool.map(write, writers) for version in done)
        finally:
            is_over.set()
        last = look(location)
        assert versions == sorted(last)[1:] == list(range(1, sum(map(len, writers)) + 1))
        for seen in [*watching.result(), last]:
            assert all(is_whole(actions) for actions in seen.values()), "a part of a commit was seen"
            assert all(last[version] == actions for version, actions in seen.items()), "a commit became another"
        assert DeltaTable(location).version() == max(last)


FIRST_SECONDS, LONGEST_SECONDS = 0.05, 5.0


# Feature: data-lakehouse, Property 44: Conflict retry with backoff
@hundred_examples
@given(tries=st.integers(1, 10), rivals=st.integers(0, 10))
def test_property_44_a_lost_race_is_tried_again_later_and_later_up_to_a_limit(tries: int, rivals: int) -> None:
    """Before each of our commits so many rivals, one after the other, commit first: each race is lost for certain."""
    with new_table() as location, told() as records:
        waits: list[float] = []
        snapshots: list[Snapshot] = []

        def attempt() -> int:
            snapshots.append(opened(location))
            if len(snapshots) <= rivals:
                commit(opened(location), added=files(1))
            return commit(snapshots[-1], transactions={"ours": 1})

        if rivals < tries:
            assert with_retries(attempt, tries, sleep=waits.append) == rivals + 1
        else:
            try:
                with_retries(attempt, tries, sleep=waits.append)
            except CommitRetriesExhausted as error:
                text = str(error)
            else:
                text = "no error at all"
            assert f"{location} is at version {tries}, not at {tries - 1} any more: {tries} tries lost to other writers, nothing was changed" in text
            assert "LAKEHOUSE_COMMIT_TRIES" in text
        lost = min(rivals, tries - 1)
        # Read anew each time, and tried no more often than it must be or may be.
        assert [snapshot.version for snapshot in snapshots] == list(range(lost + 1))
        assert opened(location).transaction_version("ours") == (1 if rivals < tries else None)
        longest = [min(LONGEST_SECONDS, FIRST_SECONDS * 2**number) for number in range(lost)]
        assert len(waits) == lost
        assert all(bound / 2 <= wait < bound for wait, bound in zip(waits, longest, strict=True)), "not twice as long each time, less a random part"
        assert [record.getMessage().partition(" lost")[0] for record in records] == [f"try {number} of {tries}" for number in range(1, lost + 1)]
        assert all(f"again in {wait:.2f} s: {location} is at version" in record.getMessage() for record, wait in zip(records, waits, strict=True))


@contextmanager
def told() -> Iterator[list[logging.LogRecord]]:
    """What the retries write to the log meanwhile."""
    logger = logging.getLogger(with_retries.__module__)
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield records
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)

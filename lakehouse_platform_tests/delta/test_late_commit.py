"""A put that storage answers with an error and takes all the same, later: no write may be made twice because of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.transaction import create_table_with_add_actions

from lakehouse_platform.delta import commit as commit_module
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import Snapshot, WrittenFile
from lakehouse_platform.delta.handle import is_table
from lakehouse_platform.delta.opening import open_table
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.problems import TransientFault
from lakehouse_platform_tests.delta.conftest import COLUMNS

Write = Callable[..., list[WrittenFile]]
Ids = Callable[[], list[int]]


def test_a_put_that_lands_while_its_writer_looks_for_it_is_known_as_its_own(
    table: Snapshot, write: Write, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, opened = DeltaTable.create_write_transaction, open_table
    in_flight: list[Callable[[], None]] = []

    def timed_out(handle: DeltaTable, *arguments: Any, **options: Any) -> None:
        if in_flight or handle.version() > table.version:
            return put(handle, *arguments, **options)
        in_flight.append(lambda: put(handle, *arguments, **options))
        raise OSError("no answer in time")

    def landing(location: str, version: int | None = None) -> DeltaTable:
        if in_flight:
            in_flight.pop()()
        return opened(location, version)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", timed_out)
    monkeypatch.setattr(commit_module, "open_table", landing)

    def attempt() -> int:
        snapshot = open_snapshot(table.location)
        assert snapshot is not None
        return commit(snapshot, added=write(4))

    assert with_retries(attempt, 3, sleep=lambda seconds: None) == table.version + 1
    assert ids() == [1, 2, 3, 4]


def test_a_table_whose_making_lands_late_is_made_once(location: str, write: Write, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    create, look = create_table_with_add_actions, is_table
    in_flight: list[Callable[[], None]] = []

    def timed_out(*arguments: Any, **options: Any) -> None:
        in_flight.append(lambda: create(*arguments, **options))
        raise OSError("no answer in time")

    def landing(place: str) -> bool:
        in_flight.pop()()
        return look(place)

    monkeypatch.setattr(commit_module, "create_table_with_add_actions", timed_out)
    monkeypatch.setattr(commit_module, "is_table", landing)
    assert create_table(location, COLUMNS, ["day"], added=write(1, 2)) == 0
    assert ids() == [1, 2]


def test_a_put_that_did_not_land_says_that_nothing_was_committed(table: Snapshot, write: Write, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(handle: DeltaTable, *arguments: Any, **options: Any) -> None:
        raise OSError("no answer in time")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", refused)
    with pytest.raises(TransientFault, match=r"a commit to version 0 failed: no answer in time"):
        commit(table, added=write(4))
    assert ids() == [1, 2, 3]

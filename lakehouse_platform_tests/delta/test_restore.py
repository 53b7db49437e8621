"""Restoring a version is a commit like any other: after what was read, all or nothing, or an error that says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from deltalake import DeltaTable

from lakehouse_platform.contracts.types import BIGINT, STRING
from lakehouse_platform.delta import opening
from lakehouse_platform.delta.commit import CommitConflict, commit, create_table
from lakehouse_platform.delta.files import Field, Snapshot, WrittenFile
from lakehouse_platform.delta.handle import open_handle
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.problems import LakehouseError, TransientFault

Write = Callable[..., list[WrittenFile]]
Ids = Callable[[], list[int]]


def opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


def test_a_version_comes_back_with_the_transactions_that_it_is_given(table: Snapshot, write: Write, ids: Ids) -> None:
    commit(table, added=write(4), removed=table.files, transactions={"input:a": 7})
    now = opened(table.location)
    version = restore(now, 0, transactions={"input:a": 3}, metadata={"lakehouse": {"step": "restore"}})
    restored = opened(table.location)
    assert (version, restored.version, ids()) == (2, 2, [1, 2, 3])
    assert restored.transaction_version("input:a") == 3
    assert [file.path for file in restored.files] == [file.path for file in table.files]
    assert restored.files[0].minimums["id"] == 1
    # What was read before is what it was.
    assert now.version == 1


def test_a_partition_with_any_text_comes_back(session: Session, location: str) -> None:
    texts = ["2024-01-01-05:00", "a b%/ü", "x=y"]
    rows = ", ".join(f"({number}::BIGINT, '{text}')" for number, text in enumerate(texts))
    added = session.write(f"SELECT * FROM (VALUES {rows}) AS t(id, text)", location, ["text"])
    create_table(location, [Field("id", BIGINT), Field("text", STRING)], ["text"], added=added)
    first = opened(location)
    commit(first, removed=first.files)
    restore(opened(location), 0)
    assert session.rows(f"SELECT text FROM ({snapshot_scan(opened(location))}) ORDER BY id") == [(text,) for text in texts]


def test_a_restore_that_another_commit_overtook_does_nothing(table: Snapshot, write: Write, ids: Ids) -> None:
    commit(table, added=write(4))
    stale = opened(table.location)
    commit(stale, added=write(5))
    with pytest.raises(CommitConflict):
        restore(stale, 0)
    assert (opened(table.location).version, ids()) == (2, [1, 2, 3, 4, 5])


def test_a_version_whose_files_are_gone_is_not_restored(table: Snapshot, write: Write) -> None:
    commit(table, added=write(4), removed=table.files)
    for file in table.files:
        Path(file.uri).unlink()
    with pytest.raises(VersionGone, match="version 0 cannot be restored"):
        restore(opened(table.location), 0)
    with pytest.raises(VersionGone, match="version 9"):
        restore(opened(table.location), 9)
    assert opened(table.location).version == 1


def test_storage_that_does_not_answer_is_no_version_that_is_gone(table: Snapshot, write: Write, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(table, added=write(4))
    now = opened(table.location)
    handle_of = open_handle

    def unanswered(place: str, version: int | None = None) -> DeltaTable:
        if version == now.version:
            raise OSError("503 Service Unavailable")
        return handle_of(place, version)

    with monkeypatch.context() as patched:
        patched.setattr(opening, "open_handle", unanswered)
        with pytest.raises(TransientFault, match="503 Service Unavailable"):
            restore(now, 0)
    with monkeypatch.context() as patched:
        patched.setattr(DeltaTable, "restore", Mock(side_effect=OSError("503 Service Unavailable")))
        with pytest.raises(TransientFault, match="a commit to version 1 failed: 503 Service Unavailable"):
            restore(now, 0)
    assert ids() == [1, 2, 3, 4]


def test_a_table_that_rows_may_only_be_added_to_goes_not_back(table: Snapshot, write: Write, ids: Ids) -> None:
    DeltaTable(table.location).alter.set_table_properties({"delta.appendOnly": "true"})
    commit(opened(table.location), added=write(4))
    with pytest.raises(LakehouseError, match=r"append-only.*version 1 would remove rows; nothing was committed"):
        restore(opened(table.location), 1)
    assert ids() == [1, 2, 3, 4]

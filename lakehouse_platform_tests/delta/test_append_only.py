"""An append-only table loses no row but while the property is lifted, which a commit of its own says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deltalake.exceptions import CommitFailedError

from lakehouse_platform.delta.actions import commit_properties, remove_actions
from lakehouse_platform.delta.append_only import append_only_lifted, lift_append_only, put_back_append_only
from lakehouse_platform.delta.commit import CommitConflict, commit, create_table
from lakehouse_platform.delta.files import Snapshot, WrittenFile
from lakehouse_platform.delta.log import commits
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.delta.conftest import COLUMNS

Write = Callable[..., list[WrittenFile]]
Ids = Callable[[], list[int]]


def opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    assert snapshot is not None
    return snapshot


@pytest.fixture
def bronze(location: str, write: Write) -> Snapshot:
    create_table(location, COLUMNS, ["day"], added=write(1, 2, 3), configuration={"delta.appendOnly": "true"})
    return opened(location)


def test_rows_come_and_do_not_go(bronze: Snapshot, write: Write, ids: Ids) -> None:
    with pytest.raises(LakehouseError, match=r"append-only \(delta\.appendOnly\): this commit would remove 1 of its files; nothing was committed"):
        commit(bronze, added=write(4), removed=bronze.files)
    assert commit(bronze, added=write(4)) == 1
    assert ids() == [1, 2, 3, 4]


def test_its_files_may_be_rearranged(bronze: Snapshot, write: Write, ids: Ids) -> None:
    commit(bronze, added=write(1, 2, 3), removed=bronze.files, data_change=False)
    assert ids() == [1, 2, 3]
    assert [one.has_data_change for one in commits(bronze.location)] == [True, False]


def test_erasure_lifts_the_property_and_puts_it_back(bronze: Snapshot, write: Write, ids: Ids) -> None:
    with append_only_lifted(bronze.location, "erasure request 17") as lifted:
        commit(lifted, added=write(1), removed=lifted.files)
    assert ids() == [1]
    told = [(one.version, one.operation, one.metadata.get("maintenance"), one.metadata.get("reason")) for one in commits(bronze.location, 0)]
    assert told == [
        (1, "SET TBLPROPERTIES", "lift_append_only", "erasure request 17"),
        (2, "WRITE", None, None),
        (3, "SET TBLPROPERTIES", "put_back_append_only", ""),
    ]
    after = opened(bronze.location)
    assert after.configuration["delta.appendOnly"] == "true"
    with pytest.raises(LakehouseError, match="append-only"):
        commit(after, removed=after.files)
    # Nor does delta-rs, without our check, take such a commit.
    with pytest.raises(CommitFailedError, match="append-only"):
        after.handle.create_write_transaction(
            remove_actions(after.files), "append", after.handle.schema(), ["day"], commit_properties=commit_properties("x", None, None)
        )


def test_it_is_back_after_an_error_and_after_a_death(bronze: Snapshot, write: Write) -> None:
    with pytest.raises(ZeroDivisionError), append_only_lifted(bronze.location, "retention"):
        raise ZeroDivisionError
    assert opened(bronze.location).configuration["delta.appendOnly"] == "true"
    assert put_back_append_only(bronze.location) is None
    # As a process leaves it that dies in between.
    lift_append_only(bronze.location, "retention")
    with append_only_lifted(bronze.location, "retention, again") as lifted:
        commit(lifted, removed=lifted.files)
    assert opened(bronze.location).configuration["delta.appendOnly"] == "true"


def test_what_was_derived_under_other_properties_is_derived_anew(bronze: Snapshot, write: Write) -> None:
    with append_only_lifted(bronze.location, "retention") as lifted:
        other = lifted
    with pytest.raises(CommitConflict):
        commit(other, removed=other.files)


def test_it_is_lifted_for_a_reason_and_nowhere_else(table: Snapshot) -> None:
    with pytest.raises(LakehouseError, match="for a reason only"), append_only_lifted(table.location, " "):
        pass
    with append_only_lifted(table.location, "nothing to lift") as same:
        commit(same, removed=same.files)
    assert [one.operation for one in commits(table.location)] == ["CREATE TABLE", "WRITE"]

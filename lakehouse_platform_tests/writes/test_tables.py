"""Append, overwrite, replace partitions and delete: what a reader sees after, and what is refused before anything is committed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakehouse_platform.contracts.types import BIGINT, DOUBLE, INT, STRING, decimal
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.retry import CommitRetriesExhausted
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import QueryError, Session
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes import tables
from lakehouse_platform.writes.change import Written

Stored = Callable[[], list[tuple[Any, ...]]]


def rows(*values: tuple[Any, ...], columns: str = "id, name") -> str:
    return f"SELECT * FROM (VALUES {', '.join(str(value) if len(value) > 1 else f'({value[0]!r})' for value in values)}) AS t({columns})"


def snapshot_of(location: str) -> Snapshot:
    found = open_snapshot(location)
    assert found is not None
    return found


def parquet_files(location: str) -> set[str]:
    return {str(path.relative_to(location)) for path in Path(location).rglob("*.parquet")}


def test_the_first_append_makes_the_table_and_the_next_ones_add_to_it(session: Session, location: str, stored: Stored) -> None:
    first = tables.append(session, location, rows((1, "a"), (2, "b")), partition_by=["name"], configuration={"delta.appendOnly": "true"})
    assert first == Written(0, rows_added=2, files_added=2)
    assert tables.append(session, location, rows((3, "a"))) == Written(1, rows_added=1, files_added=1)
    assert stored() == [(1, "a"), (2, "b"), (3, "a")]
    assert snapshot_of(location).columns == (Field("id", INT), Field("name", STRING))
    assert (snapshot_of(location).partition_columns, snapshot_of(location).configuration["delta.appendOnly"]) == (("name",), "true")


def test_no_rows_make_no_version_unless_a_transaction_is_to_be_noted(session: Session, location: str) -> None:
    none = f"{rows((1, 'a'))} WHERE id > 1"
    assert tables.append(session, location, none).version == 0
    assert tables.append(session, location, none).version == 0
    assert tables.append(session, location, none, transaction=("feed", 3)).version == 1
    assert snapshot_of(location).transaction_version("feed") == 3


@pytest.mark.parametrize("version", [4, 5])
def test_a_transaction_that_the_table_knows_is_not_written_again(session: Session, location: str, stored: Stored, version: int) -> None:
    tables.append(session, location, rows((1, "a")), transaction=("feed", 5))
    again = tables.append(session, location, rows((2, "b")), transaction=("feed", version))
    assert again == Written(0, was_known=True)
    assert tables.upsert(session, location, rows((1, "z")), ["id"], transaction=("feed", version)).was_known
    assert stored() == [(1, "a")]
    assert tables.append(session, location, rows((2, "b")), transaction=("feed", 6)).rows_added == 1


def test_overwriting_replaces_all_rows_and_keeps_the_columns(session: Session, location: str, stored: Stored) -> None:
    tables.append(session, location, rows((1, "a"), (2, "b")))
    assert tables.overwrite(session, location, rows((9, "z"))) == Written(1, 1, 2, 1, 1)
    assert stored() == [(9, "z")]
    with pytest.raises(LakehouseError, match="has no column extra"):
        tables.overwrite(session, location, rows((9, "z", 1), columns="id, name, extra"))
    tables.overwrite(session, location, "SELECT 'x' AS id, 1.5::DOUBLE AS extra", evolve=True)
    assert snapshot_of(location).columns == (Field("id", STRING), Field("extra", DOUBLE))
    assert stored() == [("x", 1.5)]


def test_only_the_named_partitions_are_replaced(session: Session, location: str, stored: Stored) -> None:
    tables.append(session, location, rows((1, "a"), (2, "b"), (3, "c")), partition_by=["name"])
    (kept,) = (file for file in snapshot_of(location).files if file.partition_values["name"] == "c")
    done = tables.replace_partitions(session, location, rows((7, "a"), (8, "a")), [{"name": "a"}, {"name": "b"}])
    assert (done.rows_added, done.rows_removed, done.files_removed) == (2, 2, 2)
    assert stored() == [(3, "c"), (7, "a"), (8, "a")]
    assert kept in snapshot_of(location).files
    tables.replace_partitions(session, location, rows((9, "c")), "name >= 'c'")
    assert stored() == [(7, "a"), (8, "a"), (9, "c")]


def test_a_null_partition_can_be_named_and_a_part_of_the_columns_is_enough(session: Session, location: str, stored: Stored) -> None:
    several = "SELECT * FROM (VALUES (1, 'a', 1), (2, 'a', 2), (3, NULL, 1)) AS t(id, name, number)"
    tables.append(session, location, several, partition_by=["name", "number"])
    tables.replace_partitions(session, location, f"{several} WHERE FALSE", [{"name": None}, {"number": "2"}])
    assert stored() == [(1, "a", 1)]


@pytest.mark.parametrize("partitions", [[{"name": "a"}], "name = 'a'"])
def test_rows_of_other_partitions_are_refused_before_anything_is_committed(session: Session, location: str, stored: Stored, partitions: Any) -> None:
    tables.append(session, location, rows((1, "a"), (2, "b")), partition_by=["name"])
    before = parquet_files(location)
    with pytest.raises(LakehouseError, match="1 rows are of partitions that are not to be replaced, some of name = b"):
        tables.replace_partitions(session, location, rows((7, "a"), (8, "b")), partitions)
    assert stored() == [(1, "a"), (2, "b")]
    assert parquet_files(location) == before


@pytest.mark.parametrize(
    ("partition", "message"),
    [({"id": "1"}, "is not partitioned by id, but by number"), ({"number": "01"}, "write '1'"), ({"number": "x"}, "'x' is no value of number")],
)
def test_what_names_no_partition_is_refused(session: Session, location: str, partition: dict[str, str], message: str) -> None:
    tables.append(session, location, rows((1, 1), columns="id, number"), partition_by=["number"])
    with pytest.raises(LakehouseError, match=message):
        tables.replace_partitions(session, location, rows((1, 1), columns="id, number"), [partition])


def test_deleting_takes_rows_and_rewrites_only_files_that_had_some(session: Session, location: str, stored: Stored) -> None:
    for values in ([(1, "a"), (2, "a")], [(3, "b")], [(4, "c"), (5, None)]):
        tables.append(
            session,
            location,
            "SELECT * FROM (VALUES {}) AS t(id, name)".format(", ".join(f"({i}, {n!r})" for i, n in values)).replace("None", "NULL"),
        )
    before = {file.path: file.rows for file in snapshot_of(location).files}
    done = tables.delete(session, location, "name < 'b' AND id > 1 OR id = 3")
    assert (done.rows_removed, done.files_removed, done.files_added) == (2, 2, 1)
    assert stored() == [(1, "a"), (4, "c"), (5, None)]
    assert len(before.keys() & {file.path for file in snapshot_of(location).files}) == 1
    assert tables.delete(session, location, "name = 'zzz'") == Written(4 - 1 + 0)


def test_a_delete_that_fails_on_a_row_changes_nothing(session: Session, location: str, stored: Stored) -> None:
    tables.append(session, location, rows((0, "a"), (1, "b")))
    with pytest.raises(QueryError, match="division by zero"):
        tables.delete(session, location, "1 / id > 0")
    assert stored() == [(0, "a"), (1, "b")]


def test_deleting_from_no_table_is_an_error(session: Session, location: str) -> None:
    with pytest.raises(LakehouseError, match="is no table"):
        tables.delete(session, location, "id = 1")


def test_rows_are_brought_into_the_tables_columns_or_refused_by_name(session: Session, location: str, stored: Stored) -> None:
    create_table(location, [Field("id", BIGINT, nullable=False), Field("price", decimal(18, 3)), Field("name", STRING)], [])
    tables.append(session, location, "SELECT 1.5::DECIMAL(4,1) AS price, 7::TINYINT AS id")
    tables.append(session, location, "SELECT 8 AS id, NULL AS name, 2 AS price")
    assert [(key, float(price), name) for key, price, name in stored()] == [(7, 1.5, None), (8, 2.0, None)]
    for sql, message in {
        "SELECT 1 AS id, 1.5::DOUBLE AS price": "column 'price' is DECIMAL\\(18,3\\) in the table and DOUBLE in the rows",
        "SELECT 'x' AS name": "lack column 'id', which may not be null",
        "SELECT 1 AS id, 2 AS other": "has no column other",
        "SELECT 1 AS id, TIMESTAMP '2024-01-01' AS name": "column 'name': DuckDB's type TIMESTAMP",
        "SELECT NULLIF(range, 3) AS id FROM range(5)": "column 'id' may not be null, and is in 1 rows",
    }.items():
        with pytest.raises(LakehouseError, match=message):
            tables.append(session, location, sql)
    assert len(stored()) == 2
    assert len(parquet_files(location)) == 2


def test_a_table_evolves_by_nullable_columns_at_its_end_when_asked(session: Session, location: str, stored: Stored) -> None:
    tables.append(session, location, rows((1, "a")))
    done = tables.append(session, location, "SELECT 2.5::DOUBLE AS price, 2 AS id, 'b' AS name, 4 AS number", evolve=True)
    assert done.rows_added == 1
    assert [field.name for field in snapshot_of(location).columns] == ["id", "name", "price", "number"]
    assert stored() == [(1, "a", None, None), (2, "b", 2.5, 4)]
    tables.upsert(session, location, "SELECT 1 AS id, 'z' AS name, [1, 2] AS list", ["id"], evolve=True)
    assert stored() == [(1, "z", None, None, [1, 2]), (2, "b", 2.5, 4, None)]
    with pytest.raises(LakehouseError, match="'Name' is too like 'name'"):
        tables.append(session, location, 'SELECT 1 AS id, 2 AS "Name"', evolve=True)
    with pytest.raises(LakehouseError, match="column 'id' is INT in the table and STRING"):
        tables.append(session, location, "SELECT 'x' AS id", evolve=True)


def test_other_partition_columns_are_refused(session: Session, location: str) -> None:
    tables.append(session, location, rows((1, "a")))
    with pytest.raises(LakehouseError, match="is partitioned by nothing, not by name"):
        tables.append(session, location, rows((1, "a")), partition_by=["name"])


def test_an_append_only_table_is_appended_to_and_nothing_else(session: Session, location: str, stored: Stored) -> None:
    tables.append(session, location, rows((1, "a")), configuration={"delta.appendOnly": "true"})
    tables.upsert(session, location, rows((2, "b")), ["id"])
    before = parquet_files(location)
    with pytest.raises(LakehouseError, match="append-only"):
        tables.overwrite(session, location, rows((3, "c")))
    with pytest.raises(LakehouseError, match="append-only"):
        tables.upsert(session, location, rows((1, "z")), ["id"])
    with pytest.raises(LakehouseError, match="append-only"):
        tables.delete(session, location, "id = 1")
    assert stored() == [(1, "a"), (2, "b")]
    assert parquet_files(location) == before


def test_a_write_that_loses_a_race_is_derived_anew_and_its_files_go(
    session: Session, location: str, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the snapshot and the commit of a delete, another writer adds a row that the delete is about."""
    tables.append(session, location, rows((1, "a"), (2, "b")))
    raced: list[bool] = []

    def late_commit(target: Snapshot, **arguments: Any) -> int:
        if not raced:
            raced.append(True)
            tables.append(session, location, rows((3, "a")))
        return commit(target, **arguments)

    monkeypatch.setattr("lakehouse_platform.writes.committing.commit", late_commit)
    done = tables.delete(session, location, "name = 'a'")
    assert (done.version, done.rows_removed) == (2, 2)
    assert stored() == [(2, "b")]
    assert len(parquet_files(location)) == 3


def test_tries_are_bounded(session: Session, location: str, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.append(session, location, rows((1, "a")))

    def late_commit(target: Snapshot, **arguments: Any) -> int:
        commit(snapshot_of(location), added=session.write(rows((5, "other")), location, []))
        return commit(target, **arguments)

    monkeypatch.setattr("lakehouse_platform.writes.committing.commit", late_commit)
    with pytest.raises(CommitRetriesExhausted, match="2 tries lost"):
        tables.append(session, location, rows((2, "b")), tries=2)
    assert stored() == [(1, "a"), (5, "other"), (5, "other")]


def test_what_the_table_demands_of_each_row_is_held_while_it_is_written(session: Session, location: str, stored: Stored) -> None:
    tables.append(session, location, rows((1, "a"), (20, "b")))
    DeltaTable(location).alter.add_constraint({"small": "id < 100"})
    files = parquet_files(location)
    writes: tuple[Callable[[str], Written], ...] = (
        lambda sql: tables.append(session, location, sql),
        lambda sql: tables.overwrite(session, location, sql),
        lambda sql: tables.upsert(session, location, sql, ["name"]),
    )
    for write in writes:
        for bad in ("100", "NULL"):
            with pytest.raises(
                LakehouseError, match=r"a row breaks constraint small \(id < 100\), nothing was committed: \{'id': (100|NULL), 'name'"
            ):
                write(f"SELECT 3 AS id, 'c' AS name UNION ALL SELECT {bad}, 'a'")
    assert stored() == [(1, "a"), (20, "b")]
    tables.upsert(session, location, rows((99, "a"), (3, "c")), ["name"])
    assert stored() == [(3, "c"), (20, "b"), (99, "a")]
    with pytest.raises(LakehouseError) as hidden:
        tables.append(session, location, rows((100, "secret")), unbounded=["name"])
    assert "secret" not in str(hidden.value)
    assert files <= parquet_files(location)


def test_a_table_that_feeds_changes_is_replaced_as_a_whole_or_by_partitions(session: Session, location: str, stored: Stored) -> None:
    tables.append(session, location, rows((1, "a"), (2, "b")), partition_by=["name"], configuration={"delta.enableChangeDataFeed": "true"})
    tables.replace_partitions(session, location, rows((3, "a")), "name = 'a'")
    tables.replace_partitions(session, location, rows((4, "b")), [{"name": "b"}])
    assert stored() == [(3, "a"), (4, "b")]
    with pytest.raises(LakehouseError, match="feeds changes"):
        tables.upsert(session, location, rows((3, "b")), ["id"])
    tables.overwrite(session, location, rows((5, "c")))
    assert stored() == [(5, "c")]

"""Tables that are spelt oddly: columns with names that the writers use themselves, foreign partitions, places with `//`, days beyond 9999."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import (
    DeltaTable,
    Schema,
    write_deltalake,  # noqa: TID251 -- as another writer
)
from deltalake import Field as DeltaField
from deltalake.schema import ArrayType, MapType, PrimitiveType, StructType

from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.writes import tables
from lakehouse_platform.writes.optimize import optimize

Stored = Callable[[], list[tuple[Any, ...]]]


@pytest.mark.parametrize("name", ["_file", "_File_Row"])
def test_a_column_called_as_a_rows_place_is_refused_by_name_rather_than_taken_for_it(
    session: Session, location: str, stored: Stored, name: str
) -> None:
    tables.append(session, location, f"SELECT 1 AS id, 7 AS {name} UNION ALL SELECT 2, 8")
    with pytest.raises(LakehouseError, match=f"{name}.*rename"):
        tables.delete(session, location, "id = 1")
    with pytest.raises(LakehouseError, match=f"{name}.*rename"):
        tables.upsert(session, location, f"SELECT 1 AS id, 9 AS {name}", ["id"])
    assert stored() == [(1, 7), (2, 8)]


@pytest.mark.parametrize("name", ["_upsert_row", "_Upsert_Deleted"])
def test_a_column_called_as_one_of_the_upserts_own_is_refused_by_name(session: Session, location: str, stored: Stored, name: str) -> None:
    tables.append(session, location, f"SELECT 1 AS id, 7 AS {name} UNION ALL SELECT 2, 8")
    for rows in (f"SELECT 1 AS id, 9 AS {name}", "SELECT 1 AS id"):
        with pytest.raises(LakehouseError, match=f"{name}.*rename"):
            tables.upsert(session, location, rows, ["id"])
    assert stored() == [(1, 7), (2, 8)]


@pytest.mark.parametrize(
    ("value", "kind", "given"),
    [
        (datetime(2024, 1, 1, 10, tzinfo=UTC), pa.timestamp("us", "UTC"), "TIMESTAMPTZ '2024-01-02 10:00:00+00'"),
        (1.5, pa.float64(), "'nan'::DOUBLE"),
        (b"ab", pa.binary(), "'\\x01'::BLOB"),
    ],
)
def test_rows_of_a_partition_that_has_no_one_spelling_are_refused(
    *, session: Session, location: str, stored: Stored, value: object, kind: pa.DataType, given: str
) -> None:
    for number in (1, 2):
        write_deltalake(location, pa.table({"p": pa.array([value], kind), "v": pa.array([number])}), partition_by=["p"], mode="append")
    before = stored()
    with pytest.raises(LakehouseError, match=f"{location}: partition column 'p' is"):
        tables.append(session, location, f"SELECT {given} AS p, 2::BIGINT AS v")
    assert DeltaTable(location).version() == 1
    # Packing keeps the partition as the log has it.
    assert optimize(session, location).files_added == 1
    assert stored() == before


@pytest.mark.parametrize("spelt", ["{0}//table", "{0}/none/../table", "./table"])
def test_a_place_may_be_spelt_in_any_way(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelt: str) -> None:
    monkeypatch.chdir(tmp_path)
    location = spelt.format(tmp_path)
    for start in (0, 4):
        tables.append(session, location, f"SELECT i AS id, i % 2 AS part FROM range({start}, {start + 4}) AS t(i)", partition_by=["part"])
    assert tables.delete(session, location, "id = 1").rows_removed == 1
    assert tables.upsert(session, location, "SELECT 3::BIGINT AS id, 0::BIGINT AS part", ["id"]).rows_removed == 1
    assert optimize(session, location).files_added > 0
    found = DeltaTable(os.path.normpath(tmp_path / "table")).to_pyarrow_table().to_pydict()
    assert sorted(found["id"]) == [0, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMPTZ"])
def test_keys_beyond_the_years_of_python_are_found(session: Session, location: str, kind: str) -> None:
    keyed = f"SELECT CAST(k AS {kind}) AS k, v FROM (VALUES {{}}) AS t(k, v)"
    tables.append(session, location, keyed.format("('2024-01-01', 1), ('infinity', 2), ('12000-01-01', 3)"))
    tables.append(session, location, keyed.format("('2025-01-01', 4)"))
    done = tables.upsert(session, location, keyed.format("('infinity', 20), ('12000-01-01', 30)"), ["k"])
    assert (done.rows_added, done.rows_removed) == (2, 2)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (StructType([DeltaField("a", PrimitiveType("long"), nullable=False)]), "{'a': NULL::BIGINT}"),
        (ArrayType(PrimitiveType("long"), contains_null=False), "[NULL]::BIGINT[]"),
        (MapType(PrimitiveType("string"), PrimitiveType("long"), value_contains_null=False), "MAP {'a': NULL::BIGINT}"),
    ],
)
def test_a_part_of_a_column_that_may_not_be_null_is_refused_by_name(session: Session, location: str, kind: StructType, given: str) -> None:
    DeltaTable.create(location, Schema([DeltaField("id", PrimitiveType("long")), DeltaField("part", kind)]))
    with pytest.raises(LakehouseError, match="a part of column 'part' that may not be null"):
        tables.append(session, location, f"SELECT 1::BIGINT AS id, {given} AS part")
    assert DeltaTable(location).version() == 0


@pytest.mark.parametrize("name", ["rowid", "_zorder_place"])
def test_a_column_called_as_one_of_the_sortings_own_is_refused_by_name(session: Session, location: str, name: str) -> None:
    for _ in range(2):
        tables.append(session, location, f"SELECT i AS id, 100 - i AS {name} FROM range(10) AS t(i)")
    with pytest.raises(LakehouseError, match=f"column '{name}' has a name that the sorting uses"):
        optimize(session, location, cluster_by=["id"])
    assert optimize(session, location).files_added == 1


def test_other_columns_do_not_make_a_table_forget_how_one_is_generated(session: Session, location: str, stored: Stored) -> None:
    generated = DeltaField("next", PrimitiveType("integer"), metadata={"delta.generationExpression": "id + 1"})
    DeltaTable.create(location, Schema([DeltaField("id", PrimitiveType("integer")), generated]))
    tables.append(session, location, "SELECT 1 AS id, 2 AS next")
    with pytest.raises(LakehouseError, match="generated column next, which other columns would make it forget"):
        tables.overwrite(session, location, "SELECT 1 AS id, 2 AS next, 'a' AS name", evolve=True)
    assert stored() == [(1, 2)]
    # A column that is added at the end leaves it as it is.
    tables.append(session, location, "SELECT 2 AS id, 3 AS next, 'b' AS name", evolve=True)
    with pytest.raises(LakehouseError, match="breaks generated column next"):
        tables.append(session, location, "SELECT 2 AS id, 9 AS next, 'b' AS name")


def test_a_partition_value_that_nobody_can_read_is_no_passing_fault(session: Session, location: str) -> None:
    tables.append(session, location, "SELECT 1.50::DECIMAL(5,2) AS part, 1 AS v", partition_by=["part"])
    log = Path(location, "_delta_log", f"{0:020}.json")
    log.write_text(log.read_text().replace('"1.50"', '"1.5"'))
    with pytest.raises(LakehouseError, match=r"cannot be read: .*Failed to parse value '1\.5'") as refused:
        tables.append(session, location, "SELECT 1.50::DECIMAL(5,2) AS part, 2 AS v")
    assert not isinstance(refused.value, TransientFault)

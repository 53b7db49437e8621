"""Which files may hold a key, by the log alone."""

from __future__ import annotations

from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.writes import tables
from lakehouse_platform.writes.keyed import files_with_keys


def found(session: Session, location: str, key: list[str], keys: str) -> list[int]:
    """The least id of each file that may hold one of the keys."""
    snapshot = open_snapshot(location)
    assert snapshot is not None
    session.table("wanted_keys", keys)
    return sorted(file.minimums["id"] for file in files_with_keys(session, snapshot, key, "wanted_keys"))


def test_files_between_clumps_of_keys_are_left_out(session: Session, location: str) -> None:
    for first in range(0, 50, 10):
        tables.append(session, location, f"SELECT i AS id, CASE WHEN i < 20 THEN 'a' ELSE 'b' END AS kind FROM range({first}, {first + 10}) AS t(i)")
    assert found(session, location, ["id"], "SELECT unnest([1, 2, 45, 99]) AS id") == [0, 40]
    assert found(session, location, ["id", "kind"], "SELECT * FROM (VALUES (5, 'a'), (15, 'b'), (45, 'zzz')) AS t(id, kind)") == [0, 10, 40]
    assert found(session, location, ["kind"], "SELECT 'b' AS kind") == [20, 30, 40]
    assert found(session, location, ["id"], "SELECT unnest([1, NULL]) AS id") == [0, 10, 20, 30, 40]
    assert found(session, location, ["id"], "SELECT 1 AS id WHERE FALSE") == []


def test_partitions_without_a_key_are_left_out(session: Session, location: str) -> None:
    tables.append(session, location, "SELECT i AS id, DATE '2024-01-01' + CAST(i AS INTEGER) AS day FROM range(9) AS t(i)", partition_by=["day"])
    assert found(session, location, ["id", "day"], "SELECT * FROM (VALUES (7, DATE '2024-01-02'), (1, DATE '2024-01-08')) AS t(id, day)") == [1, 7]

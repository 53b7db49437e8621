"""The same five functions on a table in an object store, and what a put that fails leaves there."""

from __future__ import annotations

from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.writes import tables
from lakehouse_platform_tests.object_store import bucket, s3  # noqa: F401 -- fixtures


def test_every_write_works_in_an_object_store(bucket: str, session: Session) -> None:  # noqa: F811
    session.reach(bucket)
    location = f"{bucket}/lake/a table"
    tables.append(session, location, "SELECT i AS id, 'd=' || (i % 3) AS day FROM range(9) AS t(i)", partition_by=["day"])
    tables.append(session, location, "SELECT 9 AS id, 'd=0' AS day, 1.5::DOUBLE AS price", evolve=True, transaction=("feed", 1))
    assert tables.append(session, location, "SELECT 9 AS id, 'd=0' AS day", transaction=("feed", 1)).was_known
    moved = tables.upsert(session, location, "SELECT * FROM (VALUES (1, 'd=0'), (20, NULL)) AS t(id, day)", ["id"])
    assert (moved.rows_added, moved.rows_removed) == (2, 1)
    assert tables.upsert(session, location, "SELECT 20 AS id, NULL AS day", ["id"]).files_added == 0
    tables.replace_partitions(session, location, "SELECT 50 AS id, 'd=2' AS day", [{"day": "d=2"}])
    assert tables.delete(session, location, "id IN (0, 4)").rows_removed == 2
    found = open_snapshot(location)
    assert found is not None
    assert session.rows(f"SELECT * FROM ({snapshot_scan(found)}) ORDER BY id") == [
        (1, "d=0", None),
        (3, "d=0", None),
        (6, "d=0", None),
        (7, "d=1", None),
        (9, "d=0", 1.5),
        (20, None, None),
        (50, "d=2", None),
    ]
    tables.overwrite(session, location, "SELECT 1 AS id")
    assert open_snapshot(location).rows == 1  # type: ignore[union-attr]

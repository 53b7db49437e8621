"""A person's SQL over tables by their place: any Delta table, here and in an object store, as it is and as it was."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.selecting import NoSuchTable, selected
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import Project
from lakehouse_platform.writes.tables import append
from lakehouse_platform_tests.foreign.test_spark_tables import PACKED
from lakehouse_platform_tests.object_store import bucket, s3  # noqa: F401 -- fixtures


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    return Lakehouse(Settings(home=tmp_path / "home", threads=1), Project(tmp_path, {}, {}))


def unpacked(name: str, folder: Path) -> Path:
    """A table of Spark's, in a folder."""
    with tarfile.open(PACKED) as archive:
        archive.extractall(folder, [member for member in archive if member.name.startswith(f"{name}/")], filter="data")
    return folder / name


def answer(lakehouse: Lakehouse, sql: str) -> list[tuple[Any, ...]]:
    with lakehouse.session() as session:
        return selected(lakehouse, session, sql, None)[1]


def test_a_table_is_read_by_its_path_as_it_is_and_as_it_was(lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = unpacked("deletion_vectors", tmp_path / "Of Others")
    monkeypatch.chdir(tmp_path)
    for spelling in (table, "Of Others/deletion_vectors/", f"file:{table}", f"file://{table}"):
        assert answer(lakehouse, f"SELECT count(*), sum(id) FROM delta.`{spelling}`") == [(21, 258)]
    assert answer(lakehouse, f"SELECT count(*) FROM delta.`{table}` VERSION AS OF 1") == [(20,)]
    joined = f"SELECT old.id, new.name FROM delta.`{table}` VERSION AS OF 1 AS old LEFT JOIN delta.`{table}` AS new ON old.id = new.id"
    assert answer(lakehouse, f"{joined} WHERE old.id BETWEEN 3 AND 6 ORDER BY old.id") == [(3, None), (4, None), (5, "changed"), (6, "n6")]


def test_a_table_below_the_root_is_read_by_its_name(lakehouse: Lakehouse) -> None:
    unpacked("column_mapping_upgraded", Path(lakehouse.settings.tables_root) / "silver")
    assert answer(lakehouse, "SELECT id, c, a FROM silver.column_mapping_upgraded ORDER BY id") == [(1, "a1", "b1"), (2, "c2", "a2")]
    with pytest.raises(LakehouseError, match="uses columnMapping, which its parquet files alone do not show; `lakehouse query` reads it"):
        lakehouse.snapshot("silver/column_mapping_upgraded")


def test_times_without_a_zone_are_compared_as_those_of_utc(lakehouse: Lakehouse, tmp_path: Path) -> None:
    table = unpacked("timestamp_ntz", tmp_path)
    sql = "SELECT string(at), date(p), at = utc FROM delta.`{}` WHERE at > '2024-01-02 03:04:05' AND p >= DATE '2024-01-02'"
    ((text, day, is_equal),) = answer(lakehouse, sql.format(table))
    assert (text, day.isoformat(), is_equal) == ("2024-01-02 03:04:05.678901", "2024-01-02", True)


def test_what_is_no_table_and_what_cannot_be_read_is_told(lakehouse: Lakehouse, tmp_path: Path) -> None:
    table = unpacked("identity", tmp_path)
    day = next(table.glob("day=*"))
    with pytest.raises(NoSuchTable, match=f"no Delta table at {day}; name the table's own folder, such as {table}"):
        answer(lakehouse, f"SELECT * FROM delta.`{day}`")
    with pytest.raises(NoSuchTable, match=f"no Delta table at {tmp_path}/nowhere"):
        answer(lakehouse, f"SELECT * FROM delta.`{tmp_path}/nowhere`")
    with pytest.raises(LakehouseError, match="uses variantType"):
        answer(lakehouse, f"SELECT id FROM delta.`{unpacked('variant', tmp_path)}`")


def test_a_table_in_an_object_store_is_read_by_its_url(lakehouse: Lakehouse, bucket: str) -> None:  # noqa: F811
    with lakehouse.session() as session:
        session.reach(bucket)
        for number in (1, 2):
            append(session, f"{bucket}/of others/t", f"SELECT {number}::BIGINT AS id, 'a b' AS part", partition_by=["part"])
    assert answer(lakehouse, f"SELECT id, part FROM delta.`{bucket}/of others/t` ORDER BY id") == [(1, "a b"), (2, "a b")]
    assert answer(lakehouse, f"SELECT id FROM delta.`{bucket.replace('s3:', 's3a:')}/of others/t` VERSION AS OF 0") == [(1,)]

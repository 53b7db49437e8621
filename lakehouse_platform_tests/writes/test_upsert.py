"""Upsert: every shape of a merge equals a plain dictionary, whatever files hold the rows, and touches no file in which nothing differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.writes import tables, touched, upsert
from lakehouse_platform.writes.change import Written
from lakehouse_platform.writes.rewriting import grouped

Stored = Callable[[], list[tuple[Any, ...]]]
Row = tuple[int, str, str | None, float | None]
_COLUMNS = "number, kind, name, price"


def sql_of(rows: Sequence[Sequence[Any]], columns: str = _COLUMNS, types: Sequence[str] = ("INTEGER", "VARCHAR", "VARCHAR", "DOUBLE")) -> str:
    """SQL of rows; also of none."""
    names = columns.split(", ")
    typed = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in zip(names, types, strict=True))
    values = ", ".join(f"({', '.join(literal(value) for value in row)})" for row in rows or [[None] * len(names)])
    return f"SELECT {typed} FROM (VALUES {values}) AS t({columns})" + ("" if rows else " WHERE FALSE")


def paths(location: str) -> set[str]:
    found = open_snapshot(location)
    assert found is not None
    return {file.path for file in found.files}


@dataclass(frozen=True)
class Shape:
    """One way to merge."""

    update: bool = True
    insert: bool = True
    delete_missing: bool = False
    is_partitioned: bool = False
    is_large: bool = False


_ROWS = st.dictionaries(
    st.tuples(st.integers(0, 12), st.sampled_from(["a", "b"])),
    st.tuples(st.sampled_from(["x", "y z", None]), st.sampled_from([0.5, float("nan"), None])),
    max_size=12,
)
_SHAPES = st.builds(Shape, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans())


def flat(rows: dict[tuple[int, str], tuple[str | None, float | None]]) -> list[Row]:
    return [(*key, *values) for key, values in rows.items()]


@given(first=st.lists(_ROWS, max_size=2), source=_ROWS, gone=st.sets(st.tuples(st.integers(0, 12), st.sampled_from(["a", "b"]))), shape=_SHAPES)
@settings(max_examples=100, deadline=None)
def test_an_upsert_equals_a_dictionary(
    first: list[dict[tuple[int, str], tuple[str | None, float | None]]],
    source: dict[tuple[int, str], tuple[str | None, float | None]],
    gone: set[tuple[int, str]],
    shape: Shape,
) -> None:
    """The table is made of several files, is merged twice with the same source, and the second time is not touched.

    Files of a large table are compared by samples first, and rewritten in groups.
    """
    with a_table() as (session, location), pytest.MonkeyPatch.context() as patch:
        if shape.is_large:
            patch.setattr(touched, "_SAMPLED_FILE_BYTES", 0)
            patch.setattr(touched, "_SAMPLED_ROWS", 1)
            patch.setattr(upsert, "grouped", lambda files: grouped(files, 1))
        model: dict[tuple[int, str], tuple[str | None, float | None]] = {}
        for rows in first:
            tables.append(session, location, sql_of(flat({key: values for key, values in rows.items() if key not in model})), **partitioned(shape))
            model = {**rows, **model}
        marked = sql_of(
            [(*row, row[:2] in gone) for row in flat(source)], f"{_COLUMNS}, gone", ("INTEGER", "VARCHAR", "VARCHAR", "DOUBLE", "BOOLEAN")
        )
        expected = merged(model, source, gone, shape)
        how: dict[str, Any] = {"update": shape.update, "insert": shape.insert, "delete_missing": shape.delete_missing, **partitioned(shape)}
        for is_again in (False, True):
            before = paths(location) if is_again else set()
            written = tables.upsert(session, location, marked, ["number", "kind"], deleted="gone", **how)
            assert ordered(rows_of(session, location)) == ordered(flat(expected))
            if is_again:
                assert paths(location) == before
                assert (written.rows_added, written.rows_removed) == (0, 0)
            else:
                assert len(expected) == len(model) + written.rows_added - written.rows_removed


def merged(model: dict[Any, Any], source: dict[Any, Any], gone: set[Any], shape: Shape) -> dict[Any, Any]:
    """What the table is to hold."""
    kept = {key: values for key, values in model.items() if key not in (gone & source.keys()) and (key in source or not shape.delete_missing)}
    return kept | {key: values for key, values in source.items() if key not in gone and (shape.update if key in model else shape.insert)}


def partitioned(shape: Shape) -> dict[str, Any]:
    return {"partition_by": ["name"]} if shape.is_partitioned else {}


def ordered(rows: Sequence[Sequence[Any]]) -> list[str]:
    return sorted(map(repr, rows))


def rows_of(session: Session, location: str) -> list[tuple[Any, ...]]:
    found = open_snapshot(location)
    assert found is not None
    return session.rows(f"SELECT {_COLUMNS} FROM ({snapshot_scan(found)})")


@contextmanager
def a_table() -> Iterator[tuple[Session, str]]:
    with TemporaryDirectory() as folder, open_session(Settings(home=Path(folder) / "home", threads=1)) as session:
        yield session, f"{folder}/table"


def test_only_files_in_which_a_row_differs_are_rewritten(session: Session, location: str, stored: Stored) -> None:
    for first in (0, 10, 20):
        tables.append(session, location, f"SELECT i AS id, 'n' || i AS name FROM range({first}, {first + 10}) AS t(i)")
    before = paths(location)
    done = tables.upsert(session, location, "SELECT * FROM (VALUES (5, 'n5'), (15, 'other'), (99, 'new')) AS t(id, name)", ["id"])
    assert (done.rows_added, done.rows_removed, done.files_removed) == (2, 1, 1)
    assert len(paths(location) & before) == 2
    assert (15, "other") in stored()
    assert (99, "new") in stored()
    assert len(stored()) == 31


def test_a_row_moves_to_another_partition_and_stands_there_once(session: Session, location: str, stored: Stored) -> None:
    tables.append(session, location, "SELECT * FROM (VALUES (1, 'a'), (2, 'a'), (3, 'b')) AS t(id, day)", partition_by=["day"])
    untouched = {path for path in paths(location) if path.startswith("day=b")}
    tables.upsert(session, location, "SELECT 2 AS id, 'c' AS day", ["id"])
    assert stored() == [(1, "a"), (2, "c"), (3, "b")]
    assert untouched < paths(location)


def test_of_rows_that_doubled_before_an_upsert_leaves_one(session: Session, location: str, stored: Stored) -> None:
    """Another writer appended without looking: one of the two equals the source, and both go but for one."""
    for name in ("x", "y", "z"):
        tables.append(session, location, f"SELECT * FROM (VALUES (1, '{name}'), (2, '{name}{name}')) AS t(id, name)")
    done = tables.upsert(session, location, "SELECT 1 AS id, 'y' AS name", ["id"])
    assert stored() == [(1, "y"), (2, "xx"), (2, "yy"), (2, "zz")]
    assert (done.rows_added, done.rows_removed) == (1, 3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("SELECT * FROM (VALUES (1, 'a'), (1, 'b'), (2, 'c')) AS t(id, name)", "two rows have the same key, id = 1; give one row"),
        ("SELECT * FROM (VALUES (NULL, 'a'), (1, 'b')) AS t(id, name)", "column 'id' of the key is null in 1 rows"),
        ("SELECT 'a' AS name", "the rows lack id of the key"),
        ("SELECT 1.5::DOUBLE AS id, 'a' AS name", "column 'id' is INT in the table and DOUBLE in the rows"),
    ],
)
def test_a_source_without_one_row_for_each_key_is_refused(session: Session, location: str, stored: Stored, source: str, message: str) -> None:
    tables.append(session, location, "SELECT 1 AS id, 'old' AS name")
    with pytest.raises(LakehouseError, match=message):
        tables.upsert(session, location, source, ["id"])
    assert stored() == [(1, "old")]


def test_the_first_upsert_makes_the_table(session: Session, location: str, stored: Stored) -> None:
    done = tables.upsert(session, location, "SELECT 1 AS id, 'a' AS day", ["id"], partition_by=["day"])
    assert done == Written(0, rows_added=1, files_added=1)
    assert stored() == [(1, "a")]


def test_a_stream_that_can_be_read_only_once_is_source_enough(session: Session, location: str, stored: Stored) -> None:
    tables.append(session, location, "SELECT 1::BIGINT AS id, 'old' AS name")
    frame = pa.table({"id": [1, 2], "name": ["new", "new"]})
    session.feed("stream", pa.RecordBatchReader.from_batches(frame.schema, frame.to_batches()))
    tables.upsert(session, location, "SELECT * FROM stream", ["id"])
    assert stored() == [(1, "new"), (2, "new")]


def test_what_another_writer_appends_meanwhile_is_updated_too(
    session: Session, location: str, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append between the snapshot of an upsert and its commit brings a key of the source: derived anew, the key has one row."""
    tables.append(session, location, "SELECT 1 AS id, 'a' AS name")
    raced: list[bool] = []

    def late_commit(target: Snapshot, **arguments: Any) -> int:
        if not raced:
            raced.append(True)
            tables.append(session, location, "SELECT * FROM (VALUES (2, 'theirs'), (3, 'theirs')) AS t(id, name)")
        return commit(target, **arguments)

    monkeypatch.setattr("lakehouse_platform.writes.committing.commit", late_commit)
    done = tables.upsert(session, location, "SELECT * FROM (VALUES (1, 'ours'), (2, 'ours')) AS t(id, name)", ["id"])
    assert (done.version, done.rows_added, done.rows_removed) == (2, 2, 2)
    assert stored() == [(1, "ours"), (2, "ours"), (3, "theirs")]


def test_an_upsert_larger_than_memory_spills(tmp_path: Path) -> None:
    """A source and a table of 50 MB each as values, in a session of 80 MB that writes 30 MB at a time."""
    location = str(tmp_path / "table")
    wide = "SELECT i AS id, repeat(md5(CAST(i + {} AS VARCHAR)), 8) AS text FROM range({}, {}) AS t(i)"
    with open_session(Settings(home=tmp_path / "home", threads=1, memory_limit_bytes=80_000_000)) as session:
        tables.append(session, location, wide.format(0, 0, 200_000))
        done = tables.upsert(session, location, wide.format(1, 100_000, 300_000), ["id"])
        assert (done.rows_added, done.rows_removed) == (200_000, 100_000)
        found = open_snapshot(location)
        assert found is not None
        is_new = "text = repeat(md5(CAST(id + 1 AS VARCHAR)), 8)"
        counted = f"SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE {is_new}) FROM ({snapshot_scan(found)})"
        assert session.row(counted) == (300_000, 300_000, 200_000)


def test_any_names_and_nested_values_can_be_merged(session: Session, location: str, stored: Stored) -> None:
    columns = 'i AS _row, i + 1 AS "a ""b""", MAP {{\'k\': {}}} AS m, {{\'x\': [i, NULL]}} AS s, encode(\'\\x00\' || i) AS "file"'
    tables.append(session, location, f"SELECT {columns.format('i')} FROM range(3) AS t(i)")
    assert tables.upsert(session, location, f"SELECT {columns.format('i')} FROM range(3) AS t(i)", ["_row"]).files_added == 0
    done = tables.upsert(session, location, f"SELECT {columns.format('i * 2')} FROM range(2, 5) AS t(i)", ["_row", 'a "b"'])
    assert (done.rows_added, done.rows_removed) == (3, 1)
    assert [(row, m["k"], s["x"]) for row, _, m, s, _ in stored()] == [(i, i * (2 if i > 1 else 1), [i, None]) for i in range(5)]

"""Tests of medallion/changed_rows.py: what differs between two versions, row by row, against counts made in Python."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakehouse_platform.contracts.types import BIGINT, DATE, DOUBLE, STRING
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.medallion import changed_rows as changed_rows_module
from lakehouse_platform.medallion.changed_rows import ChangedRows, changed_rows
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings

COLUMNS = (Field("id", BIGINT), Field("name", STRING), Field("amount", DOUBLE), Field("day", DATE))
Row = tuple[int | None, str | None, float | None, str]


@dataclass(frozen=True)
class Kept:
    """A table that is written file by file."""

    session: Session
    location: str

    def now(self, version: int | None = None) -> Snapshot:
        snapshot = open_snapshot(self.location, version)
        assert snapshot is not None
        return snapshot

    def write(self, rows: Sequence[Row], *without: DataFile) -> int:
        """Commit rows in new files, and without the given ones."""
        values = ", ".join(
            f"({'NULL' if key is None else key}::BIGINT, {literal(name)}::VARCHAR, {_double(amount)}, DATE '{day}')"
            for key, name, amount, day in rows
        )
        sql = f"SELECT * FROM (VALUES {values}) AS t(id, name, amount, day)"
        added = self.session.write(sql, self.location, ["day"]) if rows else ()
        return commit(self.now(), added=added, removed=without)

    def replace(self, rows: Sequence[Row]) -> int:
        return self.write(rows, *self.now().files)

    def compare(
        self, before: int, after: int | None = None, *, key: Sequence[str] = ("id",), **more: Any
    ) -> tuple[ChangedRows, list[tuple[Any, ...]]]:
        found = changed_rows(self.session, self.now(before), self.now(after), key, **more)
        return found, self.session.rows(found.sql)


def _double(value: float | None) -> str:
    return "NULL::DOUBLE" if value is None else f"'{value}'::DOUBLE"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with open_session(Settings(home=tmp_path / "home", threads=1)) as session:
        create_table(str(tmp_path / "table"), COLUMNS, ["day"])
        yield Kept(session, str(tmp_path / "table"))


def told(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Change type, commit, and id, name and amount of each row."""
    return [row[:5] for row in rows]


MAY, JUNE = "2026-05-01", "2026-06-01"


def test_rewritten_neighbours_are_left_out_and_changes_pair_by_key(kept: Kept) -> None:
    kept.write([(1, "a", 1.0, MAY), (2, "b", 2.0, MAY), (3, "c", 3.0, JUNE)])
    kept.replace([(1, "a", 1.0, MAY), (2, "B", 2.0, MAY), (4, "d", 4.0, MAY)])
    found, rows = kept.compare(1)
    assert told(rows) == [
        ("update_preimage", 2, 2, "b", 2.0),
        ("update_postimage", 2, 2, "B", 2.0),
        ("delete", 2, 3, "c", 3.0),
        ("insert", 2, 4, "d", 4.0),
    ]
    assert (dict(found.counts), found.key) == ({"delete": 1, "update_preimage": 1, "update_postimage": 1, "insert": 1}, ("id",))
    _, back = kept.compare(2, 1)
    assert told(back) == [
        ("update_preimage", None, 2, "B", 2.0),
        ("update_postimage", None, 2, "b", 2.0),
        ("insert", None, 3, "c", 3.0),
        ("delete", None, 4, "d", 4.0),
    ]
    assert kept.compare(2, 2)[1] == []


def test_files_that_stand_in_both_versions_are_not_read(kept: Kept) -> None:
    kept.write([(number, "x", 0.0, MAY) for number in range(50)])
    (whole,) = kept.now().files
    kept.write([(50, "y", 0.0, MAY)])
    # With it gone, reading it would fail.
    Path(whole.uri).unlink()
    found, rows = kept.compare(1)
    assert (told(rows), found.files) == ([("insert", 2, 50, "y", 0.0)], 1)


def test_without_a_key_rows_come_and_go_as_often_as_they_do(kept: Kept) -> None:
    kept.write([(1, "a", 1.0, MAY)] * 3 + [(2, "b", None, MAY)])
    kept.replace([(1, "a", 1.0, MAY), (2, "b", None, MAY), (2, "b", None, MAY)])
    _, rows = kept.compare(1, key=())
    assert told(rows) == [("delete", 2, 1, "a", 1.0), ("delete", 2, 1, "a", 1.0), ("insert", 2, 2, "b", None)]


def test_rows_of_one_key_more_than_once_and_of_none_pair_as_far_as_they_go(kept: Kept) -> None:
    kept.write([(1, "a", 1.0, MAY), (1, "b", 1.0, MAY), (None, "n", 1.0, MAY)])
    kept.replace([(1, "b", 1.0, MAY), (1, "c", 1.0, MAY), (1, "d", 1.0, MAY), (None, "m", 1.0, MAY)])
    _, rows = kept.compare(1)
    assert Counter(told(rows)) == Counter([
        ("update_preimage", 2, None, "n", 1.0),
        ("update_postimage", 2, None, "m", 1.0),
        ("update_preimage", 2, 1, "a", 1.0),
        ("update_postimage", 2, 1, "c", 1.0),
        ("insert", 2, 1, "d", 1.0),
    ])  # fmt: skip


def test_nan_is_nan_zero_is_zero_and_null_is_null(kept: Kept) -> None:
    kept.write([(1, None, math.nan, MAY), (2, "z", 0.0, MAY), (3, "i", math.inf, MAY), (4, "n", math.nan, MAY), (None, None, None, MAY)])
    kept.replace([(1, None, math.nan, MAY), (2, "z", -0.0, MAY), (3, "i", -math.inf, MAY), (4, "n", None, MAY), (None, None, None, MAY)])
    _, rows = kept.compare(1)
    assert [row[0:3] for row in rows] == [
        ("update_preimage", 2, 3),
        ("update_postimage", 2, 3),
        ("update_preimage", 2, 4),
        ("update_postimage", 2, 4),
    ]


def test_a_row_that_moves_to_another_partition_is_one_that_changed(kept: Kept) -> None:
    kept.write([(1, "a", 1.0, MAY), (2, "b", 2.0, MAY)])
    kept.replace([(1, "a", 1.0, JUNE), (2, "b", 2.0, MAY)])
    _, rows = kept.compare(1)
    assert [(row[0], row[2], f"{row[5]}") for row in rows] == [("update_preimage", 1, MAY), ("update_postimage", 1, JUNE)]


def test_maintenance_changes_nothing_and_a_restore_what_it_takes_back(kept: Kept) -> None:
    kept.write([(1, "a", 1.0, MAY)])
    kept.write([(2, "b", 2.0, MAY)])
    DeltaTable(kept.location).optimize.compact()
    found, rows = kept.compare(2, 3)
    assert (rows, found.files) == ([], 0)
    assert told(kept.compare(1, 3)[1]) == [("insert", 2, 2, "b", 2.0)], "the commit is the one that wrote it, not the one that packed it"
    kept.write([(3, "c", 3.0, MAY)])
    restore(kept.now(), 1)
    assert told(kept.compare(4, 5)[1]) == [("delete", 5, 2, "b", 2.0), ("delete", 5, 3, "c", 3.0)]
    assert kept.compare(1, 5)[1] == []
    kept.write([(4, "d", 4.0, MAY)])
    assert told(kept.compare(3)[1]) == [("delete", None, 2, "b", 2.0), ("insert", None, 4, "d", 4.0)], "across a restore no commit can be told"


def test_versions_that_a_vacuum_left_are_compared_by_their_own_files(kept: Kept) -> None:
    kept.write([(1, "a", 1.0, MAY)])
    kept.write([(2, "b", 2.0, MAY)])
    written = kept.now().files
    DeltaTable(kept.location).optimize.compact()
    kept.write([(3, "c", 3.0, MAY)])
    for file in written:
        Path(file.uri).unlink()
    assert told(kept.compare(3)[1]) == [("insert", 4, 3, "c", 3.0)]
    kept.replace([(2, "b", 2.0, MAY)])
    assert told(kept.compare(3)[1]) == [("delete", None, 1, "a", 1.0)], "version 5 also took what version 4 had brought"


def test_the_commit_of_a_row_is_told_where_the_files_prove_it_alone(kept: Kept) -> None:
    kept.write([(1, "a", 1.0, MAY), (9, "z", 9.0, MAY)])
    kept.write([(2, "b", 2.0, MAY)])
    kept.write([(3, "c", 3.0, JUNE)])
    # Version 4 carries what version 2 brought into a file of its own.
    carried = [file for file in kept.now().files if file.rows == 1 and file.partition_values["day"] == MAY]
    kept.write([(2, "b", 2.0, MAY), (4, "d", 4.0, MAY)], *carried)
    assert told(kept.compare(1)[1]) == [
        ("insert", None, 2, "b", 2.0),
        ("insert", 3, 3, "c", 3.0),
        ("insert", None, 4, "d", 4.0),
    ]
    # Version 5 takes a row out of a file that was there before: its neighbour is only written again.
    first = [file for file in kept.now().files if file.rows == 2 and file.path in {each.path for each in kept.now(1).files}]
    kept.write([(1, "a", 1.0, MAY)], *first)
    assert told(kept.compare(1)[1])[-1] == ("delete", 5, 9, "z", 9.0)


def test_columns_that_differ_are_named_and_not_compared(kept: Kept) -> None:
    kept.write([(1, "a", 1.0, MAY), (2, "b", 2.0, MAY)])
    other = (Field("id", BIGINT), Field("name", STRING), Field("amount", STRING), Field("day", DATE), Field("note", STRING))
    values = f"(1::BIGINT, 'a', '1', DATE '{MAY}', 'x'), (2::BIGINT, 'B', '2', DATE '{MAY}', 'y')"
    written = kept.session.write(f"SELECT * FROM (VALUES {values}) AS t(id, name, amount, day, note)", kept.location, ["day"])
    commit(kept.now(), added=written, removed=kept.now().files, columns=other)
    found, rows = kept.compare(1)
    assert (found.only_before, found.only_after, found.of_another_type) == ((), ("note",), ("amount",))
    assert [row[:4] for row in rows] == [("update_preimage", 2, 2, "b"), ("update_postimage", 2, 2, "B")]
    assert kept.compare(2, 1)[0].only_before == ("note",)
    by_amount, _ = kept.compare(1, key=("amount",))
    assert (by_amount.key, by_amount.counts["insert"], by_amount.counts["delete"]) == ((), 1, 1), "a key of another type pairs nothing"
    with pytest.raises(LakehouseError, match="versions 1 and 2 share no column"):
        kept.compare(1, hidden=("id", "name", "day"))


def test_what_says_only_when_a_row_was_made_changes_none_and_is_shown(kept: Kept) -> None:
    kept.write([(1, "old", 1.0, MAY), (2, "old", 2.0, MAY)])
    kept.replace([(1, "new", 1.0, MAY), (2, "new", 3.0, MAY)])
    assert told(kept.compare(1, uncompared=["name"])[1]) == [("update_preimage", 2, 2, "old", 2.0), ("update_postimage", 2, 2, "new", 3.0)]


@pytest.mark.parametrize("is_large", [False, True])
def test_the_changes_turn_the_one_version_into_the_other(kept: Kept, monkeypatch: pytest.MonkeyPatch, *, is_large: bool) -> None:
    """Over many steps of many shapes, counted in Python alone; and where so many rows are more than may be compared at once."""
    if is_large:
        monkeypatch.setattr(changed_rows_module, "_BYTES_AT_ONCE", 20_000)
        monkeypatch.setattr(changed_rows_module, "_HASHES_AT_ONCE", 5)
    states: list[Counter[Row]] = [Counter()]
    for step in range(12):
        held = list(kept.now().files)
        away = held[step % 3 :: 3] if step % 4 else []
        if step == 7:
            DeltaTable(kept.location).optimize.compact()
            states.append(states[-1])
        gone = Counter(_rows_of(kept, away)) if step != 7 else Counter()
        keep = Counter({row: count for number, (row, count) in enumerate(sorted(gone.items(), key=repr)) if number % 2})
        fresh: list[Row] = [(step % 5, f"s{step % 3}", [math.nan, None, 0.5][step % 3], [MAY, JUNE][(step + place) % 2]) for place in range(3)]
        if step != 7:
            kept.write([*keep.elements(), *fresh], *away)
            states.append(states[-1] - gone + keep + Counter(_spelt(row) for row in fresh))
    newest = kept.now().version
    for first, last in [*pairwise(range(newest + 1)), (0, newest), (2, 9), (9, 2), (newest, 1)]:
        _, rows = kept.compare(first, last)
        went = Counter(_spelt(row[2:]) for row in rows if row[0] in ("delete", "update_preimage"))
        came = Counter(_spelt(row[2:]) for row in rows if row[0] in ("insert", "update_postimage"))
        assert not went & came, "no row both went and came"
        assert (went, came) == (states[first] - states[last], states[last] - states[first]), (first, last)


def _rows_of(kept: Kept, files: Sequence[DataFile]) -> list[Row]:
    return [_spelt(row) for row in kept.session.rows(snapshot_scan(kept.now(), files))] if files else []


def _spelt(row: Sequence[Any]) -> Row:
    """A row whose NaN equals another NaN, as Python's own does not."""
    key, name, amount, day = row
    return key, name, "nan" if isinstance(amount, float) and math.isnan(amount) else amount, str(day)  # type: ignore[return-value]


def test_a_table_in_an_object_store_is_compared_like_any_other(bucket: str, tmp_path: Path) -> None:
    with open_session(Settings(home=tmp_path / "home", tables=bucket, threads=1)) as session:
        kept = Kept(session, f"{bucket}/tables/kept")
        create_table(kept.location, COLUMNS, ["day"])
        kept.write([(1, "a b", 1.0, MAY), (2, "b", 2.0, MAY)])
        kept.write([(3, "c", 3.0, JUNE)])
        kept.replace([(1, "a b", 1.0, MAY), (2, "B", 2.0, MAY), (3, "c", 3.0, JUNE)])
        assert told(kept.compare(2)[1]) == [("update_preimage", 3, 2, "b", 2.0), ("update_postimage", 3, 2, "B", 2.0)]
        kept.write([(4, "d", 4.0, MAY)])
        assert told(kept.compare(2)[1]) == [
            ("update_preimage", 3, 2, "b", 2.0),
            ("update_postimage", 3, 2, "B", 2.0),
            ("insert", 4, 4, "d", 4.0),
        ]

"""Rearranging: what a filter then reads, what other writers keep, what a kill leaves, what the log says. Properties 13, 29 to 31 have the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakehouse_platform.contracts.types import BIGINT, STRING
from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.inspection import inspect_table
from lakehouse_platform.delta.log import changes_between, commits
from lakehouse_platform.delta.prune import files_that_may_hold
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import files as storage
from lakehouse_platform.writes import optimize as optimize_module
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform.writes.tables import append, delete, upsert
from lakehouse_platform.writes.zorder import cut
from lakehouse_platform_tests.object_store import bucket, s3  # noqa: F401 -- fixtures

Stored = Callable[[], list[tuple[Any, ...]]]
COLUMNS = (Field("id", BIGINT), Field("name", STRING))


def opened(location: str, version: int | None = None) -> Snapshot:
    snapshot = open_snapshot(location, version)
    assert snapshot is not None
    return snapshot


def grow(session: Session, location: str, commits_made: int, *, partition: str = "'p'", first: int = 0) -> None:
    for number in range(first, first + commits_made):
        rows = f"SELECT {number}::BIGINT AS id, 'n{number}' AS name, {partition} AS part"
        append(session, location, rows, columns=[*COLUMNS, Field("part", STRING)], partition_by=["part"])


def test_a_point_filter_reads_a_fifth_of_the_files_at_most(session: Session, location: str) -> None:
    """64 files of one partition, filtered by either of two columns."""
    columns = [Field("part", STRING), Field("a", BIGINT), Field("b", STRING), Field("c", BIGINT)]
    for number in range(64):
        span = f"range({number * 500}, {number * 500 + 500}) AS rows(i)"
        rows = f"SELECT 'p' AS part, (hash(i) % 200)::BIGINT AS a, md5((hash(i + 7) % 100)::VARCHAR) AS b, i::BIGINT AS c FROM {span}"
        append(session, location, rows, columns=columns, partition_by=["part"])
    before = opened(location)
    target = sum(file.size_bytes for file in before.files) // 64
    optimize(session, location, target_file_bytes=target, cluster_by=["a", "b"])
    after = opened(location)
    assert (len(before.files), len(after.files)) == (64, 64)
    for name, values in {
        "a": [0, 100, 199],
        "b": [value for (value,) in session.rows("SELECT md5(i::VARCHAR) FROM range(0, 100, 20) AS t(i)")],
    }.items():
        for value in values:
            read = [len(files_that_may_hold(snapshot.files, {name: (value, value)}, snapshot.columns)) for snapshot in (before, after)]
            assert 5 * read[1] <= read[0], (name, value, read)
    assert optimize(session, location, target_file_bytes=target).version == after.version, "as its metadata says it lies already"


def test_only_partitions_with_small_files_are_read(session: Session, location: str) -> None:
    grow(session, location, 3, partition="'full'")
    optimize(session, location)
    (full,) = opened(location).files
    # Whoever reads it fails.
    Path(full.uri).write_bytes(b"no parquet")
    grow(session, location, 2, partition="NULL", first=3)
    done = optimize(session, location)
    assert (done.files_removed, done.files_added, done.partitions) == (2, 1, 1)
    assert {file.partition_values["part"] for file in opened(location).files} == {"full", None}
    state = inspect_table(location, 10**6)
    assert state is not None
    assert (state.small, state.commits_since, state.last_maintained) == (0, 0, done.version)


def test_named_partitions_and_a_dry_run(session: Session, location: str) -> None:
    for part in ("'a'", "'b'", "NULL"):
        grow(session, location, 2, partition=part)
    planned = optimize(session, location, dry_run=True)
    assert (planned.files_removed, planned.partitions, opened(location).version) == (6, 3, 5)
    assert optimize(session, location, partitions=[{"part": None}]).files_removed == 2
    assert optimize(session, location).files_removed == 4


def test_the_log_tells_of_no_change_and_shows_no_classified_value(session: Session, location: str) -> None:
    grow(session, location, 3)
    before = opened(location).version
    done = optimize(session, location, unbounded=["name"])
    (told,) = commits(location, after=before)
    assert (told.has_data_change, told.metadata["maintenance"], told.metadata["files_removed"]) == (False, "optimize", 3)
    changes = changes_between(location, before, done.version)
    assert (changes.added, changes.removed) == ((), ())
    (file,) = opened(location).files
    assert (dict(file.minimums), dict(file.maximums), file.rows, dict(file.null_counts)) == ({"id": 0}, {"id": 2}, 3, {"id": 0, "name": 0})
    with pytest.raises(LakehouseError, match="'name': it is classified"):
        optimize(session, location, cluster_by=["name"], unbounded=["name"])


def test_an_append_only_table_is_rearranged(session: Session, location: str, stored: Stored) -> None:
    rows = "SELECT 1::BIGINT AS id, 'x' AS name"
    for _ in range(3):
        append(session, location, rows, columns=COLUMNS, configuration={"delta.appendOnly": "true"})
    assert optimize(session, location).files_added == 1
    assert stored() == [(1, "x")] * 3


@pytest.mark.parametrize(("column", "why"), [("part", "partitions lie apart"), ("nothing", "none of that name"), ("tags", "no minimum and maximum")])
def test_columns_that_let_nobody_skip_are_refused(session: Session, location: str, column: str, why: str) -> None:
    append(session, location, "SELECT 1::BIGINT AS id, ['a'] AS tags, 'p' AS part", partition_by=["part"])
    with pytest.raises(LakehouseError, match=why):
        optimize(session, location, cluster_by=[column])


def interrupted(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> list[int]:
    """Let something happen between the files that optimize writes and its first commit; gives the number of its commits so far."""
    calls: list[int] = []

    def commit_later(*given: Any, **named: Any) -> int:
        if not calls:
            meanwhile()
        calls.append(1)
        return commit(*given, **named)

    monkeypatch.setattr(optimize_module, "commit", commit_later)
    return calls


def test_rows_that_come_meanwhile_stand_beside(session: Session, location: str, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(session, location, 3)
    calls = interrupted(monkeypatch, lambda: grow(session, location, 1, first=9))
    done = optimize(session, location)
    assert (done.files_removed, done.lost, len(calls)) == (3, 0, 1)
    assert [row[0] for row in stored()] == [0, 1, 2, 9]


def test_a_writer_that_took_a_file_away_wins(session: Session, location: str, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(session, location, 4)
    interrupted(monkeypatch, lambda: delete(session, location, "id = 1"))
    done = optimize(session, location)
    assert (done.files_removed, done.files_added, done.lost) == (3, 1, 1)
    assert [row[0] for row in stored()] == [0, 2, 3]
    assert {file.uri for file in opened(location).files} | {file.uri for version in range(4) for file in opened(location, version).files} == {
        f"{location}/{file.path}" for file in storage.walk(location) if file.path.startswith("part=")
    }, "what was written in vain is gone"


def test_a_writer_that_optimize_overtakes_loses_nothing(session: Session, location: str, stored: Stored) -> None:
    grow(session, location, 4)

    def rows_of(number: int) -> str:
        return f"SELECT {number}::BIGINT AS id, 'new' AS name, 'p' AS part"

    with ThreadPoolExecutor(3) as pool:

        def run(work: Callable[[Session, int], object], numbers: range) -> None:
            with open_session(Settings(home=Path(location).parent / f"home-{numbers.start}", threads=1)) as own:
                for number in numbers:
                    work(own, number)

        waiting = [
            pool.submit(run, lambda own, number: upsert(own, location, rows_of(number % 6), ["id"], tries=50), range(12)),
            pool.submit(run, lambda own, number: append(own, location, rows_of(number), tries=50), range(100, 112)),
            pool.submit(run, lambda own, _: optimize(own, location), range(200, 208)),
        ]
        for each in waiting:
            each.result()
    assert [row[0] for row in stored()] == [*range(6), *range(100, 112)]
    assert {row[1] for row in stored()} == {"new"}


def test_killed_before_its_commit_it_has_changed_nothing(session: Session, location: str, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(session, location, 3)
    rows = stored()

    def killed(*_: Any, **__: Any) -> int:
        raise TransientFault("the machine went down")

    with monkeypatch.context() as patch:
        patch.setattr(optimize_module, "commit", killed)
        with pytest.raises(TransientFault):
            optimize(session, location)
    assert (stored(), opened(location).version) == (rows, 2)
    assert optimize(session, location).files_added == 1
    assert stored() == rows


def test_clustered_files_stay_until_enough_others_come(session: Session, location: str) -> None:
    rows = "SELECT (hash(i) % 97)::BIGINT AS id, md5(i::VARCHAR) AS name FROM range({0}, {1}) AS t(i)"
    for number in range(4):
        append(session, location, rows.format(number * 1000, number * 1000 + 1000))
    target = sum(file.size_bytes for file in opened(location).files) // 4
    optimize(session, location, target_file_bytes=target, cluster_by=["id"])
    clustered = {file.path for file in opened(location).files}
    assert json.loads(DeltaTable(location).metadata().configuration["lakehouse.clusterBy"]) == ["id"]
    for number in range(2):
        append(session, location, rows.format(9000 + number, 9001 + number))
    done = optimize(session, location, target_file_bytes=target)
    assert (done.files_removed, done.files_added) == (2, 1)
    assert clustered < {file.path for file in opened(location).files}
    append(session, location, rows.format(10_000, 12_000))
    assert optimize(session, location, target_file_bytes=target).files_removed == len(clustered) + 2


def test_cuts_give_as_many_files_of_about_one_size_whatever_the_rows() -> None:
    for cells, counts in (([5], [1000]), (range(64), [10] * 64), ([0, 1, 2, 63], [1, 1, 997, 1]), (range(0, 4096, 65), [16] * 64)):
        starts = [sum(counts[:place]) for place in range(len(counts) + 1)]
        for files in (1, 3, 8):
            cuts = list(cut(list(cells), starts, files))
            assert [first for first, _ in cuts[1:]] == [end for _, end in cuts[:-1]]
            assert (cuts[0][0], cuts[-1][1], len(cuts) <= files) == (0, starts[-1], True)


def test_in_an_object_store(bucket: str, session: Session) -> None:  # noqa: F811
    location = f"{bucket}/lake/table"
    session.reach(location)
    grow(session, location, 3, partition="'a b/ü%20'")
    assert optimize(session, location, cluster_by=["id"]).files_added == 1
    assert session.rows(f"SELECT id, part FROM ({snapshot_scan(opened(location))}) ORDER BY ALL") == [(number, "a b/ü%20") for number in range(3)]
    assert {opened(location, version).rows for version in range(3)} == {1, 2, 3}

"""Properties 29, 31, 18 and 32: maintenance takes away files, and neither rows nor versions that are kept. The model remembers every version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.delta.snapshot import VersionGone, open_snapshot
from lakehouse_platform.delta.tags import add_tag
from lakehouse_platform.delta.upkeep import checkpoint
from lakehouse_platform.delta.vacuum import vacuum
from lakehouse_platform.delta.versions import snapshot_as_of
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform_tests.properties.cared_tables import CaredTable, batches, cared_table, operations, session
from lakehouse_platform_tests.properties.worlds import hundred_examples

Operation = tuple[str, Any]
DAY = 24.0
histories = st.lists(operations, min_size=2, max_size=4)
# Days that pass between one operation and the next.
gaps = st.lists(st.integers(1, 6), min_size=5, max_size=5)
# Never to the hour when something happened.
retentions = st.integers(7, 20).map(lambda days: days * DAY + 12)


@pytest.fixture(scope="module")
def opened() -> Iterator[Session]:
    with session() as shared:
        yield shared


# Feature: data-lakehouse, Property 29: File compaction
@hundred_examples
@given(st.lists(batches, min_size=2, max_size=5))
def test_property_29_optimize_lowers_the_number_of_files(opened: Session, appended: list[Any]) -> None:
    with cared_table(opened) as table:
        for rows in appended:
            table.apply("append", rows)
        before, rows_before = table.files(), table.read()
        done = optimize(opened, table.location)
        after = table.files()
        assert table.read() == rows_before == table.model[max(table.model)]
        assert Counter(part for part, _ in after) == dict.fromkeys({part for part, _ in before}, 1), "small files of a partition become one"
        assert (done.files_removed - done.files_added, done.version) == (len(before) - len(after), table_version(table))
        lone = Counter(part for part, _ in before)
        assert {path for part, path in before if lone[part] == 1} <= {path for _, path in after}, "a file by itself stays as it is"
        assert optimize(opened, table.location).version == done.version, "what lies well is left alone"


# Feature: data-lakehouse, Property 31: Version preservation during optimization
@hundred_examples
@given(histories, st.lists(st.booleans(), min_size=5, max_size=5))
def test_property_31_versions_stay_what_they_were(opened: Session, history: list[Operation], clusters: list[bool]) -> None:
    with cared_table(opened) as table:
        for (kind, given_rows), is_clustered in zip(in_order(history), clusters, strict=False):
            table.apply(kind, given_rows)
            optimize(opened, table.location, cluster_by=("id", "text") if is_clustered else (), target_file_bytes=1000 if is_clustered else 10**6)
            table.rearranged()
        checkpoint(table.location)
        assert {version: table.read(version) for version in table.model} == table.model


# Feature: data-lakehouse, Property 18: VACUUM cleanup
@hundred_examples
@given(histories, gaps, retentions)
def test_property_18_what_is_past_retention_goes(opened: Session, history: list[Operation], days: list[int], retention_hours: float) -> None:
    with cared_table(opened) as table:
        stood_until = lived(table, history, days)
        files_of = {version: files_at(table, version) for version in table.model}
        done = vacuum(table.location, retention_hours=retention_hours, now=table.clock.now)
        kept = {version for version in files_of if stood_until[version] < retention_hours}
        needed = set().union(*(files_of[version] for version in kept))
        assert stored(table) == needed, "nothing else of the table's data is there any more"
        now = open_snapshot(table.location)
        assert now is not None
        assert done.oldest_version_kept == min(kept)
        for version in files_of.keys() - kept:
            if files_of[version] <= needed:
                assert table.read(version) == table.model[version]
                continue
            with pytest.raises(VersionGone) as gone:
                snapshot_as_of(now, version, name="the table")
            assert "vacuumed" in str(gone.value)


# Feature: data-lakehouse, Property 32: VACUUM retention enforcement
@hundred_examples
@given(history=histories, days=gaps, retention_hours=retentions, tagged=st.sets(st.integers(0, 12), max_size=2), is_optimized=st.booleans())
def test_property_32_what_is_kept_stays(
    opened: Session, *, history: list[Operation], days: list[int], retention_hours: float, tagged: set[int], is_optimized: bool
) -> None:
    with cared_table(opened) as table:
        stood_until = lived(table, history, days)
        if is_optimized:
            optimize(opened, table.location)
            table.rearranged()
            table.clock.age(0)
        others = beside(table)
        for version in tagged & table.model.keys():
            add_tag(table.location, f"v{version}", version)
        young = {path for path in stored(table) if age_hours(table, path) < retention_hours}
        planned = vacuum(table.location, retention_hours=retention_hours, now=table.clock.now, dry_run=True)
        assert stored(table) >= young | set(planned.paths), "a dry run deletes nothing"
        done = vacuum(table.location, retention_hours=retention_hours, now=table.clock.now)
        assert (done.paths, done.files) == (planned.paths, len(planned.paths))
        kept = {version for version in table.model if stood_until.get(version, 0) < retention_hours or version in tagged}
        assert {version: table.read(version) for version in kept} == {version: table.model[version] for version in kept}
        assert young <= stored(table), "only what was last written before retention began may go"
        assert all(path.exists() for path in others), "what is none of the table's data is none of vacuum's business"


def in_order(history: Sequence[Operation]) -> list[Operation]:
    """The history with an append first: it makes the table."""
    first = next((place for place, (kind, _) in enumerate(history) if kind != "delete"), None)
    begin: Operation = ("append", [(None, 1, "x"), ("_log", 2, "y")]) if first is None else ("append", history[first][1])
    return [begin, *(each for place, each in enumerate(history) if place != first)]


def lived(table: CaredTable, history: Sequence[Operation], days: Sequence[int]) -> dict[int, float]:
    """Let a table live through a history with so many days after each operation; gives how many hours ago each version was replaced."""
    left = sum(days[: len(history)]) * DAY
    replaced: dict[int, float] = {}
    for (kind, given_rows), gap in zip(in_order(history), days, strict=False):
        known = set(table.model)
        table.apply(kind, given_rows)
        table.clock.age(left)
        new = set(table.model) - known
        replaced |= dict.fromkeys({*range(max(known, default=0), max(table.model))} if new else set(), left)
        left -= gap * DAY
    return replaced | {max(table.model): 0.0}


def beside(table: CaredTable) -> list[Path]:
    """Old files that are no data of the table: outside of it, hidden, of a table inside its folder, of another kind."""
    root = Path(table.location)
    inside = ["_tags/x.parquet", ".hidden/x.parquet", "other/_delta_log/0.json", "other/x.parquet", "note.txt"]
    paths = [*(root / name for name in inside), root.parent / "outside.parquet", root.parent / "table-2/x.parquet"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    table.clock.age(1000 * DAY)
    return paths


def stored(table: CaredTable) -> set[str]:
    """The parquet files of the table's partitions, as they stand in storage."""
    root = Path(table.location)
    return {str(path.relative_to(root)) for path in root.glob("part=*/*.parquet")}


def files_at(table: CaredTable, version: int) -> set[str]:
    snapshot = open_snapshot(table.location, version)
    assert snapshot is not None
    return {file.uri.removeprefix(f"{table.location}/") for file in snapshot.files}


def age_hours(table: CaredTable, path: str) -> float:
    return (table.clock.now.timestamp() - (Path(table.location) / path).stat().st_mtime) / 3600


def table_version(table: CaredTable) -> int:
    snapshot = open_snapshot(table.location)
    assert snapshot is not None
    return snapshot.version

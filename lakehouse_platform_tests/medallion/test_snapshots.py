"""Snapshots on real tables: what closes a key and what does not, corrections, blocks and their rulings, kills between commits, and what is read."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.delta.commit import CommitConflict
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.medallion import books, silver_snapshots
from lakehouse_platform.medallion.blocks import BatchBlocked
from lakehouse_platform.medallion.bronze import FilesRefused
from lakehouse_platform.medallion.keys import commit_keyed
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.medallion.record import Ruling
from lakehouse_platform.medallion.restore import restore
from lakehouse_platform.medallion.silver import settle
from lakehouse_platform.problems import LakehouseError, ProjectError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.quarantine import quarantine_name, visible_rows
from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.properties.projects import Folder, column, load, row_rule, source, table
from lakehouse_platform_tests.properties.worlds import World, world

BRONZE, SILVER, DIMENSION = "bronze/lists", "silver/sites", "gold/dim_site"
TIME = {"name": "taken", "format": "%Y-%m-%d"}


def silver_folder(rules: Sequence[Mapping[str, Any]] = (), **attributes: Any) -> Folder:
    site = column("site", "STRING", required=True, key=1, logicalTypeOptions={"minLength": 1})
    columns = [site, column("name", "STRING", required=True), column("height", "DECIMAL(30,2)")]
    return table(SILVER, "SELECT site, name, height FROM bronze.lists", columns, rules=rules, refresh="scd1", **attributes)


def dimension_folder(kind: str = "DATE") -> Folder:
    columns = [
        column("site_key", "BIGINT", required=True, key=1),
        column("site", "STRING"),
        column("name", "STRING"),
        column("effective_date", kind, required=True),
        column("end_date", kind),
        column("is_current", "BOOLEAN", required=True),
    ]
    return table(DIMENSION, "SELECT site, name FROM silver.sites", columns, refresh="scd2", business_key=["site"])


def project(path: str = "lists/{taken}/*.csv", snapshot_time: Mapping[str, str] = TIME, kind: str = "DATE", **more: Any) -> Project:
    files = {"on_change": more.pop("on_change", "fail")}
    return load(
        source(BRONZE, path, file_format="csv", changes="snapshot", snapshot_time=snapshot_time, **files),
        silver_folder(**more),
        dimension_folder(kind),
    )


PROJECT = project()


@pytest.fixture
def lists() -> Iterator[World]:
    with world(PROJECT) as opened:
        yield opened


def land(lists: World, day: str, names: Mapping[str, str] | str, file: str = "a") -> None:
    """Land the snapshot of a day of January: the name of each site, or the records as they are."""
    rows = names if isinstance(names, str) else "".join(f"{site},{name},1.50\n" for site, name in names.items())
    write(lists, f"lists/2024-01-{day}/{file}.csv", f"site,name,height\n{rows}")


def write(lists: World, name: str, text: str) -> None:
    path = lists.lakehouse.settings.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def bring(lists: World, day: str, names: Mapping[str, str] | str, file: str = "a") -> Any:
    """Land a snapshot and take it as far as the dimension; gives silver's record."""
    land(lists, day, names, file)
    result = lists.run(BRONZE, SILVER)
    lists.run(DIMENSION)
    return result.record


def state(lists: World) -> dict[str, str]:
    return {row["site"]: row["name"] for row in lists.rows(SILVER)}


def history(lists: World) -> list[tuple[str, str, int, int | None]]:
    """Site, name, first day and first day after of every version."""
    rows = lists.rows(DIMENSION)
    return sorted((row["site"], row["name"], row["effective_date"].day, row["end_date"].day if row["end_date"] else None) for row in rows)


def test_an_absent_key_is_closed_and_one_that_comes_back_is_opened_again(lists: World) -> None:
    bring(lists, "01", {"a": "one", "b": "one"})
    bring(lists, "02", {"b": "one"})
    bring(lists, "05", {"a": "one", "b": "two"})
    assert state(lists) == {"a": "one", "b": "two"}
    assert history(lists) == [("a", "one", 1, 2), ("a", "one", 5, None), ("b", "one", 1, 5), ("b", "two", 5, None)]


def test_a_rejected_row_leaves_its_key_as_it_was(lists: World) -> None:
    bring(lists, "01", {"a": "one", "b": "one", "c": "one"})
    record = bring(lists, "02", "a,two,high\nc,three,1\n")
    assert record.accounts == Accounts(read=2, accepted=1, rejected=1)
    assert state(lists) == {"a": "one", "c": "three"}
    assert bring(lists, "03", {"a": "two"}).notes["keys_changed"] == 2
    assert history(lists) == [("a", "one", 1, 3), ("a", "two", 3, None), ("b", "one", 1, 2), ("c", "one", 1, 2), ("c", "three", 2, 3)]


@pytest.mark.parametrize("row", [",lost its key,1", 'x,"two" fields,1', "only one field"])
def test_a_row_whose_key_cannot_be_read_keeps_absent_keys_open(lists: World, row: str) -> None:
    bring(lists, "01", {"a": "one", "b": "one"})
    record = bring(lists, "02", f"a,two,1\n{row}\n")
    assert (record.accounts.rejected, record.notes["keys_unclosed"]) == (1, 1)
    assert state(lists) == {"a": "two", "b": "one"}
    bring(lists, "02", {"a": "two"}, file="b")
    assert state(lists) == {"a": "two"}


def test_of_a_key_twice_in_one_snapshot_the_last_row_counts(lists: World) -> None:
    record = bring(lists, "01", "a,first,1\nb,one,1\na,last,1\n")
    assert record.accounts == Accounts(read=3, accepted=2, duplicates=1)
    assert state(lists) == {"a": "last", "b": "one"}


def test_duplicates_tell_repeats_from_conflicts(lists: World) -> None:
    bring(lists, "01", "a,one,1\na,one,1\nb,one,1\n")
    bring(lists, "01", {"a": "one", "b": "two", "c": "one"}, file="b")
    bring(lists, "01", {"a": "three"}, file="a-2")
    found = accounts(lists)
    assert found == Accounts(read=7, accepted=3, duplicates=4)
    # The rows of file b hold the keys: a's are 1.50 there, and say something else than 1.
    assert (found.repeated, found.superseded, found.conflicting) == (0, 0, 4)
    bring(lists, "02", "a,one,1\na,one,1.00\na,two,1\na,one,1\n")
    assert (accounts(lists).repeated, accounts(lists).conflicting) == (2, 5)


def test_a_correction_replaces_and_can_be_taken_back(lists: World) -> None:
    bring(lists, "01", {"a": "one"})
    bring(lists, "02", {"a": "wrong", "b": "wrong"})
    bring(lists, "03", {"a": "three"})
    bring(lists, "02", {"a": "right"}, file="a-2")
    assert history(lists) == [("a", "one", 1, 2), ("a", "right", 2, 3), ("a", "three", 3, None)]
    record = bring(lists, "02", {"a": "wrong", "b": "wrong"}, file="a-3")
    assert record.accounts == Accounts(read=2, duplicates=2)
    assert history(lists) == [("a", "one", 1, 2), ("a", "three", 3, None), ("a", "wrong", 2, 3), ("b", "wrong", 2, 3)]


def test_unchanged_rows_give_no_event_and_no_file(lists: World) -> None:
    bring(lists, "01", "a,one,1.5\nb,one,1\n")
    files = lists.files(SILVER), lists.files(f"{SILVER}__changes"), lists.files(DIMENSION)
    # 1.5 and 1.50 are one DECIMAL.
    record = bring(lists, "02", "b,one,1.00\na,one,1.50\n")
    assert (record.accounts.accepted, record.notes["keys_changed"]) == (2, 0)
    assert (lists.files(SILVER), lists.files(f"{SILVER}__changes"), lists.files(DIMENSION)) == files


def test_a_digit_beyond_what_a_double_holds_is_a_change(lists: World) -> None:
    bring(lists, "01", "a,one,1234567890123456789012345.01\n")
    record = bring(lists, "02", "a,one,1234567890123456789012345.02\n")
    assert record.notes["keys_changed"] == 1


def test_an_increment_reads_the_new_snapshot_and_its_neighbours_alone(lists: World) -> None:
    for day in range(1, 6):
        land(lists, f"{day:02}", {"a": str(day), "b": "same", "c": "same"})
        lists.run(BRONZE, SILVER)
    land(lists, "12", {"a": "12", "b": "same", "c": "same"})
    newest = lists.run(BRONZE, SILVER)
    land(lists, "10", {"a": "10", "b": "same", "c": "same"})
    between = lists.run(BRONZE, SILVER)
    # Both read the table itself too, whose rows are in one file.
    assert (newest.rows_read, between.rows_read) == (3 + 3, 3 + 3 + 3)


def test_a_timestamp_in_the_name_orders_snapshots_of_one_day() -> None:
    told = project("lists/sites_{taken}.csv", {"name": "taken", "format": "%Y%m%dT%H%M%S%z"}, "TIMESTAMP")
    with world(told) as lists:
        write(lists, "lists/sites_20240101T120000+0200.csv", "site,name,height\na,noon,1\n")
        write(lists, "lists/sites_20240101T110000+0000.csv", "site,name,height\na,later,1\n")
        lists.run(BRONZE, SILVER, DIMENSION)
        found = sorted((row["effective_date"], row["name"]) for row in lists.rows(DIMENSION))
    assert found == [(datetime(2024, 1, 1, 10, tzinfo=UTC), "noon"), (datetime(2024, 1, 1, 11, tzinfo=UTC), "later")]


def test_a_file_whose_name_tells_no_time_is_refused_and_the_others_are_taken(lists: World) -> None:
    land(lists, "01", {"a": "one"})
    write(lists, "lists/last-week/a.csv", "site,name,height\na,two,\n")
    with pytest.raises(FilesRefused, match=r"last-week/a\.csv: taken is 'last-week' and not in the form %Y-%m-%d"):
        lists.run(BRONZE)
    lists.run(SILVER)
    assert state(lists) == {"a": "one"}


def test_a_snapshot_that_is_still_being_written_waits() -> None:
    with world(PROJECT) as opened:
        lists = replace(opened, lakehouse=replace(opened.lakehouse, settings=opened.lakehouse.settings.model_copy(update={"settle_seconds": 60})))
        land(lists, "01", {"a": "one"})
        assert lists.run(BRONZE).record is None
        path = lists.lakehouse.settings.landing / "lists/2024-01-01/a.csv"
        os.utime(path, (time.time() - 61,) * 2)
        assert lists.run(BRONZE).record is not None


def test_a_file_that_is_replaced_says_what_was_there() -> None:
    with world(project(on_change="replace")) as lists:
        bring(lists, "01", {"a": "one", "b": "one"})
        bring(lists, "02", {"a": "one"})
        bring(lists, "01", {"a": "zero"})
        assert history(lists) == [("a", "one", 2, None), ("a", "zero", 1, 2)]
        assert accounts(lists) == Accounts(read=2, accepted=2)


def test_a_bronze_table_made_anew_gives_the_same_again(lists: World) -> None:
    bring(lists, "01", {"a": "one", "b": "one"})
    bring(lists, "03", {"a": "three", "b": "one"})
    bring(lists, "02", {"a": "two"})
    before = state(lists), history(lists), accounts(lists)
    shutil.rmtree(lists.lakehouse.location(BRONZE))
    assert lists.run(BRONZE, SILVER).record.rebuilt is not None  # type: ignore[union-attr]
    lists.run(DIMENSION)
    assert (state(lists), history(lists), accounts(lists)) == before


def test_a_rebuild_under_another_rule_is_what_the_rule_would_have_given() -> None:
    strict = project(rules=[row_rule("known_name", "name = 'unknown'")])
    with world(PROJECT) as lists, world(strict) as other:
        for each in (lists, other):
            bring(each, "01", {"a": "one", "b": "one"})
            bring(each, "03", {"a": "unknown", "b": "three"})
            bring(each, "02", {"a": "two", "b": "unknown"})
        assert state(lists) != state(other)
        changed = replace(lists, lakehouse=replace(lists.lakehouse, project=strict))
        rebuild(changed.lakehouse, SILVER, run_id="rebuild")
        changed.run(DIMENSION)
        assert (state(changed), history(changed), accounts(changed)) == (state(other), history(other), accounts(other))
        for each in (changed, other):
            bring(each, "04", {"a": "four", "b": "unknown"})
        assert (state(changed), history(changed), accounts(changed)) == (state(other), history(other), accounts(other))


def test_a_restore_behind_a_rebuild_brings_its_events_back(lists: World) -> None:
    strict = replace(lists, lakehouse=replace(lists.lakehouse, project=project(rules=[row_rule("known_name", "name = 'unknown'")])))
    bring(lists, "01", {"a": "one"})
    bring(lists, "03", {"a": "unknown"})
    before, versions = lists.delta(SILVER).version(), history(lists)
    rebuild(strict.lakehouse, SILVER, run_id="rebuild")
    strict.run(DIMENSION)
    assert history(lists) == [("a", "one", 1, None)]
    restore(strict.lakehouse, SILVER, before, run_id="back")
    lists.run(SILVER, DIMENSION)
    assert history(lists) == versions
    events = lists.delta(f"{SILVER}__changes").version()
    lists.run(SILVER)
    assert lists.delta(f"{SILVER}__changes").version() == events


def test_partitions_of_a_state_are_not_recomputed_one_by_one() -> None:
    days = {"grain": "day", "start": "2024-01-01"}
    columns = [column("site", "STRING", required=True, key=1), column("opened", "DATE", required=True, partitioned=True)]
    sites = table(SILVER, "SELECT site, name AS opened FROM bronze.lists", columns, refresh="scd1", partitions=days)
    with world(load(source(BRONZE, "lists/{taken}/*.csv", file_format="csv", changes="snapshot", snapshot_time=TIME), sites)) as lists:
        land(lists, "01", {"a": "2024-01-01", "b": "2024-01-02"})
        lists.run(BRONZE, SILVER)
        land(lists, "02", {"a": "2024-01-02"})
        lists.run(BRONZE, SILVER)
        assert [(row["site"], row["opened"].day) for row in lists.rows(SILVER)] == [("a", 2)]
        with pytest.raises(LakehouseError, match="keeps the present state of each key"):
            lists.run(SILVER, partitions={"2024-01-02"})


def accounts(lists: World) -> Accounts:
    with lists.lakehouse.session() as session:
        return books.total(books.entries(lists.lakehouse, session, SILVER))


@pytest.mark.parametrize(("killed", "day"), [("_replace_events", "02"), ("commit_keyed", "02"), ("commit_keyed", "09")])
def test_a_kill_between_commits_changes_nothing_of_the_end(lists: World, monkeypatch: pytest.MonkeyPatch, killed: str, day: str) -> None:
    with world(PROJECT) as other:
        for each in (lists, other):
            bring(each, "01", {"a": "one", "b": "one"})
            bring(each, "05", {"a": "five", "c": "one"})
            land(each, day, "a,new,1\nb,two,high\nd,one,1\n")
            each.run(BRONZE)

        def kill(*_: Any, **__: Any) -> Any:
            raise LakehouseError("killed")

        with monkeypatch.context() as patched, pytest.raises(LakehouseError, match="killed"):
            patched.setattr(silver_snapshots, killed, kill)
            lists.run(SILVER)
        # Before it is taken up, a snapshot comes that lies between.
        for each in (lists, other):
            bring(each, "04", {"a": "four", "b": "four"}, file="late")
        assert lists.contents(SILVER) == other.contents(SILVER)
        assert history(lists) == history(other)
        assert quarantined(lists) == quarantined(other)
        assert accounts(lists) == accounts(other)


def quarantined(lists: World) -> list[str]:
    """The records in quarantine that show."""
    quarantine = lists.lakehouse.snapshot(quarantine_name(SILVER))
    assert quarantine is not None
    with lists.lakehouse.session() as session:
        committed = books.committed_batches(lists.lakehouse, session, SILVER)
        return sorted(text for (text,) in session.rows(f"SELECT raw_data FROM ({visible_rows(quarantine, committed)})"))


def test_a_lost_race_is_derived_anew(lists: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(lists, "01", {"a": "one"})
    committed, losses = commit_keyed, iter([True])

    def racing(*arguments: Any, **named: Any) -> Any:
        if next(losses, False):
            raise CommitConflict("another was first")
        return committed(*arguments, **named)

    monkeypatch.setattr(silver_snapshots, "commit_keyed", racing)
    bring(lists, "02", {"a": "two"})
    assert history(lists) == [("a", "one", 1, 2), ("a", "two", 2, None)]


SMALL, FULL = {"a": "two"}, {"a": "one", "b": "one", "c": "one"}


@pytest.mark.parametrize(("ruling", "after"), [("released", SMALL), ("rejected", {**FULL, "d": "one"})])
def test_an_implausibly_small_snapshot_waits_for_a_person(lists: World, ruling: str, after: dict[str, str]) -> None:
    bring(lists, "01", FULL)
    # One of two snapshots that come together is too small; the other, of a day before it, is not in question.
    land(lists, "02", FULL | {"d": "one"})
    land(lists, "03", SMALL)
    with pytest.raises(BatchBlocked, match=r"2024-01-03/a\.csv has 1 rows, less than 50% of the 4 of lists/2024-01-02/a\.csv") as blocked:
        lists.run(BRONZE, SILVER)
    assert state(lists) == FULL
    assert accounts(lists) == Accounts(read=3, accepted=3)
    decision = blocked.value.block.decision
    settle(lists.lakehouse, SILVER, Ruling(batch_id=decision.batch_id, state=ruling, reason="seen"), run_id="person")
    lists.run(DIMENSION)
    assert state(lists) == after
    rejected = int(ruling == "rejected")
    assert accounts(lists) == Accounts(read=8, accepted=8 - rejected, rejected=rejected)
    # What comes next is compared with what counts.
    bring(lists, "04", {"a": "three", "b": "one"})
    assert ("a", "two", 3, 4) in history(lists) if ruling == "released" else ("a", "one", 1, 4) in history(lists)


def test_a_release_that_was_killed_half_way_can_be_rejected(lists: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(lists, "01", FULL)
    land(lists, "03", SMALL)
    with pytest.raises(BatchBlocked) as blocked:
        lists.run(BRONZE, SILVER)
    ruling = Ruling(batch_id=blocked.value.block.decision.batch_id, state="released", reason="seen")

    def kill(*_: Any, **__: Any) -> Any:
        raise LakehouseError("killed")

    with monkeypatch.context() as patched, pytest.raises(LakehouseError, match="killed"):
        patched.setattr(silver_snapshots, "commit_keyed", kill)
        settle(lists.lakehouse, SILVER, ruling, run_id="person")
    settle(lists.lakehouse, SILVER, ruling.model_copy(update={"state": "rejected"}), run_id="person")
    lists.run(DIMENSION)
    assert state(lists) == FULL
    assert history(lists) == [(site, "one", 1, None) for site in "abc"]


def test_a_rejected_snapshot_stays_rejected_when_the_table_is_made_anew(lists: World) -> None:
    bring(lists, "01", FULL)
    land(lists, "03", SMALL)
    with pytest.raises(BatchBlocked) as blocked:
        lists.run(BRONZE, SILVER)
    ruling = Ruling(batch_id=blocked.value.block.decision.batch_id, state="rejected", reason="cut off")
    settle(lists.lakehouse, SILVER, ruling, run_id="person")
    bring(lists, "02", FULL | {"c": "two"})
    before = state(lists), history(lists), accounts(lists)
    for name in (SILVER, f"{SILVER}__changes", quarantine_name(SILVER)):
        shutil.rmtree(lists.lakehouse.location(name))
    lists.run(SILVER, DIMENSION)
    assert (state(lists), history(lists), accounts(lists)) == before == ({**FULL, "c": "two"}, before[1], Accounts(read=7, accepted=6, rejected=1))


@pytest.mark.parametrize(("share", "blocks"), [(0.3, False), (0.4, True), (False, False), ("off", False)])
def test_the_table_says_how_small_is_too_small(share: Any, *, blocks: bool) -> None:
    with world(project(smallest_snapshot=share)) as lists:
        bring(lists, "01", FULL)
        land(lists, "02", SMALL)
        lists.run(BRONZE)
        if blocks:
            with pytest.raises(BatchBlocked):
                lists.run(SILVER)
        else:
            lists.run(SILVER)
        assert state(lists) == (FULL if blocks else SMALL)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"snapshot_time": None}, "changes: snapshot needs the time of each"),
        ({"snapshot_time": {"name": "day"}}, r"files.path has no {day}"),
        ({"snapshot_time": {"name": "taken", "format": "%Y-%m"}}, "'%Y-%m' does not tell a day"),
        ({"on_change": "append"}, "append does not fit snapshots"),
        ({"changes": None}, "snapshot_time is for sources of snapshots"),
        ({"changes": "plain"}, "snapshot_time is for sources of snapshots"),
    ],
)
def test_mistakes_of_a_source_of_snapshots(attributes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"changes": "snapshot", "snapshot_time": TIME, **attributes}
    with pytest.raises(ProjectError, match=message):
        load(source(BRONZE, "lists/{taken}/*.csv", file_format="csv", **given))


@pytest.mark.parametrize(
    ("changes", "attributes", "message"),
    [
        ("snapshot", {"refresh": "upsert"}, "refresh: upsert does not fit its source"),
        (None, {"refresh": "upsert", "smallest_snapshot": 0.3}, "smallest_snapshot is for a silver table over snapshots"),
    ],
)
def test_mistakes_of_a_table_over_snapshots(changes: str | None, attributes: dict[str, Any], message: str) -> None:
    columns = [column("site", "STRING", required=True, key=1)]
    feeding = source(BRONZE, "lists/{taken}.csv", file_format="csv", changes=changes, snapshot_time=TIME if changes else None)
    with pytest.raises(ProjectError, match=message):
        load(feeding, table(SILVER, "SELECT site FROM bronze.lists", columns, **attributes))


def test_each_landed_file_is_a_batch_of_its_own(lists: World) -> None:
    land(lists, "01", FULL)
    land(lists, "02", FULL)
    lists.run(BRONZE)
    assert len({(row["source_file"], row["batch_id"]) for row in lists.rows(BRONZE)}) == len({row["batch_id"] for row in lists.rows(BRONZE)}) == 2
    snapshot = open_snapshot(lists.lakehouse.location(BRONZE))
    assert snapshot is not None
    assert {Path(file.path).suffix for file in snapshot.files} == {".parquet"}

"""What breaks the platform, one function a way, each for the property that must notice. Not here: how they are run (plugin.py, __main__.py).

A patch changes one decision of the platform at run time, in the module that takes it, and leaves everything else as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

from pytest import MonkeyPatch

from lakehouse_platform.delta import actions, commit, kept, retry, statistics, upkeep, vacuum, versions
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.spelling import duckdb_type
from lakehouse_platform.medallion import affected, changes, contested, dimension, gold, keys, selecting, silver, silver_batch, silver_write
from lakehouse_platform.quality import judging
from lakehouse_platform.storage import files as storage
from lakehouse_platform.writes import committing, optimize

Patch = Callable[[MonkeyPatch], None]


@dataclass(frozen=True)
class Sabotage:
    """A way to break the platform, and the number of the property that must fail then."""

    number: int
    apply: Patch


SABOTAGES: dict[str, Sabotage] = {}


def breaks(number: int) -> Callable[[Patch], Patch]:
    """Enter a patch under its name."""

    def enter(patch: Patch) -> Patch:
        SABOTAGES[patch.__name__] = Sabotage(number, patch)
        return patch

    return enter


def change_result(patch: MonkeyPatch, module: ModuleType, name: str, change: Callable[[Any], Any]) -> None:
    """Let a function of the platform, as that module calls it, give something else."""
    function = getattr(module, name)
    patch.setattr(module, name, lambda *arguments, **named: change(function(*arguments, **named)))


@breaks(6)
def a_rule_is_not_judged(patch: MonkeyPatch) -> None:
    """The last rule that rejects counts for nothing."""
    change_result(patch, judging, "conditions", lambda conditions: conditions[:-1])


@breaks(6)
def only_the_first_reason_is_kept(patch: MonkeyPatch) -> None:
    """A row with several faults is told of one."""
    change_result(patch, judging, "reasons", lambda sql: f"({sql})[1:1]")


@breaks(7)
def ties_go_to_the_first_place(patch: MonkeyPatch) -> None:
    """Of rows of one key and time in one file, the one that stands first wins."""
    change_result(patch, contested, "ranked", lambda sql: sql.replace("_source_position.row DESC", "_source_position.row ASC"))


@breaks(7)
def a_key_may_occur_in_each_partition(patch: MonkeyPatch) -> None:
    """A correction that moves a row to another day leaves the old row behind."""
    change_result(patch, contested, "key_of", lambda key: tuple(dict.fromkeys([*key, "day"])))


@breaks(8)
def text_is_cast_as_the_engine_casts(patch: MonkeyPatch) -> None:
    """The engine's own forms count: 1.5 is an INT 2."""
    patch.setattr(judging, "typed", lambda value, _, column: f"TRY_CAST({value} AS {duckdb_type(column.type)})")


@breaks(9)
def required_is_not_judged(patch: MonkeyPatch) -> None:
    """A null passes wherever it stands."""
    change_result(patch, judging, "conditions", lambda conditions: [each for each in conditions if not each.rule.endswith("_required")])


@breaks(9)
def how_a_null_came_is_not_told(patch: MonkeyPatch) -> None:
    """A field that is missing is called null."""
    change_result(patch, silver_batch, "missing_kind", lambda _: "'null'")


@breaks(10)
def a_correction_counts_as_a_new_key(patch: MonkeyPatch) -> None:
    """A row that displaces another of its key is booked as accepted."""
    change_result(patch, silver_write, "settle", lambda settled: replace(settled, new_keys=settled.winners))


@breaks(11)
def every_partition_is_written_anew(patch: MonkeyPatch) -> None:
    """An increment recomputes the whole table, with the same rows."""
    change_result(patch, gold, "why_all", lambda _: "sabotage")


@breaks(12)
def events_count_in_their_order_in_the_source(patch: MonkeyPatch) -> None:
    """What orders the events of a key is the place where they stand, not their time."""
    versions = dimension.versions  # type: ignore[attr-defined]
    patch.setattr(dimension, "versions", lambda events, versioning: versions(events, replace(versioning, sequence=())))


@breaks(12)
def every_event_begins_a_version(patch: MonkeyPatch) -> None:
    """A change that changes nothing starts a version all the same."""
    change_result(patch, dimension, "versions", lambda sql: sql.replace("_tracked <> lag(", "TRUE OR _tracked <> lag("))


@breaks(14)
def all_of_the_input_is_read_again(patch: MonkeyPatch) -> None:
    """An increment of silver takes every file of bronze for new; deduplication hides it."""
    change_result(patch, silver, "increment_of", lambda change: replace(change, added=change.upstream.files) if change.kind == "files" else change)


@breaks(14)
def statistics_are_not_looked_at(patch: MonkeyPatch) -> None:
    """Every file of a table is read for the keys that an increment brings."""
    for module in (contested, keys):
        patch.setattr(module, "files_that_may_hold", lambda files, *_: tuple(files))


@breaks(16)
def commits_are_believed_about_their_time(patch: MonkeyPatch) -> None:
    """A clock that was put back makes later versions stand before earlier ones."""
    patch.setattr(versions, "ordered_times", dict)


@breaks(16)
def instants_are_whole_seconds(patch: MonkeyPatch) -> None:
    """What was committed within the second is not seen."""
    change_result(patch, selecting, "_instant", lambda instant: instant.replace(microsecond=0))


@breaks(17)
def retention_begins_with_the_first_commit_in_it(patch: MonkeyPatch) -> None:
    """The version that stood when retention began, and was replaced within it, goes."""
    oldest = kept._oldest_since

    def next_one(snapshot: Any, cutoff: datetime) -> Any:
        standing = oldest(snapshot, cutoff)
        return open_snapshot(snapshot.location, min(standing.version + 1, snapshot.version))

    patch.setattr(kept, "_oldest_since", next_one)


@breaks(17)
def the_log_of_named_versions_is_cleaned(patch: MonkeyPatch) -> None:
    """The files of a version that has a name stay, and nothing tells any more which they are."""
    patch.setattr(upkeep, "pinned_versions", lambda _: frozenset({10**9}))


@breaks(34)
def facts_keep_the_versions_that_they_first_found(patch: MonkeyPatch) -> None:
    """A version of a dimension that arrives after its facts does not re-key them."""
    change_result(patch, affected, "lookup_joins", lambda _: ())


@breaks(34)
def rows_that_went_are_forgotten(patch: MonkeyPatch) -> None:
    """A key that only lost rows is not recomputed."""
    patch.setattr(affected, "changed_rows", changes.came_rows)


@breaks(40)
def commits_follow_whatever_came(patch: MonkeyPatch) -> None:
    """What was derived from a version is laid on any later one."""
    patch.setattr(commit, "still_holds", lambda *_: True)


@breaks(41)
def a_commit_is_not_known_as_its_own(patch: MonkeyPatch) -> None:
    """What storage answered with an error counts as not committed."""
    patch.setattr(commit, "stands_in_log", lambda *_: False)


@breaks(41)
def files_go_and_come_in_two_commits(patch: MonkeyPatch) -> None:
    """The old files of a write go first, its new ones come after."""

    def in_two(snapshot: Any, *, added: Any, removed: Any, **named: Any) -> int:
        if removed:
            commit.commit(snapshot, removed=removed)
            snapshot = open_snapshot(snapshot.location)
        return commit.commit(snapshot, added=added, **named)

    patch.setattr(committing, "commit", in_two)


@breaks(43)
def a_part_of_a_commit_is_put(patch: MonkeyPatch) -> None:
    """The last file of a commit is left out."""
    change_result(patch, commit, "add_actions", lambda actions: actions[:-1])


@breaks(44)
def waits_do_not_grow(patch: MonkeyPatch) -> None:
    """The longest wait is the first."""
    patch.setattr(retry, "LONGEST_WAIT_SECONDS", retry.FIRST_WAIT_SECONDS)


@breaks(44)
def writers_wait_in_step(patch: MonkeyPatch) -> None:
    """Waits have no random part."""
    patch.setattr(retry, "random", SimpleNamespace(uniform=lambda _, high: high))


@breaks(13)
def clustering_is_not_noted(patch: MonkeyPatch) -> None:
    """A table's metadata says nothing of how its rows lie."""

    def not_noted(location: str, _: Any) -> int:
        snapshot = open_snapshot(location)
        assert snapshot is not None
        return snapshot.version

    patch.setattr(optimize, "note_clustering", not_noted)


@breaks(18)
def needless_files_stay(patch: MonkeyPatch) -> None:
    """Vacuum tells of what it deletes and deletes nothing."""
    patch.setattr(vacuum, "_delete", lambda *_: None)


@breaks(29)
def nothing_is_packed(patch: MonkeyPatch) -> None:
    """Small files stay as they are."""
    change_result(patch, optimize, "rewrites", lambda _: [])


@breaks(29)
def equal_rows_become_one(patch: MonkeyPatch) -> None:
    """Rows that stand twice are written once."""
    change_result(patch, optimize, "snapshot_scan", lambda sql: f"SELECT DISTINCT * FROM ({sql})")


@breaks(30)
def rows_lie_by_the_first_column(patch: MonkeyPatch) -> None:
    """Of the columns to cluster by, all but the first are forgotten."""
    in_zorder = optimize.in_zorder  # type: ignore[attr-defined]
    patch.setattr(optimize, "in_zorder", lambda session, rows, columns, files: in_zorder(session, rows, columns[:1], files))


@breaks(31)
def what_was_packed_is_deleted_at_once(patch: MonkeyPatch) -> None:
    """The small files go as soon as the large one is committed."""

    def and_delete(snapshot: Any, *, removed: Any, **named: Any) -> int:
        version = commit.commit(snapshot, removed=removed, **named)
        storage.delete(file.uri for file in removed)
        return version

    patch.setattr(optimize, "commit", and_delete)


@breaks(15)
def a_cut_maximum_is_not_raised(patch: MonkeyPatch) -> None:
    """The beginning of a long text stands for its maximum."""
    patch.setattr(statistics, "_raised", lambda text: text)


@breaks(15)
def classified_values_are_told(patch: MonkeyPatch) -> None:
    """Minimum and maximum of every column stand in the log."""
    patch.setattr(actions, "statistics_json", lambda file, columns, _: statistics.statistics_json(file, columns))


@breaks(15)
def not_a_number_is_left_out(patch: MonkeyPatch) -> None:
    """The bounds that the engine gives, which leaves NaN out of them, count for all rows."""

    def without_a_mark(file: Any, *others: Any) -> str:
        plain = {name: {**given, "has_nan": "false"} for name, given in file.statistics.items()}
        return statistics.statistics_json(replace(file, statistics=plain), *others)

    patch.setattr(actions, "statistics_json", without_a_mark)


@breaks(32)
def tags_hold_nothing(patch: MonkeyPatch) -> None:
    """A version that has a name goes like any other."""
    patch.setattr(vacuum, "pinned_versions", lambda _: frozenset())


@breaks(32)
def only_the_newest_version_is_kept(patch: MonkeyPatch) -> None:
    """Retention counts for files and not for versions."""
    _keep_none_but_the_newest(patch)


@breaks(42)
def nobody_is_thought_to_read(patch: MonkeyPatch) -> None:
    """What left the table just now goes if it was written long ago."""
    _keep_none_but_the_newest(patch)


def _keep_none_but_the_newest(patch: MonkeyPatch) -> None:
    kept_files = vacuum.kept_files  # type: ignore[attr-defined]
    patch.setattr(vacuum, "kept_files", lambda snapshot, pinned, _: kept_files(snapshot, pinned, datetime.max.replace(tzinfo=UTC)))

"""What breaks the platform, one function a way, each for the property that must notice. Not here: how they are run (plugin.py, __main__.py).

A patch changes one decision of the platform at run time, in the module that takes it, and leaves everything else as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from pytest import MonkeyPatch

from lakehouse_platform.engine.spelling import duckdb_type
from lakehouse_platform.medallion import affected, changes, contested, dimension, gold, keys, silver, silver_batch, silver_write
from lakehouse_platform.quality import judging

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


@breaks(34)
def facts_keep_the_versions_that_they_first_found(patch: MonkeyPatch) -> None:
    """A version of a dimension that arrives after its facts does not re-key them."""
    change_result(patch, affected, "lookup_joins", lambda _: ())


@breaks(34)
def rows_that_went_are_forgotten(patch: MonkeyPatch) -> None:
    """A key that only lost rows is not recomputed."""
    patch.setattr(affected, "changed_rows", changes.came_rows)

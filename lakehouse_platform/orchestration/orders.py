"""How a run is told to do something other than an increment to one table, by a tag that its page in Dagster shows: settle, rebuild, replay, restore.

Not here: doing it (medallion).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.medallion.replay import replay
from lakehouse_platform.medallion.restore import restore
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver import settle
from lakehouse_platform.orchestration.rulings import ruling_in

REBUILD_TAG, REPLAY_TAG, RESTORE_TAG = "lakehouse/rebuild", "lakehouse/replay", "lakehouse/restore"

# Does it, in the name of a run.
Order = Callable[[Lakehouse, str], StepResult]


def rebuild_tags(table: str) -> dict[str, str]:
    """The tags of a run that computes a table anew."""
    return {REBUILD_TAG: table}


def replay_tags(table: str, where: str | None) -> dict[str, str]:
    """The tags of a run that replays rows of a table's quarantine."""
    return {REPLAY_TAG: json.dumps({"table": table, "where": where})}


def restore_tags(table: str, version: int) -> dict[str, str]:
    """The tags of a run that takes a table back to a version."""
    return {RESTORE_TAG: f"{table}@{version}"}


def order_in(tags: Mapping[str, str], table: str) -> Order | None:
    """What a run is to do to a table; None for an increment, and for every other table."""
    ruling = ruling_in(tags, table)
    if ruling is not None:
        return lambda lakehouse, run_id: settle(lakehouse, table, ruling, run_id=run_id)
    if tags.get(REBUILD_TAG) == table:
        return lambda lakehouse, run_id: rebuild(lakehouse, table, run_id=run_id)
    restored, _, version = tags.get(RESTORE_TAG, "").partition("@")
    if restored == table:
        return lambda lakehouse, run_id: restore(lakehouse, table, int(version), run_id=run_id)
    told = json.loads(tags.get(REPLAY_TAG, "{}"))
    if told.get("table") == table:
        return lambda lakehouse, run_id: replay(lakehouse, table, told["where"], run_id=run_id)
    return None

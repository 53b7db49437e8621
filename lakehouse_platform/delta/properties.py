"""Properties that a user gives a table: which may be given, and setting them. Not here: what a table demands of its writers (obligations.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deltalake import DeltaTable

from lakehouse_platform.delta.actions import MAINTENANCE, commit_properties
from lakehouse_platform.delta.ambiguous import new_commit_id
from lakehouse_platform.delta.commit import put_after
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.opening import open_table
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.problems import LakehouseError

_TRIES = 10
_INTERVAL = (r"interval \d+ (week|day|hour|minute|second|millisecond|microsecond)s?", "such as interval 30 days")
# Delta's own that this platform's writer keeps, and what their values look like.
_KEPT = {
    "delta.checkpointInterval": (r"[1-9]\d*", "a number of commits"),
    "delta.dataSkippingNumIndexedCols": (r"-1|\d+", "a number of columns, -1 for all"),
    "delta.dataSkippingStatsColumns": (r".+", "columns, separated by commas"),
    "delta.logRetentionDuration": _INTERVAL,
    "delta.deletedFileRetentionDuration": _INTERVAL,
}
_OWN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,199}")
# Others of Delta's would be promises of each later writer, or are made by attributes.
_SAID_ELSEWHERE = {
    "delta.appendOnly": "bronze has it already, other tables are written anew",
    "delta.targetFileSize": "write maintenance: {target_file_size: …}",
    "delta.parquet.compression.codec": "write compression: …",
}


def property_mistake(name: str, value: str) -> str | None:
    """Why a table cannot be given a property; None where it can. A name that does not begin with `delta.` or `lakehouse.` is the user's own."""
    if name in _SAID_ELSEWHERE:
        return f"{name} is none to be given here: {_SAID_ELSEWHERE[name]}"
    if name in _KEPT:
        pattern, form = _KEPT[name]
        return None if re.fullmatch(pattern, value) else f"{name} is {value!r}, not {form}"
    if name.lower().startswith(("delta.", "lakehouse.")):
        return f"{name} is none that this platform keeps: those are {', '.join(_KEPT)}, and names of your own"
    return None if _OWN.fullmatch(name) else f"{name!r} is no name: a letter, then letters, digits, _, - and ., 200 at most"


def of_creation(properties: Mapping[str, str]) -> dict[str, str]:
    """Those that a table has from its first version on; deltalake sets others only on a table that is there."""
    return {name: value for name, value in properties.items() if name in _KEPT}


def keep_properties(snapshot: Snapshot, properties: Mapping[str, str]) -> Snapshot:
    """The table with these properties: as it is where it has them, else after a commit of its own that sets them. It keeps all others."""
    if _missing(snapshot, properties):
        with_retries(lambda: _set(snapshot.location, properties), _TRIES)
        return _opened(snapshot.location)
    return snapshot


def _set(location: str, properties: Mapping[str, str]) -> None:
    snapshot = _opened(location)
    missing = _missing(snapshot, properties)
    if not missing:
        return
    commit_id = new_commit_id()

    def put(handle: DeltaTable) -> None:
        said = commit_properties(commit_id, None, {MAINTENANCE: "properties", "properties": sorted(missing)})
        handle.alter.set_table_properties(missing, raise_if_not_exists=False, commit_properties=said)

    # The handle moves with its commit; the snapshot must stay what it is.
    put_after(snapshot, open_table(location, snapshot.version), put, commit_id)


def _missing(snapshot: Snapshot, properties: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if snapshot.configuration.get(name) != value}


def _opened(location: str) -> Snapshot:
    snapshot = open_snapshot(location)
    if snapshot is None:
        raise LakehouseError(f"{location} is no table")
    return snapshot

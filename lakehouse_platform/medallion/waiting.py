"""How many rows came to a table's inputs since it last read them, as the logs tell: no data is read. Not here: what follows from it."""

from __future__ import annotations

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.medallion.changes import InputChange, increment_of
from lakehouse_platform.medallion.events import changes_name
from lakehouse_platform.medallion.history import versions_since
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table


def rows_waiting(lakehouse: Lakehouse, table: Table) -> int | None:
    """Rows that came to the inputs of a table beyond its cursors; None where they cannot be told, or must all be read anew."""
    target = lakehouse.snapshot(table.name)
    waiting = 0
    for name in _read_by(lakehouse, table):
        came = _came(lakehouse, target, name)
        if came is None:
            return None
        waiting += came
    return waiting


def _read_by(lakehouse: Lakehouse, table: Table) -> list[str]:
    """What the table's rows come from: not the lookups of silver, and of an input that is made of change events, a dimension reads the events."""
    inputs = table.inputs if table.layer == "gold" else table.inputs[:1]
    of_events = {name for name, each in lakehouse.project.tables.items() if each.refresh is Refresh.SCD1}
    is_dimension = table.layer == "gold" and table.refresh in (Refresh.SCD1, Refresh.SCD2)
    return [changes_name(name) if is_dimension and name in of_events else name for name in inputs]


def _came(lakehouse: Lakehouse, target: Snapshot | None, name: str) -> int | None:
    if target is None:
        upstream = lakehouse.snapshot(name)
        return upstream.rows if upstream is not None else 0
    change = increment_of(lakehouse, target, name)
    if change.kind == "none" or change.upstream is None:
        return 0
    if change.kind == "all":
        return None if change.reason else change.upstream.rows
    return _came_in_files(lakehouse, change)


def _came_in_files(lakehouse: Lakehouse, change: InputChange) -> int | None:
    """The valid rows by the accounts of the commits, repeats among them; where a commit has none, the rows of the files that came."""
    versions = [entry for entry in versions_since(lakehouse, change.input, change.from_version) if entry.version <= change.to_version]
    records = [entry.record for entry in versions if not entry.is_upkeep]
    if any(record is not None and record.step == "rebuild" for record in records):
        return None
    accounts = [record.accounts for record in records if record is not None and record.accounts is not None]
    if len(accounts) < len(records):
        return sum(file.rows or 0 for file in change.added)
    # An upsert rewrites whole files for a few rows, so that the rows of files would tell nothing.
    return sum(max(0, each.accepted + each.duplicates) for each in accounts)

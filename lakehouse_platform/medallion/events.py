"""Sets of change events beside the silver tables made from them: `<table>__changes`, append-only, each event once (PROTOCOLS 6.1).

Not here: which events a batch brings (silver_changes.py), the versions they make (versions.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from lakehouse_platform.delta.commit import CommitConflict, create_table
from lakehouse_platform.delta.files import DataFile, Field, Snapshot, same_columns
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import CHANGED, EVENT_HASH, OPERATION, POSITION, mapped_columns

CHANGE_SEQUENCE = (CHANGED.name,)
# Events of one sequence are told apart by their place in the source.
PLACE = ("_source_position.source", "_source_position.row")


def changes_name(table: str) -> str:
    """Name of the set of events beside a table."""
    return f"{table}__changes"


def event_fields(table: Table) -> tuple[Field, ...]:
    """The columns of a table's set of events: the table's own, which a delete need not have, and the event's."""
    own = tuple(Field(column.name, column.type) for column in table.contract.columns)
    return (*own, OPERATION, CHANGED, POSITION, EVENT_HASH)


def ensure_changes(lakehouse: Lakehouse, table: Table) -> Snapshot:
    """The set of events beside a table, created empty where there is none."""
    name = changes_name(table.name)
    found = lakehouse.snapshot(name)
    if found is None:
        # Another worker may make it between the two calls; its set is as good.
        with suppress(CommitConflict):
            create_table(lakehouse.location(name), event_fields(table), ())
        found = lakehouse.snapshot(name)
    assert found is not None
    return found


def opened_changes(lakehouse: Lakehouse, table: Table) -> Snapshot | None:
    """The set of events beside a table that has one, created empty where there is none; None for a table without."""
    return ensure_changes(lakehouse, table) if table.refresh is Refresh.SCD1 else None


def rebuild_id(table_id: str) -> str:
    """The application id under which a set says of which version of its table a rebuild made it: while that is the last, the rebuild was killed."""
    return f"rebuild:{table_id}"


def refuse_other_events(table: Table, changes: Snapshot) -> None:
    """Raise LakehouseError where new events cannot stand beside those that are there, as after a rebuild that was killed half-way."""
    if not same_columns(event_fields(table), changes.columns):
        raise LakehouseError(f"{table.name}: its set of events has other columns than its contract says; run `lakehouse rebuild {table.name}`")


def event_hash(table: Table) -> str:
    """SQL of `_event_hash`: what happened, to which key and when, told by the columns that the source gives."""
    names = [*(quote(column.name) for column in mapped_columns(table)), OPERATION.name, CHANGED.name]
    content = ", ".join(f"{name} := {name}" for name in names)
    return f"md5(CAST(to_json(struct_pack({content})) AS VARCHAR)) AS {EVENT_HASH.name}"


def event_set(changes: Snapshot, files: Sequence[DataFile] | None = None) -> str:
    """SQL of the events of a set, or of some of its files. An event that is there twice stands at its earlier place."""
    earliest = f"row_number() OVER (PARTITION BY _event_hash ORDER BY {', '.join(PLACE)}) = 1"
    return f"SELECT * FROM ({snapshot_scan(changes, files)}) QUALIFY {earliest}"


def current_rows(events: str, key: Sequence[str], sequence: Sequence[str] = CHANGE_SEQUENCE) -> str:
    """SQL of the latest event of each key, by sequence and then by place in the source, unless it deletes."""
    descending = ", ".join(f"{name} DESC" for name in [*(quote(name) for name in sequence), *PLACE])
    latest = f"row_number() OVER (PARTITION BY {', '.join(quote(name) for name in key)} ORDER BY {descending}) = 1"
    return f"SELECT * FROM (SELECT * FROM ({events}) QUALIFY {latest}) WHERE _operation <> 'd'"

"""Sets of change events beside the silver tables made from them: `<table>__changes`, append-only, each event once (PROTOCOLS 6.1).

Not here: which events a batch brings (silver_changes.py), the versions they make (versions.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from lakehouse_platform.delta.commit import CommitConflict, create_table
from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import CHANGED, EVENT_HASH, OPERATION, POSITION

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


def event_set(changes: Snapshot, files: Sequence[DataFile] | None = None) -> str:
    """SQL of the events of a set, or of some of its files. An event that is there twice stands at its earlier place."""
    earliest = f"row_number() OVER (PARTITION BY _event_hash ORDER BY {', '.join(PLACE)}) = 1"
    return f"SELECT * FROM ({snapshot_scan(changes, files)}) QUALIFY {earliest}"


def current_rows(events: str, key: Sequence[str], sequence: Sequence[str] = CHANGE_SEQUENCE) -> str:
    """SQL of the latest event of each key, by sequence and then by place in the source, unless it deletes."""
    descending = ", ".join(f"{name} DESC" for name in [*(quote(name) for name in sequence), *PLACE])
    latest = f"row_number() OVER (PARTITION BY {', '.join(quote(name) for name in key)} ORDER BY {descending}) = 1"
    return f"SELECT * FROM (SELECT * FROM ({events}) QUALIFY {latest}) WHERE _operation <> 'd'"

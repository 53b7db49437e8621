"""Whether a table still holds rows that another contract or query made: then it is stale, until it is rebuilt. Not here: the versions themselves."""

from __future__ import annotations

from lakehouse_platform.medallion.history import versions_backwards
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.tables.definition import Table

# Why everything is computed anew, though its inputs tell what changed in them.
CODE_CHANGED = "its contract or query changed"
ASKED = "a rebuild was asked for"


def is_stale(lakehouse: Lakehouse, table: Table) -> bool:
    """Whether any commit since the last rebuild bears another code version; what recomputed single partitions or rows does not make it fresh.

    The last commit of others tells: an increment says of itself whether it left such rows beside its own.
    """
    restored: int | None = None
    first = 0
    for version in versions_backwards(lakehouse, table.name):
        record, first = version.record, version.version
        if record is None or (restored is not None and version.version > restored):
            continue
        if record.step == "restore":
            restored = record.restored_version
        elif record.code_version != table.code_version:
            return True
        elif record.step not in ("backfill", "replay"):
            return record.has_older_code
    # A version of before what the log still tells may hold anybody's rows.
    return restored is not None and first > 0

"""Whether the tables stand as the project wants them: none waits, is stale or lies otherwise than its contract says. Not here: damage (data.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.findings import Finding, Status
from lakehouse_platform.medallion.blocks import SHOWN_DIGITS, waiting
from lakehouse_platform.medallion.decisions import DECISIONS
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.stale import is_stale
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.project import Project
from lakehouse_platform.tables.storage import partition_columns


def standing_findings(settings: Settings, project: Project, broken: Collection[str] = ()) -> Iterator[Finding]:
    """A warning for each table that exists and is not what its project says; nothing of those that are `broken`, which is told already."""
    lakehouse = Lakehouse(settings, project)
    if DECISIONS in broken:
        # What waits cannot be told without it.
        return
    for table in (table for name, table in project.tables.items() if name not in broken):
        try:
            snapshot = lakehouse.snapshot(table.name)
            if snapshot is not None:
                # Nothing is told of a table by halves.
                yield from list(_of_table(lakehouse, table, snapshot))
        except (LakehouseError, OSError):
            # A table of an object store that does not answer, a scratch folder that cannot be written: the checks of those tell.
            continue


def _of_table(lakehouse: Lakehouse, table: Table, snapshot: Snapshot) -> Iterator[Finding]:
    with lakehouse.session() as session:
        block = waiting(lakehouse, session, table.name, snapshot)
    if block is not None:
        batch = block.decision.batch_id[:SHOWN_DIGITS]
        message = f"batch {batch} is blocked since {block.since:%Y-%m-%d %H:%M} UTC, and what came after it waits: {block.decision.reason}"
        mend = f"`lakehouse quarantine show {table.name} --batch {batch}`, then `lakehouse quarantine release` or `reject` it"
        yield Finding("table", table.name, Status.WARNING, message, mend)
    wanted = partition_columns(table)
    if snapshot.partition_columns != wanted:
        here, there = (", ".join(columns) or "nothing" for columns in (snapshot.partition_columns, wanted))
        mend = f"take the partitions back in its defs.yaml and contract, or remove {snapshot.location} and materialize it"
        yield Finding("table", table.name, Status.WARNING, f"its files are partitioned by {here}, its contract wants {there}", mend)
    elif is_stale(lakehouse, table):
        message = "holds rows that another contract or query made"
        mend = f"`lakehouse rebuild {table.name} --dry-run` shows what the present one would change, without --dry-run it is swapped"
        yield Finding("table", table.name, Status.WARNING, message, mend)

"""What a rebuild changes: how many rows are there only before, and how many only after. Not here: the rebuild."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.query import clock_outputs
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import SILVER_FILLED, stored_fields

DIFFERENCE = "difference"


def difference(session: Session, table: Table, target: Snapshot, rows: str) -> dict[str, object]:
    """The note of a rebuild after which a table holds the rows of this relation, in the contract's columns.

    Rows are compared in the columns that are of one type before and after, but for those that say when a row was made.
    """
    after = stored_fields(table)
    compared = _compared(table, target.columns, after)
    for name, side in (("rows_before", snapshot_scan(target)), ("rows_after", rows)):
        session.view(name, f"SELECT {', '.join(quote(column) for column in compared)} FROM ({side})")
    counts = [
        session.row(f"SELECT count(*) FROM (SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other})")[0]
        for one, other in (("rows_before", "rows_after"), ("rows_after", "rows_before"))
    ]
    types_before, types_after = ({field.name: field.type for field in fields} for fields in (target.columns, after))
    return {
        "rows_before": target.rows,
        "rows_only_before": counts[0],
        "rows_only_after": counts[1],
        "columns_only_before": sorted(types_before.keys() - types_after.keys()),
        "columns_only_after": sorted(types_after.keys() - types_before.keys()),
        "columns_of_another_type": sorted(name for name, kind in types_before.items() if types_after.get(name, kind) != kind),
    }


def made_columns(table: Table) -> frozenset[str]:
    """Columns that say when a row was made, and nothing of what it is."""
    return frozenset((SILVER_FILLED[0], *clock_outputs(table.query)))


def _compared(table: Table, before: Sequence[Field], after: Sequence[Field]) -> list[str]:
    known, made = {field.name: field.type for field in before}, made_columns(table)
    return [field.name for field in after if known.get(field.name) == field.type and field.name not in made]

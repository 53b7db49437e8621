"""Where a table's columns come from, through every table in between, back to the source's fields. Not here: one query's own (engine/lineage.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakehouse_platform.tables.project import Project


@dataclass(frozen=True)
class Origin:
    """A column that another is computed from. `steps` counts the tables between: 1 where the query itself names it."""

    table: str
    column: str
    source_table: str
    source_column: str
    steps: int


def origins(project: Project, name: str, column: str | None = None) -> list[Origin]:
    """All columns that a table's columns, or one of them, are computed from, each followed by its own origins. A source has none."""
    table = project.tables.get(name)
    columns = [] if table is None else [each.name for each in table.contract.columns] if column is None else [column]
    return [origin for each in columns for origin in _upstream(project, name, each, 1, set())]


def _upstream(project: Project, table: str, column: str, steps: int, seen: set[tuple[str, str]]) -> Iterator[Origin]:
    known = project.tables.get(table)
    for source_table, source_column in () if known is None else known.lineage.get(column, ()):
        yield Origin(table, column, source_table, source_column, steps)
        if (source_table, source_column) not in seen:
            seen.add((source_table, source_column))
            yield from _upstream(project, source_table, source_column, steps + 1, seen)

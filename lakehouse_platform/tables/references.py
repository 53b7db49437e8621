"""Which table a contract's reference means, and whether it has the columns that are referred to. Not here: counting what is missing there."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse_platform.contracts.model import Reference
from lakehouse_platform.problems import Problem
from lakehouse_platform.tables.definition import Table


def referenced_table(tables: Mapping[str, Table], table: Table, reference: Reference) -> Table | None:
    """The table of that name in the referring table's own layer, else the one in the other layer; None where there is none."""
    layers = (table.layer, "silver", "gold")
    return next((tables[name] for layer in layers if (name := f"{layer}/{reference.table}") in tables), None)


def reference_problems(tables: Mapping[str, Table]) -> list[Problem]:
    """Every reference of every table that means no table, no column, or one of another type."""
    return [
        problem for table in tables.values() for reference in table.contract.references if (problem := _problem(tables, table, reference)) is not None
    ]


def _problem(tables: Mapping[str, Table], table: Table, reference: Reference) -> Problem | None:
    path, line = table.contract.path, reference.line
    other = referenced_table(tables, table, reference)
    if other is None:
        return Problem(path, line, f"{reference.id} refers to {reference.table}, which is no table here", f"name one of {', '.join(tables)}")
    types = {column.name: column.type for column in other.contract.columns}
    for name, target in zip(reference.columns, reference.targets, strict=True):
        if target not in types:
            return Problem(path, line, f"{reference.id}: {other.name} has no column {target}", f"use one of {', '.join(types)}")
        own = table.contract.column(name).type
        if own != types[target]:
            message = f"{reference.id}: {name} is {own}, and {target} of {other.name} is {types[target]}"
            return Problem(path, line, message, "refer to a column of the same type")
    return None

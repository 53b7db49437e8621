"""What a silver table may look up while it reads its records: other tables, by their whole key. Not here: the join's form (engine/row_lookups.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.row_lookups import Lookup
from lakehouse_platform.engine.rows import RowQuery, row_query
from lakehouse_platform.problems import Problem
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import contract_fields


def record_query(table: Table, metadata: Mapping[str, ColumnType], tables: Mapping[str, Table]) -> RowQuery:
    """A silver table's query over the records of its bronze table, whose own columns are `metadata`."""
    return row_query(table.query, metadata, {name: _columns(tables[name]) for name in table.inputs[1:]})


def lookup_problems(table: Table, query: RowQuery, metadata: Collection[str], tables: Mapping[str, Table]) -> list[Problem]:
    """Every lookup of a table that could give a record more than one row, or whose name is taken."""
    line = table.query.line_of(table.query.tree)
    return [
        Problem(table.query.path, line, message, mend)
        for lookup in query.lookups
        for message, mend in _mistakes(table, lookup, tables[lookup.input], {*metadata, *query.fields})
    ]


def _mistakes(table: Table, lookup: Lookup, other: Table, taken: Collection[str]) -> Iterator[tuple[str, str]]:
    key = other.contract.key
    if not key or not set(key) <= set(lookup.keys):
        wanted = ", ".join(key) or "no key"
        yield f"{other.name} has {wanted}, and is looked up by {', '.join(lookup.keys)}: a record could become several rows", "look it up by its key"
    if lookup.alias in taken:
        yield f"{lookup.alias} is a column of the records and the name of a lookup", f"give {other.name} another name with AS"
    if table.refresh is Refresh.SCD1:
        yield "a table of change events looks up nothing", "join in a gold table"


def _columns(table: Table) -> dict[str, ColumnType]:
    return {field.name: field.type for field in contract_fields(table)}

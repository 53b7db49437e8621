"""What the documents of one table must say alike: its name, its columns, its key. Not here: its inputs and types (checks.py)."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse_platform.contracts.model import Contract
from lakehouse_platform.engine.lineage import grouped_outputs
from lakehouse_platform.engine.query import Query
from lakehouse_platform.problems import Problem
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.draft import Draft
from lakehouse_platform.tables.storage import filled_columns, mapped_columns

# These fill the key's columns, or make several rows of a key's events, themselves.
_VERSIONED = (Refresh.SCD1, Refresh.SCD2)


def agreement_problems(draft: Draft) -> list[Problem]:
    """Every mistake in which the attributes, the contract and the query of a table disagree, as far as they could be read."""
    problems = list(_name(draft.name, draft.contract)) if draft.contract is not None and draft.attributes is not None else []
    table = draft.table
    if table is not None and draft.query is not None:
        problems += [*_outputs(table), *_filled(table), *_grouping(table, draft.query)]
    return problems


def _name(name: str, contract: Contract) -> Iterator[Problem]:
    wanted = name.partition("/")[2]
    if wanted and contract.table and contract.table != wanted:
        message = f"the contract describes {contract.table}, defs.yaml the table {wanted}"
        yield Problem(contract.path, contract.table_line, message, f"write name: {wanted}, or correct the table's name")


def _outputs(table: Table) -> Iterator[Problem]:
    contract, query = table.contract, table.query
    outputs, filled = list(query.outputs), filled_columns(table)
    wanted = [column.name for column in mapped_columns(table)]
    for name in wanted:
        if name not in outputs:
            mend = f"add `… AS {name}` to transform.sql, or take it out of the contract"
            yield Problem(contract.path, contract.column(name).line, f"the query gives no column {name}", mend)
    for name in outputs:
        line = query.line_naming(name)
        if outputs.count(name) > 1:
            yield Problem(query.path, line, f"two columns are named {name}", "give one of them another name")
        elif name in filled:
            yield Problem(query.path, line, f"{name} is filled by the platform", "leave it out of the query")
        elif name not in wanted:
            yield Problem(query.path, line, f"the contract has no column {name}", "add it to contract.yaml, or leave it out of the query")


def _filled(table: Table) -> Iterator[Problem]:
    names = {column.name for column in table.contract.columns}
    for name in filled_columns(table):
        if name not in names:
            mend = f"every such table has it: add {name} to the contract's properties"
            yield Problem(table.contract.path, 0, f"{name} is missing", mend)


def _grouping(table: Table, query: Query) -> Iterator[Problem]:
    """A query that groups gives a row for each of its groups: they are what the key says, or the key comes twice."""
    grouped = grouped_outputs(query)
    if grouped is None or not table.contract.key or table.refresh in _VERSIONED:
        return
    if {name.lower() for name in grouped} != {name.lower() for name in table.contract.key}:
        message = f"GROUP BY gives a row for each {', '.join(grouped)}; the contract's primaryKey is {', '.join(table.contract.key)}"
        mend = "group by the key's columns and aggregate the others, or mark primaryKey what the query groups by"
        yield Problem(query.path, query.line_naming("GROUP BY"), message, mend)

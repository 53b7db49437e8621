"""Checks one table against its contract and its inputs, before anything runs: every mistake with file, line and mend.

Not here: reading the documents, the order of tables (project.py), the rules of each way to refresh (refresh_rules.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lakehouse_platform.contracts.model import Column, Contract
from lakehouse_platform.contracts.types import STRING, ColumnType, struct
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.lineage import column_lineage
from lakehouse_platform.engine.patterns import read_pattern
from lakehouse_platform.engine.query import Query
from lakehouse_platform.engine.rows import row_query
from lakehouse_platform.engine.spelling import duckdb_type, quote
from lakehouse_platform.engine.time_windows import TimeWindow, time_windows
from lakehouse_platform.engine.transpile import expression_to_duckdb, output_types, to_duckdb, unsupported_functions
from lakehouse_platform.engine.typing import converts
from lakehouse_platform.ingest.bronze_columns import bronze_columns
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.problems import LakehouseError, Problem, ProjectError
from lakehouse_platform.quality.judging import mapped
from lakehouse_platform.tables.agreement import agreement_problems
from lakehouse_platform.tables.code_version import code_version
from lakehouse_platform.tables.definition import ColumnSource, Table
from lakehouse_platform.tables.draft import Draft
from lakehouse_platform.tables.lookups import lookup_problems, record_query
from lakehouse_platform.tables.refresh_rules import refresh_problems
from lakehouse_platform.tables.storage import contract_fields, mapped_columns


@dataclass(frozen=True)
class Upstream:
    """What a table may read: all sources, and all tables as their contracts say them. `unclear` are those of which too little could be read."""

    sources: Mapping[str, Source]
    tables: Mapping[str, Table]
    unclear: frozenset[str] = frozenset()

    def columns(self, name: str) -> dict[str, ColumnType] | None:
        """Columns of an input as a query sees them; None where they are not known, or there is no such table."""
        if name in self.sources:
            return {field.name: field.type for field in bronze_columns(self.sources[name])}
        if name in self.tables:
            return {field.name: field.type for field in contract_fields(self.tables[name])}
        return None


def check_table(session: Session, draft: Draft, upstream: Upstream) -> tuple[Table | None, list[Problem]]:
    """The table of a draft, and every mistake that its documents and its inputs show together; None where it cannot be made."""
    known, problems = _known_inputs(draft, upstream)
    knows_inputs = draft.query is not None and set(known) == set(draft.query.inputs)
    misfits: Sequence[Problem] = ()
    if draft.query is not None:
        misfits = _query_problems(draft.query, known) if knows_inputs else unsupported_functions(draft.query)
    problems += [*misfits, *agreement_problems(draft)]
    if draft.contract is not None:
        problems += [*_rule_problems(session, draft.contract), *_format_problems(draft.contract)]
    table = draft.table
    if table is None:
        return None, problems
    if draft.has_all_attributes:
        problems += refresh_problems(table, draft, upstream.sources, upstream.tables, knows_inputs=knows_inputs)
    if misfits or not knows_inputs:
        return None, problems
    table = replace(table, code_version=code_version(table, upstream.sources.get(str(table.driving))))
    build = _build_row_table if table.driving in upstream.sources else _build_query_table
    if table.driving in upstream.sources and (lost := _lookup_problems(table, known, upstream)):
        return None, problems + lost
    try:
        table = build(session, table, known)
    except ProjectError as error:
        return None, [*problems, *error.problems]
    columns = [column for column in mapped_columns(table) if column.name in table.output_types]
    table = replace(table, windows=_windows(table, upstream.tables, known))
    return table, problems + [problem for column in columns if (problem := _type_problem(table, column)) is not None]


def _format_problems(contract: Contract) -> Iterator[Problem]:
    """Patterns that no text can be read by: found when rows come, they would fail the run."""
    for column in contract.columns:
        for pattern in column.formats:
            try:
                is_read = bool(read_pattern(pattern).parse_format)
            except ValueError as error:
                yield Problem(contract.path, column.line, f"{column.name}: {error}", "give a pattern of these letters (docs/engines.md)")
                continue
            if not is_read:
                message = f"{column.name}: by the pattern {pattern!r} a time can be printed, but not read"
                yield Problem(contract.path, column.line, message, "give one that says year, month and day in digits or names")


def _lookup_problems(table: Table, known: Mapping[str, Mapping[str, ColumnType]], upstream: Upstream) -> list[Problem]:
    metadata = known[table.inputs[0]]
    return lookup_problems(table, record_query(table, metadata, upstream.tables), metadata, upstream.tables)


def _known_inputs(draft: Draft, upstream: Upstream) -> tuple[dict[str, dict[str, ColumnType]], list[Problem]]:
    known, problems = {}, []
    for name in draft.query.inputs if draft.query is not None else ():
        columns = upstream.columns(name)
        if columns is not None:
            known[name] = columns
        elif name not in upstream.unclear and draft.query is not None:
            there = ", ".join(sorted({*upstream.sources, *upstream.tables, *upstream.unclear} - {"", draft.name}))
            line = draft.query.line_of_input(name)
            message = f"there is no table {name.replace('/', '.')}"
            problems.append(Problem(draft.query.path, line, message, f"name one of {there}, or add its folder"))
    return known, problems


def _build_row_table(session: Session, table: Table, known: Mapping[str, Mapping[str, ColumnType]]) -> Table:
    assert table.driving is not None
    metadata = known[table.driving]
    lookups = _looked_up(known, table.driving)
    query = row_query(table.query, metadata, lookups)
    columns = [column for column in mapped_columns(table) if column.name in query.outputs]
    fields = [(field, STRING) for field in query.fields] + [(lookup.alias, struct(**lookup.columns)) for lookup in query.lookups]
    empty = ", ".join(f"NULL::{duckdb_type(kind)} AS {quote(name)}" for name, kind in [*metadata.items(), *fields])
    described = _describe(session, table, f"SELECT {mapped(query, columns)} FROM (SELECT {empty})")
    given = {column.name: described[f"_m_{column.name}"] for column in columns}
    types = {name: kind.items[0] if name in query.can_fail else kind for name, kind in given.items()}
    lineage = column_lineage(table.query, {table.driving: {**metadata, **dict.fromkeys(query.fields, STRING)}, **lookups})
    return _with(table, tuple(query.fields), types, lineage)


def _looked_up(known: Mapping[str, Mapping[str, ColumnType]], driving: str) -> dict[str, Mapping[str, ColumnType]]:
    return {name: columns for name, columns in known.items() if name != driving}


def _build_query_table(session: Session, table: Table, known: Mapping[str, Mapping[str, ColumnType]]) -> Table:
    relations = {}
    for position, (name, columns) in enumerate(known.items()):
        relations[name] = f"input_{position}"
        session.view(f"input_{position}", "SELECT " + ", ".join(f"NULL::{duckdb_type(kind)} AS {quote(column)}" for column, kind in columns.items()))
    types = _describe(session, table, to_duckdb(table.query, relations, known))
    return _with(table, (), types, column_lineage(table.query, known))


def _windows(table: Table, tables: Mapping[str, Table], known: Mapping[str, Mapping[str, ColumnType]]) -> Mapping[str, TimeWindow]:
    """The windows of time that a partitioned table reads of its partitioned inputs."""
    result = table.partitioned
    inputs = {name: part for name in table.inputs if name in tables and (part := tables[name].partitioned) is not None}
    return time_windows(table.query, result, inputs, known) if result is not None and inputs else {}


def _with(table: Table, fields: tuple[str, ...], types: Mapping[str, ColumnType], lineage: Mapping[str, tuple[ColumnSource, ...]]) -> Table:
    return Table(table.attributes, table.folder, table.contract, table.query, table.inputs, fields, types, lineage, table.code_version)


def _describe(session: Session, table: Table, sql: str) -> dict[str, ColumnType]:
    try:
        return session.describe(sql)
    except LakehouseError as error:
        raise ProjectError(
            [
                Problem(
                    table.query.path,
                    _query_line(table),
                    f"the query does not fit its inputs: {error}",
                    "correct the column or function that it names",
                )
            ]
        ) from error


def _query_problems(query: Query, known: Mapping[str, Mapping[str, ColumnType]]) -> tuple[Problem, ...]:
    """What the query may not do, whatever else is wrong with the table."""
    driving = query.inputs[0] if query.inputs else ""
    try:
        if driving.startswith("bronze/"):
            row_query(query, known[driving], _looked_up(known, driving))
        else:
            output_types(query, known)
    except ProjectError as error:
        return error.problems
    return ()


def _rule_problems(session: Session, contract: Contract) -> list[Problem]:
    columns = {column.name: column.type for column in contract.columns}
    empty = "SELECT " + ", ".join(f"NULL::{duckdb_type(kind)} AS {quote(name)}" for name, kind in columns.items())
    problems = []
    for rule in contract.row_rules:
        try:
            session.describe(f"SELECT {expression_to_duckdb(rule.failing, columns)} AS failing FROM ({empty})")
        except (LakehouseError, ProjectError) as error:
            problems.append(Problem(contract.path, rule.line, f"rule {rule.id}: {error}", "correct the rule's expression"))
    return problems


def _type_problem(table: Table, column: Column) -> Problem | None:
    given = table.output_types[column.name]
    if not converts(given, column):
        message = f"{column.name} is {given} in the query and {column.type} in the contract"
        mend = f"cast it in the query, or change the contract's type at {table.contract.path}:{column.line}"
        return Problem(table.query.path, _query_line(table), message, mend)
    return None


def _query_line(table: Table) -> int:
    """Where a mistake of the whole query is told: its file, or its first line where the file holds more."""
    return table.query.first_line if table.query.first_line > 1 else 0

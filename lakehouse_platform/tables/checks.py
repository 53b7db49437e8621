"""Checks one table against its contract and its inputs, before anything runs: every mistake with file, line and mend.

Not here: reading the documents, the order of tables (project.py), the rules of each way to refresh (refresh_rules.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse_platform.contracts.model import Column
from lakehouse_platform.contracts.reading import read_contract
from lakehouse_platform.contracts.types import STRING, ColumnType
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.lineage import column_lineage
from lakehouse_platform.engine.query import parse_query
from lakehouse_platform.engine.rows import row_query
from lakehouse_platform.engine.scan import scan
from lakehouse_platform.engine.spelling import duckdb_type, quote
from lakehouse_platform.engine.transpile import expression_to_duckdb, output_types, to_duckdb
from lakehouse_platform.engine.typing import converts
from lakehouse_platform.ingest.bronze_columns import bronze_columns
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.problems import LakehouseError, Problem, ProjectError
from lakehouse_platform.quality.judging import mapped
from lakehouse_platform.tables.attributes import TableAttributes
from lakehouse_platform.tables.definition import ColumnSource, Table
from lakehouse_platform.tables.documents import Document
from lakehouse_platform.tables.draft import Draft
from lakehouse_platform.tables.refresh_rules import refresh_problems
from lakehouse_platform.tables.storage import contract_fields, filled_columns, mapped_columns


@dataclass(frozen=True)
class Upstream:
    """What a table may read: all sources, and the tables built before it."""

    sources: Mapping[str, Source]
    tables: dict[str, Table]

    def columns(self, name: str) -> dict[str, ColumnType] | None:
        """Columns of an input as a query sees them; None where there is no such table."""
        if name in self.sources:
            return {field.name: field.type for field in bronze_columns(self.sources[name])}
        if name in self.tables:
            return {field.name: field.type for field in contract_fields(self.tables[name])}
        return None


def read_draft(document: Document, attributes: TableAttributes) -> Draft:
    """Contract and query of a table's folder. Raises ProjectError with the mistakes of both."""
    folder = document.path.parent
    problems = [
        Problem(document.path, document.line, f"{name} is missing beside it", f"add {folder / name}")
        for name in ("contract.yaml", "transform.sql")
        if not (folder / name).is_file()
    ]
    if problems:
        raise ProjectError(problems)
    try:
        contract = read_contract(folder / "contract.yaml")
    except ProjectError as error:
        problems += error.problems
    try:
        query = parse_query((folder / "transform.sql").read_text(encoding="utf-8"), folder / "transform.sql")
    except ProjectError as error:
        problems += error.problems
    if problems:
        raise ProjectError(problems)
    return Draft(folder, document.line, attributes, contract, query)


def build_table(session: Session, draft: Draft, upstream: Upstream) -> Table:
    """The checked table. Raises ProjectError with every mistake that its contract, its query and its inputs show together."""
    known = _resolve_inputs(draft, upstream)
    table = Table(draft.attributes, draft.folder, draft.contract, draft.query, draft.query.inputs, code_version=_code_version(draft))
    problems = refresh_problems(table, draft, upstream.sources, upstream.tables) + _output_problems(table, draft) + _rule_problems(session, table)
    from_bronze = table.driving in upstream.sources
    problems += _query_problems(table, known, from_bronze=from_bronze)
    if problems:
        raise ProjectError(problems)
    build = _build_row_table if from_bronze else _build_query_table
    built = build(session, table, known)
    problems = [problem for column in mapped_columns(built) if (problem := _type_problem(built, column)) is not None]
    if problems:
        raise ProjectError(problems)
    return built


def _resolve_inputs(draft: Draft, upstream: Upstream) -> dict[str, dict[str, ColumnType]]:
    known, problems = {}, []
    for name in draft.query.inputs:
        columns = upstream.columns(name)
        if columns is None:
            there = ", ".join([*upstream.sources, *upstream.tables])
            line = _line_of(draft, name.split("/")[1])
            problems.append(Problem(draft.sql_path, line, f"there is no table {name.replace('/', '.')}", f"name one of {there}, or add its folder"))
        else:
            known[name] = columns
    if problems:
        raise ProjectError(problems)
    return known


def _build_row_table(session: Session, table: Table, known: Mapping[str, Mapping[str, ColumnType]]) -> Table:
    assert table.driving is not None
    metadata = known[table.driving]
    query = row_query(table.query, metadata)
    columns = mapped_columns(table)
    empty = ", ".join(
        f"NULL::{duckdb_type(kind)} AS {quote(name)}" for name, kind in [*metadata.items(), *((field, STRING) for field in query.fields)]
    )
    described = _describe(session, table, f"SELECT {mapped(query, columns)} FROM (SELECT {empty})")
    given = {column.name: described[f"_m_{column.name}"] for column in columns}
    types = {name: kind.items[0] if name in query.can_fail else kind for name, kind in given.items()}
    lineage = column_lineage(table.query, {table.driving: {**metadata, **dict.fromkeys(query.fields, STRING)}})
    return _with(table, tuple(query.fields), types, lineage)


def _build_query_table(session: Session, table: Table, known: Mapping[str, Mapping[str, ColumnType]]) -> Table:
    relations = {}
    for position, (name, columns) in enumerate(known.items()):
        relations[name] = f"input_{position}"
        session.view(f"input_{position}", "SELECT " + ", ".join(f"NULL::{duckdb_type(kind)} AS {quote(column)}" for column, kind in columns.items()))
    types = _describe(session, table, to_duckdb(table.query, relations, known))
    return _with(table, (), types, column_lineage(table.query, known))


def _with(table: Table, fields: tuple[str, ...], types: Mapping[str, ColumnType], lineage: Mapping[str, tuple[ColumnSource, ...]]) -> Table:
    return Table(table.attributes, table.folder, table.contract, table.query, table.inputs, fields, types, lineage, table.code_version)


def _describe(session: Session, table: Table, sql: str) -> dict[str, ColumnType]:
    try:
        return session.describe(sql)
    except LakehouseError as error:
        path = table.folder / "transform.sql"
        raise ProjectError(
            [Problem(path, 0, f"the query does not fit its inputs: {error}", "correct the column or function that it names")]
        ) from error


def _output_problems(table: Table, draft: Draft) -> list[Problem]:
    outputs, filled = list(table.query.outputs), filled_columns(table)
    wanted = [column.name for column in mapped_columns(table)]
    contract = table.contract
    problems = [
        Problem(
            contract.path,
            contract.column(name).line,
            f"the query gives no column {name}",
            f"add `… AS {name}` to transform.sql, or take it out of the contract",
        )
        for name in wanted
        if name not in outputs
    ]
    for name in outputs:
        line = _line_of(draft, name)
        if outputs.count(name) > 1:
            problems.append(Problem(draft.sql_path, line, f"two columns are named {name}", "give one of them another name"))
        elif name in filled:
            problems.append(Problem(draft.sql_path, line, f"{name} is filled by the platform", "leave it out of the query"))
        elif name not in wanted:
            problems.append(
                Problem(draft.sql_path, line, f"the contract has no column {name}", "add it to contract.yaml, or leave it out of the query")
            )
    names = {column.name for column in contract.columns}
    return problems + [
        Problem(contract.path, 0, f"{name} is missing", f"every such table has it: add {name} to the contract's properties")
        for name in filled
        if name not in names
    ]


def _query_problems(table: Table, known: Mapping[str, Mapping[str, ColumnType]], *, from_bronze: bool) -> tuple[Problem, ...]:
    """What the query may not do, whatever else is wrong with the table."""
    try:
        if from_bronze:
            row_query(table.query, known[table.inputs[0]])
        else:
            output_types(table.query, known)
    except ProjectError as error:
        return error.problems
    return ()


def _rule_problems(session: Session, table: Table) -> list[Problem]:
    columns = {column.name: column.type for column in table.contract.columns}
    empty = scan(contract_fields(table), (), ())
    problems = []
    for rule in table.contract.row_rules:
        try:
            session.describe(f"SELECT {expression_to_duckdb(rule.failing, columns)} AS failing FROM ({empty})")
        except (LakehouseError, ProjectError) as error:
            problems.append(Problem(table.contract.path, rule.line, f"rule {rule.id}: {error}", "correct the rule's expression"))
    return problems


def _type_problem(table: Table, column: Column) -> Problem | None:
    given = table.output_types[column.name]
    if not converts(given, column):
        message = f"{column.name} is {given} in the query and {column.type} in the contract"
        return Problem(
            table.folder / "transform.sql", 0, message, f"cast it in the query, or change the contract's type at {table.contract.path}:{column.line}"
        )
    return None


def _line_of(draft: Draft, word: str) -> int:
    """The first line of the query that has a word: where a reader looks for it."""
    for number, line in enumerate(draft.query.text.splitlines(), start=1):
        if word.lower() in line.lower():
            return number
    return 0


def _code_version(draft: Draft) -> str:
    parts = (draft.contract.text, draft.query.text, draft.attributes.model_dump_json())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

"""Spark SQL to DuckDB with Spark 4's ANSI meaning: what fails there fails here, and types are Spark's.

Belongs here: what the rest of the platform calls. Does not belong here: the meaning of any piece of SQL (operators.py, functions/, selects.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine import operators, selects
from lakehouse_platform.engine.functions import aggregates, nested, numbers, text, times
from lakehouse_platform.engine.functions.call import unsupported
from lakehouse_platform.engine.query import Query, SparkSql, parse_select
from lakehouse_platform.engine.terms import Context, Language, Scope, Source, Term
from lakehouse_platform.problems import Problem, ProjectError

Schemas = Mapping[str, Mapping[str, ColumnType]]

LANGUAGE = Language(
    rules={**operators.RULES, **selects.RULES},
    functions={**text.FUNCTIONS, **numbers.FUNCTIONS, **times.FUNCTIONS, **nested.FUNCTIONS, **aggregates.FUNCTIONS},
    subquery=selects.subquery,
)


def to_duckdb(query: Query, relations: Mapping[str, str], schemas: Schemas) -> str:
    """A query as DuckDB SQL. `relations` gives the SQL name of each input, `silver/order_lines`, `schemas` its columns."""
    return _compiled(query, relations, schemas)[0]


def output_types(query: Query, schemas: Schemas) -> dict[str, ColumnType]:
    """Spark's types of a query's columns. Raises ProjectError where the query cannot work over these schemas."""
    return dict(_compiled(query, dict.fromkeys(schemas, "input"), schemas)[1])


def unsupported_functions(query: Query) -> list[Problem]:
    """The calls of functions that are not known: what can be told of a query whose inputs' columns are not."""
    calls = [node for node in query.tree.find_all(exp.Anonymous) if node.name.lower() not in LANGUAGE.functions]
    return [Problem(query.path, query.line_of(node), *unsupported(node.name.lower())) for node in calls]


def sql_to_duckdb(sql: str, relations: Mapping[str, str], schemas: Schemas) -> str:
    """Free SQL of a person as DuckDB SQL; `*` and unnamed columns are allowed."""
    return to_duckdb(parse_select(sql, Path("query")), relations, schemas)


def expression_to_duckdb(text: str, columns: Mapping[str, ColumnType], *, path: Path = Path("expression"), line: int = 1) -> str:
    """One Spark SQL expression over columns as DuckDB SQL."""
    return expression_term(text, columns, path=path, line=line).sql


def failing_condition(text: str, columns: Mapping[str, ColumnType]) -> str:
    """DuckDB SQL that is TRUE for rows for which a Spark SQL condition holds, or cannot be judged because it fails itself; null does not hold."""
    return f"coalesce(TRY(struct_pack(v := coalesce(({expression_to_duckdb(text, columns)}), FALSE))).v, TRUE)"


def expression_term(text: str, columns: Mapping[str, ColumnType], *, path: Path = Path("expression"), line: int = 1) -> Term:
    """One Spark SQL expression over columns: its DuckDB SQL, its type, and whether it can fail on some row."""
    try:
        tree = sqlglot.parse_one(text, dialect=SparkSql)
    except SqlglotError as error:
        raise ProjectError([Problem(path, line, f"{text!r} is no Spark SQL expression", "correct it")]) from error
    query = Query(text, path, exp.Select(expressions=[tree]), line)
    return Context(query, LANGUAGE, Scope((Source(None, columns),))).term(tree)


def with_extra_outputs(query: Query, extra: Mapping[str, str]) -> Query:
    """The query with more columns at the end of its SELECT, each a Spark SQL expression over what its FROM gives."""
    tree = query.tree.copy()
    if not isinstance(tree, exp.Select):
        query.refuse(tree, "columns cannot be added to a UNION", "write it as one SELECT over a subquery")
    for name, expression in extra.items():
        tree.append("expressions", exp.alias_(sqlglot.parse_one(expression, dialect=SparkSql), name, quoted=True))
    return replace(query, tree=tree)


def _compiled(query: Query, relations: Mapping[str, str], schemas: Schemas) -> tuple[str, Mapping[str, ColumnType]]:
    tables = {name: (relations[name], schemas[name]) for name in schemas if name in relations}
    return selects.statement(Context(query, LANGUAGE, tables=tables), query.tree)

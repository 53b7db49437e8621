"""Silver's queries over bronze, row by row: which source fields they read, and each output as one expression over a row.

Belongs here: what such a query may not do, and its outputs. Does not belong here: decoding the fields (ingest/), types (typing.py), what its
joins may look up (row_lookups.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.operators import condition
from lakehouse_platform.engine.query import Query, SparkSql, table_name
from lakehouse_platform.engine.row_lookups import Lookup, Schemas, checked, lookup_joins, lookup_problems, read_lookup
from lakehouse_platform.engine.terms import Context, Scope, Source, Term
from lakehouse_platform.engine.transpile import LANGUAGE
from lakehouse_platform.problems import Problem, ProjectError

_ROW_ONLY = "a query over bronze maps one record to one row; do this in a gold table"
_CLAUSES = {
    "with_": "WITH", "laterals": "LATERAL VIEW", "group": "GROUP BY", "having": "HAVING", "qualify": "QUALIFY",
    "distinct": "DISTINCT", "order": "ORDER BY", "limit": "LIMIT", "offset": "OFFSET",
}  # fmt: skip


@dataclass(frozen=True)
class RowQuery:
    """DuckDB expressions over the columns of a decoded bronze row.

    `fields` are the source fields that it reads, spelt as in the query, each a VARCHAR column; `can_fail` names the outputs that raise
    on some row, `texts` how the query spells each. A row for which `where` is not true is filtered. The columns of a lookup stand in a
    struct column of its alias.
    """

    outputs: Mapping[str, str]
    types: Mapping[str, ColumnType]
    texts: Mapping[str, str]
    can_fail: frozenset[str]
    where: str | None
    where_can_fail: bool
    fields: tuple[str, ...]
    lookups: tuple[Lookup, ...] = ()


def row_query(query: Query, metadata: Mapping[str, ColumnType], lookups: Schemas | None = None) -> RowQuery:
    """Read a query over one bronze table. Names that are no column of `metadata` are source fields. Raises ProjectError.

    `lookups` are the columns of the other tables that it may join.
    """
    schemas = lookups or {}
    problems = list(_problems(query))
    if problems:
        raise ProjectError(problems)
    tree = _unqualified(query.tree)
    problems = list(lookup_problems(query, tree, schemas))
    if problems:
        raise ProjectError(problems)
    fields: dict[str, None] = {}
    joins = lookup_joins(tree)
    sources = [Source(table.alias_or_name, schemas[table_name(table)]) for table in (join.this for join in joins)]
    context = Context(query, LANGUAGE, Scope((Source(None, metadata), *sources), fields=fields))
    looked_up = tuple(read_lookup(context, join, schemas) for join in joins)
    terms: dict[str, Term] = {}
    kept, where = None, tree.args.get("where")
    for projection in tree.selects:
        try:
            terms[projection.alias_or_name] = context.term(projection.unalias())
        except ProjectError as error:
            problems += error.problems
    try:
        kept = checked(looked_up, condition(context, where.this) if where is not None else None)
    except ProjectError as error:
        problems += error.problems
    if problems:
        raise ProjectError(problems)
    return RowQuery(
        outputs={name: term.sql for name, term in terms.items()},
        types={name: term.type for name, term in terms.items()},
        texts={projection.alias_or_name: projection.unalias().sql(dialect=SparkSql) for projection in query.tree.selects},
        can_fail=frozenset(name for name, term in terms.items() if term.can_fail),
        where=kept.sql if kept is not None else None,
        where_can_fail=kept is not None and kept.can_fail,
        fields=tuple(fields),
        lookups=looked_up,
    )


def _problems(query: Query) -> Iterator[Problem]:
    tree = query.tree
    if not isinstance(tree, exp.Select) or not isinstance(getattr(tree.args.get("from_"), "this", None), exp.Table):
        yield Problem(query.path, query.line_of(tree), "the query is not SELECT … FROM one bronze table", _ROW_ONLY)
        return
    for name, word in _CLAUSES.items():
        if found := tree.args.get(name):
            node = found[0] if isinstance(found, list) else found
            yield Problem(query.path, query.line_of(node), f"{word} in a query over bronze", _ROW_ONLY)
    for node in tree.find_all(exp.Window, exp.Query, exp.Anonymous):
        rule = LANGUAGE.functions.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None
        if isinstance(node, exp.Window):
            yield Problem(query.path, query.line_of(node), "a window function in a query over bronze", _ROW_ONLY)
        elif isinstance(node, exp.Query) and node is not tree and "with_" not in tree.args:
            yield Problem(query.path, query.line_of(node), "a subquery in a query over bronze", _ROW_ONLY)
        elif rule is not None and rule.kind != "row" and not isinstance(node.parent, exp.Window):
            yield Problem(query.path, query.line_of(node), f"{node.name} in a query over bronze", _ROW_ONLY)


def _unqualified(tree: exp.Query) -> exp.Query:
    """The query with `alias.field` written as `field`: there is only one table."""
    table = tree.args["from_"].this
    copied = tree.copy()
    for column in copied.find_all(exp.Column):
        if column.table.lower() == table.alias_or_name.lower() and not column.db:
            column.set("table", None)
    return copied

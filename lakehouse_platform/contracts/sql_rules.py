"""SQL rules of a contract: their placeholders, whether they judge single rows, and what they name. Not here: the entry around the query."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from decimal import Decimal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from lakehouse_platform.contracts.model import ConstraintKind

# How a rule's query names the table; whoever runs it puts a relation there.
TABLE = "${table}"
_TABLE_PLACEHOLDER = re.compile(r"[\"'`]?\$?\{(?:table|object|model)\}[\"'`]?")
_COLUMN_PLACEHOLDER = re.compile(r"[\"'`]?\$?\{(?:column|property|field)\}[\"'`]?")
_OTHER_PLACEHOLDER = re.compile(r"\$\{(?!table\})[^}]*\}")
_PER_ROW_CLAUSES = {"expressions", "from_", "where"}
_NOT_PER_ROW = (exp.AggFunc, exp.Window, exp.Query, exp.Subquery, exp.UDTF)
_BROKEN_BY: dict[type[exp.Expr], ConstraintKind] = {
    exp.LT: ConstraintKind.MINIMUM,
    exp.GT: ConstraintKind.MAXIMUM,
    exp.LTE: ConstraintKind.EXCLUSIVE_MINIMUM,
    exp.GTE: ConstraintKind.EXCLUSIVE_MAXIMUM,
}


class RuleQueryError(ValueError):
    """A rule's query that cannot be run, with the mend."""

    def __init__(self, message: str, mend: str) -> None:
        self.mend = mend
        super().__init__(message)


def normalised(query: str, column: str | None) -> str:
    """The query with the table written `${table}` and the column's name in place of its placeholder."""
    text = _TABLE_PLACEHOLDER.sub(lambda _: TABLE, query.strip().rstrip(";"))
    if column is not None:
        text = _COLUMN_PLACEHOLDER.sub(lambda _: f"`{column}`", text)
    if match := _OTHER_PLACEHOLDER.search(text):
        raise RuleQueryError(f"the rule's query has a placeholder {match[0]}", "use ${table}, and ${column} in a property's rule")
    return text


def parsed(query: str) -> exp.Query:
    """The normalised query as a tree in which the table is called `${table}`. Raises RuleQueryError."""
    try:
        statements = sqlglot.parse(query.replace(TABLE, f"`{TABLE}`"), read="databricks")
    except SqlglotError as error:
        details = getattr(error, "errors", None)
        reason = f"{details[0]['description']}, at {details[0]['highlight']!r} in its line {details[0]['line']}" if details else str(error)
        raise RuleQueryError(f"the rule's query is not Spark SQL: {reason}", "write one SELECT that gives one number") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise RuleQueryError("the rule's query is not one SELECT", "write one SELECT that gives one number")
    return statements[0]


def row_predicate(tree: exp.Query) -> exp.Expr | None:
    """The predicate over one row if the query is `SELECT count(*) FROM ${table} WHERE predicate`, else None."""
    where, source = tree.args.get("where"), tree.find(exp.From)
    if not isinstance(tree, exp.Select) or not isinstance(where, exp.Where) or source is None or not isinstance(source.this, exp.Table):
        return None
    clauses = {name for name, value in tree.args.items() if value}
    if clauses != _PER_ROW_CLAUSES or len(tree.selects) != 1 or source.this.args.get("joins") or where.find(*_NOT_PER_ROW):
        return None
    count = tree.selects[0].unalias()
    if not isinstance(count, exp.Count) or not isinstance(count.this, exp.Star | exp.Literal):
        return None
    predicate: exp.Expr = where.this.copy()
    for column in predicate.find_all(exp.Column):
        if column.table in (source.this.alias_or_name, TABLE):
            column.set("table", None)
    return predicate


def compared(predicate: exp.Expr) -> tuple[str, ConstraintKind, int | float] | None:
    """Column, constraint and number if the predicate only compares a column with a number, such as `unit_price < 0`, else None."""
    kind = _BROKEN_BY.get(type(predicate))
    if kind is None or not isinstance(predicate.this, exp.Column) or not predicate.expression.is_number:
        return None
    number = predicate.expression.to_py()
    return predicate.this.name, kind, float(number) if isinstance(number, Decimal) else number


def check_names(tree: exp.Query, columns: Collection[str]) -> None:
    """Raise RuleQueryError if the query reads another table than its own, or a column that the table has not."""
    known = {name.lower() for name in columns}
    for scope in traverse_scope(tree):
        tables = [source for source in scope.sources.values() if isinstance(source, exp.Table)]
        for table in tables:
            if table.name != TABLE:
                raise RuleQueryError(f"the rule's query reads {table.sql('databricks')}", "a rule reads ${table} and nothing else")
        if len(tables) == len(scope.sources):
            for name in _named(scope):
                if name.lower() not in known:
                    raise RuleQueryError(f"the rule's query names {name}, which is no column here", f"columns are {', '.join(columns)}")


def _named(scope: Scope) -> Iterator[str]:
    own = {alias.alias for alias in scope.expression.find_all(exp.Alias)}
    for column in scope.columns:
        first = column.parts[0].name
        name = column.parts[1].name if first in scope.sources and len(column.parts) > 1 else first
        if name not in own:
            yield name

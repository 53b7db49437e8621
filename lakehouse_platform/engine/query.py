"""A table's query as a parsed value, and where in its text a mistake stands.

Belongs here: parsing Spark SQL, what it reads and names. Does not belong here: types (terms.py) and DuckDB's text (transpile.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import sqlglot
from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.databricks import DatabricksParser

from lakehouse_platform.problems import Problem, ProjectError

LAYERS = ("bronze", "silver", "gold")
_CLOCKS = ("current_timestamp", "current_date", "now", "localtimestamp")
_MISSING_PART = re.compile(r"Required keyword: '\w+' missing for <class '[\w.]*\.(\w+)'>")
_SPECIAL_FORMS = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION")


class SparkSql(Databricks):
    """Spark's grammar with every function left as it is called: functions/ says what each means, and refuses the rest."""

    class Tokenizer(Databricks.Tokenizer):
        """The tokens, with a doubled quote for a quote in a text, as in Spark 4."""

        STRING_ESCAPES: ClassVar[list[str]] = ["\\", "'", '"']

    class Parser(DatabricksParser):
        """The parser, without sqlglot's own reading of function names."""

        ARRAY_CONSTRUCTORS: ClassVar[dict[str, Any]] = {}
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {name: DatabricksParser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("CASE", "IF")}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {name: DatabricksParser.FUNCTION_PARSERS[name] for name in _SPECIAL_FORMS}


@dataclass(frozen=True)
class Query:
    """One SELECT in Spark SQL. `tree` is its syntax, not to be changed; `path` is the file that mistakes are told of."""

    text: str
    path: Path
    tree: exp.Query = field(compare=False, repr=False)
    first_line: int = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tables it reads, such as `silver/order_lines`; the driving one, which the outermost FROM leads to, is first."""
        names = [table_name(table) for table in base_tables(self.tree)]
        driving = driving_table(self.tree)
        first = [table_name(driving)] if driving is not None else []
        return tuple(dict.fromkeys([*first, *names]))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        return tuple(projection.alias_or_name for projection in self.tree.selects)

    def line_of(self, node: exp.Expr) -> int:
        """The line of the file at which a part of the query stands."""
        return line_of(node) + self.first_line - 1

    def line_of_input(self, name: str) -> int:
        """The first line of the file at which a table that it reads stands."""
        return next((self.line_of(table) for table in base_tables(self.tree) if table_name(table) == name), 0)

    def line_naming(self, word: str) -> int:
        """The first line of the file that has a word of the query, where a reader looks for it; 0 where none has."""
        lines = enumerate(self.text.splitlines(), start=self.first_line)
        return next((number for number, line in lines if word.lower() in line.lower()), 0)

    def refuse(self, node: exp.Expr, message: str, mend: str) -> NoReturn:
        """Raise the one mistake that a part of the query is."""
        raise ProjectError([Problem(self.path, self.line_of(node), message, mend)])


def parse_query(text: str, path: Path, first_line: int = 1) -> Query:
    """Read the one SELECT of a table; `first_line` is where the text begins in its file.

    Raises ProjectError with file, line and mend of every mistake in its shape.
    """
    query = parse_select(text, path, first_line)
    problems = list(_shape_problems(query))
    if problems:
        raise ProjectError(problems)
    return query


def parse_select(text: str, path: Path, first_line: int = 1) -> Query:
    """Read any SELECT, also one with `*` or unnamed columns. Raises ProjectError where it is no SQL or not one SELECT."""
    try:
        trees = [tree for tree in sqlglot.parse(text, dialect=SparkSql) if tree is not None]
    except ParseError as error:
        first = error.errors[0]
        raise ProjectError([Problem(path, (first["line"] or 1) + first_line - 1, _parse_message(first), "correct the SQL here")]) from error
    except TokenError as error:
        raise ProjectError(
            [Problem(path, _unclosed_line(text) + first_line - 1, "the SQL has a quote or comment without an end", "close it")]
        ) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise ProjectError([Problem(path, first_line, "the query is not one SELECT", "write one SELECT, with WITH for steps before it")])
    return Query(text, path, trees[0], first_line)


def line_of(node: exp.Expr) -> int:
    """The first known line of a part of a query, from itself, its parts or what surrounds it; 1 when nothing tells."""
    lines = [part.meta["line"] for part in node.walk() if "line" in part.meta]
    if lines:
        return int(min(lines))
    return line_of(node.parent) if node.parent is not None else 1


def table_name(table: exp.Table) -> str:
    """`silver/order_lines` for `silver.order_lines`."""
    return f"{table.db.lower()}/{table.name.lower()}"


def base_tables(tree: exp.Expr) -> Iterator[exp.Table]:
    """The tables of a query that are not names of its own WITH, in the order of the text."""
    tables = [table for table in tree.find_all(exp.Table, bfs=False) if definition_of(table) is None]
    return iter(sorted(tables, key=lambda table: (line_of(table), table.this.meta.get("col", 0))))


def definition_of(table: exp.Table) -> exp.Query | None:
    """The query in WITH that a one-part name stands for; None for a table."""
    if table.db:
        return None
    node: exp.Expr | None = table
    while node is not None:
        inside = node
        node = node.parent
        if node is None or not isinstance(node, exp.Query | exp.With):
            continue
        for definition in _visible_definitions(node, inside):
            if definition.alias.lower() == table.name.lower():
                query: exp.Query = definition.this
                return query
    return None


def _visible_definitions(node: exp.Expr, inside: exp.Expr) -> list[exp.CTE]:
    if isinstance(node, exp.With):
        before = [definition for definition in node.expressions if definition is not inside]
        position = next((index for index, definition in enumerate(node.expressions) if definition is inside), len(before))
        return list(node.expressions[:position])
    with_ = node.args.get("with_")
    return [] if with_ is None or inside is with_ else list(with_.expressions)


def driving_table(tree: exp.Expr | None) -> exp.Table | None:
    """The table that the outermost FROM leads to, through subqueries and WITH."""
    while tree is not None:
        if isinstance(tree, exp.Table):
            definition = definition_of(tree)
            if definition is None:
                return tree
            tree = definition
        elif isinstance(tree, exp.Select):
            from_ = tree.args.get("from_")
            tree = from_.this if from_ is not None else None
        elif isinstance(tree, exp.SetOperation | exp.Subquery):
            tree = tree.this
        else:
            return None
    return None


def _parse_message(error: Mapping[str, object]) -> str:
    near = f" near {error['highlight']!r}" if error.get("highlight") else ""
    missing = _MISSING_PART.search(str(error["description"]))
    description = f"{missing[1].upper()} is not complete" if missing else error["description"]
    return f"this is no Spark SQL: {description}{near}"


def _unclosed_line(text: str) -> int:
    """The line from which on the text cannot be read any more."""
    lines = text.splitlines() or [""]
    for count in range(1, len(lines) + 1):
        try:
            SparkSql().tokenize("\n".join(lines[:count]))
        except TokenError:
            rest_is_open = all(_is_open("\n".join(lines[:more])) for more in range(count, len(lines) + 1))
            if rest_is_open:
                return count
    return len(lines)


def _is_open(text: str) -> bool:
    try:
        SparkSql().tokenize(text)
    except TokenError:
        return True
    return False


def clock_outputs(query: Query) -> tuple[str, ...]:
    """Columns of the query that are the clock, such as `aggregation_timestamp`: they say when a row was made, and nothing of what it is."""
    return tuple(projection.alias_or_name for projection in query.tree.selects if projection.unalias().name.lower() in _CLOCKS)


def _clock_problems(query: Query) -> Iterator[Problem]:
    """The clock may be a column of the result, such as `aggregation_timestamp`, and nothing may depend on it."""
    whole = {id(projection.unalias()) for projection in query.tree.selects}
    for node in query.tree.find_all(exp.Anonymous, exp.Column):
        is_clock = node.name.lower() in _CLOCKS and not (isinstance(node, exp.Column) and node.table)
        if is_clock and id(node) not in whole:
            message = f"{node.name} inside an expression: the same input would not give the same table"
            yield Problem(query.path, query.line_of(node), message, "let it be a column of its own")


def _shape_problems(query: Query) -> Iterator[Problem]:
    yield from _clock_problems(query)
    for table in base_tables(query.tree):
        if isinstance(table.this, exp.Identifier) and (table.catalog or table.db.lower() not in LAYERS):
            yield Problem(
                query.path,
                query.line_of(table),
                f"{exp.table_name(table)} is no table of the lakehouse",
                f"name it with its layer, such as silver.{table.name}",
            )
    seen: set[str] = set()
    for projection in query.tree.selects:
        name = projection.alias_or_name
        if projection.is_star:
            yield Problem(query.path, query.line_of(projection), "SELECT * says not which columns the table has", "name the columns")
        elif not name:
            yield Problem(query.path, query.line_of(projection), f"the column {projection.sql(dialect=SparkSql)[:60]} has no name", "add AS name")
        elif name.lower() in seen:
            yield Problem(query.path, query.line_of(projection), f"two columns are named {name}", "give one another name with AS")
        seen.add(name.lower())

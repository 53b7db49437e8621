"""An expression on its way from Spark SQL to DuckDB: its text there, Spark's type, and what its names stand for.

Belongs here: the values that pass between the rules. Does not belong here: the rules (operators.py, casts.py, functions/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.query import Query
from lakehouse_platform.engine.spelling import duckdb_type, quote

if TYPE_CHECKING:
    from lakehouse_platform.engine.functions.call import FunctionRule

# Types that only an expression has: a bare NULL, and intervals by what they count.
VOID = ColumnType("void")
MONTHS, DAYS, MICROSECONDS = ColumnType("interval months"), ColumnType("interval days"), ColumnType("interval microseconds")
INTERVALS = (MONTHS, DAYS, MICROSECONDS)


@dataclass(frozen=True)
class Term:
    """DuckDB SQL that stands on its own (brackets included) and gives exactly `type` there too.

    `can_fail`: some row's values make it an error. `constant` is the value of a literal.
    """

    sql: str
    type: ColumnType
    can_fail: bool = False
    constant: str | int | None = None


@dataclass(frozen=True)
class Source:
    """A relation in FROM: the name its columns are reached by, and their types. Without a name, columns stand bare."""

    alias: str | None
    columns: Mapping[str, ColumnType]
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """What names stand for at one place: sources, aliases of the same SELECT, lambda parameters, then the query around it.

    `fields`, where given, makes every other name a text field of the source and collects it; case then counts, as it does in the source.
    """

    sources: tuple[Source, ...] = ()
    aliases: Mapping[str, Term] = field(default_factory=dict)
    parameters: Mapping[str, Term] = field(default_factory=dict)
    parent: Scope | None = None
    fields: dict[str, None] | None = None

    def named(self, name: str) -> list[Term]:
        """Every reading of a bare name that is equally near; more than one means that it is ambiguous."""
        if (parameter := self.parameters.get(name.lower())) is not None:
            return [parameter]
        if self.fields is not None:
            # A bare name is of the record; what is looked up is told by its table's name.
            return [term for source in self.sources if source.alias is None and name in source.columns for term in column_of(source, name)]
        found = [term for source in self.sources if name.lower() not in source.hidden for term in column_of(source, name)]
        if not found and (alias := self.aliases.get(name.lower())) is not None:
            return [alias]
        return found or (self.parent.named(name) if self.parent is not None else [])

    def source(self, alias: str) -> Source | None:
        """The relation of that name, here or around."""
        for source in self.sources:
            if source.alias is not None and source.alias.lower() == alias.lower():
                return source
        return self.parent.source(alias) if self.parent is not None else None


def column_of(source: Source, name: str) -> list[Term]:
    """A source's column by its name; Spark does not heed case."""
    exact = name if name in source.columns else next((column for column in source.columns if column.lower() == name.lower()), None)
    if exact is None:
        return []
    prefix = f"{quote(source.alias)}." if source.alias is not None else ""
    return [Term(prefix + quote(exact), source.columns[exact])]


Rule = Callable[["Context", exp.Expr], Term]


@dataclass(frozen=True)
class Language:
    """What each kind of syntax and each function means. `subquery` gives the text and column types of a query inside an expression."""

    rules: Mapping[type[exp.Expr], Rule]
    functions: Mapping[str, FunctionRule]
    subquery: Callable[[Context, exp.Query], tuple[str, Mapping[str, ColumnType]]]


@dataclass(frozen=True)
class Context:
    """Where an expression stands. `suffix` is what an aggregate there is followed by: FILTER and OVER.

    `tables` gives the DuckDB text and the columns of a table by its name in FROM.
    """

    query: Query
    language: Language
    scope: Scope = field(default_factory=Scope)
    tables: Mapping[str, tuple[str, Mapping[str, ColumnType]]] = field(default_factory=dict)
    suffix: str = ""

    def term(self, node: exp.Expr) -> Term:
        """The DuckDB term of a piece of Spark SQL. Raises ProjectError where the piece is not supported."""
        rule = self.language.rules.get(type(node))
        if rule is None:
            self.refuse(
                node, f"{node.key.upper()} is not supported: both engines must give the same answer", "write it with supported SQL (docs/engines.md)"
            )
        return rule(self, node)

    def plain(self, node: exp.Expr) -> Term:
        """A term outside the reach of FILTER and OVER: an argument of an aggregate."""
        return replace(self, suffix="").term(node)

    def with_parameters(self, parameters: Mapping[str, Term]) -> Context:
        """The same place inside a lambda."""
        return replace(self, scope=Scope(parameters=parameters, parent=self.scope, fields=self.scope.fields))

    def refuse(self, node: exp.Expr, message: str, mend: str) -> NoReturn:
        """Raise the one mistake that a piece of SQL is."""
        self.query.refuse(node, message, mend)


def null_of(target: ColumnType) -> str:
    """A NULL of a type."""
    return "NULL" if target == VOID or target in INTERVALS else f"CAST(NULL AS {duckdb_type(target)})"


def failing(message: str) -> str:
    """An INTEGER expression that fails with a message when it is reached. DuckDB's error() is volatile, which TRY refuses."""
    return f"CAST('{message}' AS INTEGER)"

"""What a person's SELECT reads: tables, each as it is or AS OF a version or an instant. Not here: which version that is (delta/versions.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from sqlglot import exp

from lakehouse_platform.engine.query import Query, SparkSql, base_tables, table_name

_BY_PATH = "delta"


@dataclass(frozen=True)
class Reference:
    """A table of a query, `silver/orders`, as of a `version` (a number or a tag) or of an `instant` (Spark SQL); as it is where both are None.

    `path`: the table is that of a place, as the query spells it, and of no layer (delta.`/path`). `node` is its place in the query.
    """

    table: str
    version: str | None
    instant: str | None
    node: exp.Table = field(compare=False, repr=False)
    path: str | None = None


def pointed(query: Query, name_of: Callable[[Reference], str]) -> Query:
    """The query with each table, as of its version, read from the relation `input/…` that `name_of` gives for it; columns keep their names."""
    copied = replace(query, tree=query.tree.copy())
    for table in base_tables(copied.tree):
        _point_to(table, name_of(_reference(copied, table)))
    return copied


def refuse_reference(query: Query, reference: Reference, message: str, mend: str) -> NoReturn:
    """Raise the mistake that a table's version is."""
    query.refuse(reference.node.args.get("version") or reference.node, message, mend)


def _reference(query: Query, table: exp.Table) -> Reference:
    as_of = table.args.get("version")
    # A path keeps its case, which a name has not.
    path = table.name if table.db.lower() == _BY_PATH else None
    if as_of is None:
        return Reference(table_name(table), None, None, table, path)
    given = as_of.expression
    if as_of.name == "TIMESTAMP":
        return Reference(table_name(table), None, given.sql(dialect=SparkSql), table, path)
    if not isinstance(given, exp.Literal):
        query.refuse(as_of, f"VERSION AS OF {given.sql(dialect=SparkSql)}", "give a version of `lakehouse history`, or a tag in quotes")
    return Reference(table_name(table), given.name, None, table, path)


def _point_to(table: exp.Table, name: str) -> None:
    called = table.this
    if not table.alias:
        table.set("alias", exp.TableAlias(this=called.copy()))
    place, entity = name.split("/")
    identifier = exp.to_identifier(entity, quoted=True)
    identifier.meta.update(called.meta)
    for part, value in {"this": identifier, "db": exp.to_identifier(place), "version": None}.items():
        table.set(part, value)

"""What a query over bronze may join: tables that each record looks up by their key, so that a record stays one row.

Belongs here: reading such joins and the SQL of looking up. Does not belong here: which version of a table is looked up (medallion/lookups.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from lakehouse_platform.contracts.types import BOOLEAN, ColumnType
from lakehouse_platform.engine.operators import unify
from lakehouse_platform.engine.query import Query, table_name
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.engine.terms import Context, Term
from lakehouse_platform.problems import Problem

Schemas = Mapping[str, Mapping[str, ColumnType]]
_FORM = (
    "write LEFT JOIN … ON lookup.key = expression of the record's fields, with AND where the lookup's key has several columns; "
    "or join in a gold table"
)


@dataclass(frozen=True)
class Lookup:
    """A table that each record looks up. `keys` are columns of it, each with the DuckDB expression over the decoded record that it must equal.

    Its columns stand in a struct column `alias`, which is null where nothing matches.
    """

    input: str
    alias: str
    keys: Mapping[str, str]
    columns: Mapping[str, ColumnType]
    can_fail: bool


def lookup_joins(tree: exp.Expr) -> list[exp.Join]:
    """The joins of a query's outermost SELECT."""
    return list(tree.args.get("joins") or ())


def lookup_problems(query: Query, tree: exp.Expr, schemas: Schemas) -> Iterator[Problem]:
    """Why joins of a query are no lookups; in its `tree` the record's fields stand without the name of their table."""
    for join in lookup_joins(tree):
        table, on = join.this, join.args.get("on")
        if not isinstance(table, exp.Table) or table_name(table) not in schemas:
            yield Problem(query.path, query.line_of(join), "JOIN in a query over bronze with what is no table of silver or gold", _FORM)
        elif join.args.get("side") != "LEFT" or join.args.get("kind") or on is None:
            message = "JOIN in a query over bronze that is no LEFT JOIN … ON: records without a match would be lost"
            yield Problem(query.path, query.line_of(join), message, _FORM)
        else:
            wrong = next((part for part in _parts(on) if _sides(part, table.alias_or_name) is None), None)
            if wrong is not None:
                message = f"{wrong.sql()} is no equation of a column of {table.alias_or_name} with the record's fields"
                yield Problem(query.path, query.line_of(wrong), message, _FORM)


def read_lookup(context: Context, join: exp.Join, schemas: Schemas) -> Lookup:
    """A join as a lookup. Raises ProjectError where its sides cannot be compared."""
    alias, name = join.this.alias_or_name, table_name(join.this)
    keys, can_fail = {}, False
    for part in _parts(join.args["on"]):
        sides = _sides(part, alias)
        assert sides is not None
        column, value = unify(context, part, [context.term(sides[0]), context.term(sides[1])])
        bare = next((known for known in schemas[name] if known.lower() == sides[0].name.lower()), sides[0].name)
        if column.sql != f"{quote(alias)}.{quote(bare)}":
            context.refuse(part, f"{bare} of {name} would have to be cast to be compared", f"CAST the other side to {schemas[name][bare]}")
        keys[bare], can_fail = value.sql, can_fail or value.can_fail
    return Lookup(name, alias, keys, schemas[name], can_fail)


def checked(lookups: Sequence[Lookup], where: Term | None) -> Term | None:
    """The condition under which a record is kept, which also fails where what it looks up by does."""
    failing = [value for lookup in lookups if lookup.can_fail for value in lookup.keys.values()]
    if not failing:
        return where
    # hash() of anything is a number: the values are computed, and decide nothing.
    return Term(f"(CASE WHEN hash({', '.join(failing)}) IS NULL THEN NULL ELSE {where.sql if where else 'TRUE'} END)", BOOLEAN, can_fail=True)


def looked_up(lookups: Sequence[Lookup], decoded: str, relations: Mapping[str, str]) -> str:
    """SQL of decoded records with what they look up, from the relation of each alias, beside them."""
    if not lookups:
        return decoded
    structs = ", ".join(f"{_joined(position)}.{quote(lookup.alias)}" for position, lookup in enumerate(lookups))
    sql = f"SELECT decoded.*, {structs} FROM ({decoded}) AS decoded"
    for position, lookup in enumerate(lookups):
        packed = ", ".join(f"{quote(name)} := {quote(name)}" for name in lookup.columns)
        keys = ", ".join(f"{quote(name)} AS _key_{position}_{number}" for number, name in enumerate(lookup.keys))
        rows = f"SELECT {keys}, struct_pack({packed}) AS {quote(lookup.alias)} FROM {relations[lookup.alias]}"
        values = [f"TRY(struct_pack(v := {value})).v" if lookup.can_fail else value for value in lookup.keys.values()]
        equal = " AND ".join(f"_key_{position}_{number} = {value}" for number, value in enumerate(values))
        sql += f" LEFT JOIN ({rows}) AS {_joined(position)} ON {equal}"
    return sql


def _joined(position: int) -> str:
    return f"_lookup_{position}"


def _parts(condition: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(condition, exp.Paren):
        yield from _parts(condition.this)
    elif isinstance(condition, exp.And):
        yield from _parts(condition.this)
        yield from _parts(condition.expression)
    else:
        yield condition


def _sides(equation: exp.Expr, alias: str) -> tuple[exp.Column, exp.Expr] | None:
    """The lookup's column and the expression over the record; None where it is no such equation."""
    if not isinstance(equation, exp.EQ):
        return None
    for column, value in ((equation.this, equation.expression), (equation.expression, equation.this)):
        is_own = isinstance(column, exp.Column) and column.table.lower() == alias.lower() and len(column.parts) == 2
        # What another lookup gives is not known yet here: only the record's own fields are.
        if is_own and not any(each.table for each in value.find_all(exp.Column)):
            return column, value
    return None

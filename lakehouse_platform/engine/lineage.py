"""Where a query's columns come from, and how its rows follow from the rows of its driving input.

Belongs here: reading the query's syntax. Does not belong here: what is done with the answer (medallion/, governance).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.query import Query, SparkSql, base_tables, definition_of, driving_table, table_name
from lakehouse_platform.engine.transpile import LANGUAGE

Schemas = Mapping[str, Mapping[str, ColumnType]]
ColumnSource = tuple[str, str]
_Sources = dict[ColumnSource, None]

_WITHIN_HOUR = ("SECOND", "MINUTE", "HOUR")
_WITHIN_DAY = (*_WITHIN_HOUR, "DAY")
# What a date_trunc may cut to so that a value and its cut lie in one hour, day, week or month.
_WITHIN = {"hour": _WITHIN_HOUR, "day": _WITHIN_DAY, "week": (*_WITHIN_DAY, "WEEK"), "month": (*_WITHIN_DAY, "MONTH")}


@dataclass(frozen=True)
class LookupJoin:
    """A join of a table that does not drive the query.

    `condition` is its ON clause in Spark SQL over `driving_alias` and `alias`; None where changed rows of the lookup cannot be brought
    to rows of the driving input so, and any row may be affected. `columns` are the names that may be read of it elsewhere than there.
    """

    input: str
    alias: str
    driving_alias: str
    condition: str | None
    columns: frozenset[str]


@dataclass(frozen=True)
class _Names:
    """What names stand for in one SELECT: columns by source, and the aliases of the SELECT itself. `open_table` takes names not found."""

    sources: Mapping[str, Mapping[str, _Sources]]
    aliases: dict[str, _Sources] = field(default_factory=dict)
    open_table: str | None = None
    parent: _Names | None = None

    def find(self, table: str, name: str) -> _Sources:
        """Sources of a column; the table is empty for a bare name."""
        if table:
            # `column.field` of a struct has the column in place of the table.
            return found if (found := self._qualified(table, name)) is not None else self.find("", table)
        for columns in self.sources.values():
            if name.lower() in columns:
                return columns[name.lower()]
        if name.lower() in self.aliases:
            return self.aliases[name.lower()]
        return self.parent.find(table, name) if self.parent is not None else self._opened(name)

    def _qualified(self, table: str, name: str) -> _Sources | None:
        if table.lower() in self.sources:
            found = self.sources[table.lower()].get(name.lower())
            return found if found is not None else self._opened(name)
        return self.parent._qualified(table, name) if self.parent is not None else None

    def _opened(self, name: str) -> _Sources:
        return {(self.open_table, name): None} if self.open_table is not None else {}


def column_lineage(query: Query, schemas: Schemas) -> dict[str, tuple[ColumnSource, ...]]:
    """Every output column's sources as (input table, column). Names that no schema has are fields of the one bronze table."""
    return {name: tuple(sources) for name, sources in _outputs(query.tree, schemas, None).items()}


def _outputs(tree: exp.Expr, schemas: Schemas, parent: _Names | None) -> dict[str, _Sources]:
    if isinstance(tree, exp.Subquery):
        return _outputs(tree.this, schemas, parent)
    if isinstance(tree, exp.SetOperation):
        left, right = _outputs(tree.this, schemas, parent), _outputs(tree.expression, schemas, parent)
        return {name: one | other for (name, one), other in zip(left.items(), right.values(), strict=False)}
    names = _names(tree, schemas, parent)
    found: dict[str, _Sources] = {}
    for projection in tree.expressions:
        star = projection if isinstance(projection, exp.Star) else projection.this if isinstance(projection, exp.Column) else None
        if isinstance(star, exp.Star):
            wanted = projection.table.lower() if isinstance(projection, exp.Column) else ""
            for alias, columns in names.sources.items():
                found |= {} if wanted and alias != wanted else dict(columns)
            continue
        sources = _sources(projection, names, schemas)
        found[projection.alias_or_name] = sources
        names.aliases[projection.alias_or_name.lower()] = sources
    return found


def _names(select: exp.Expr, schemas: Schemas, parent: _Names | None) -> _Names:
    sources: dict[str, Mapping[str, _Sources]] = {}
    open_table = None
    for node in _relations(select):
        if isinstance(node, exp.Table):
            definition = definition_of(node)
            if definition is None:
                name = table_name(node)
                columns = {column.lower(): {(name, column): None} for column in schemas.get(name, {})}
                open_table = name if name.startswith("bronze/") else open_table
            else:
                columns = _lowered(_outputs(definition, schemas, None))
        else:
            columns = _lowered(_outputs(node, schemas, parent))
        sources[node.alias_or_name.lower()] = columns
    names = _Names(sources, {}, open_table, parent)
    for lateral in select.args.get("laterals") or ():
        aliases = lateral.args["alias"].args.get("columns") or ()
        sources[lateral.alias.lower()] = {identifier.name.lower(): _sources(lateral.this, names, schemas) for identifier in aliases}
    return names


def _lowered(columns: Mapping[str, _Sources]) -> dict[str, _Sources]:
    return {name.lower(): sources for name, sources in columns.items()}


def _relations(select: exp.Expr) -> Iterator[exp.Expr]:
    from_ = select.args.get("from_")
    if from_ is not None:
        yield from_.this
    for join in select.args.get("joins") or ():
        yield join.this


def _sources(node: exp.Expr, names: _Names, schemas: Schemas) -> _Sources:
    if isinstance(node, exp.Column):
        return names.find(node.parts[0].name if len(node.parts) > 1 else "", node.parts[min(1, len(node.parts) - 1)].name)
    if isinstance(node, exp.Query):
        inner = _outputs(node, schemas, names)
        return {source: None for sources in inner.values() for source in sources}
    found: _Sources = {}
    for child in node.iter_expressions():
        found |= _sources(child, names, schemas)
    return found


def driving_expression(query: Query, output: str, schemas: Schemas | None = None) -> str | None:
    """An output column as a Spark SQL expression over the driving input's columns, through subqueries, WITH and GROUP BY.

    None where it is none: an aggregate, a window, a column of a lookup, or a bare name among several tables that no schema tells apart.
    """
    found = _driven(query.tree, output, schemas or {})
    return found.sql(dialect=SparkSql) if found is not None else None


def in_driving(tree: exp.Expr, node: exp.Expr | str, schemas: Schemas) -> exp.Expr | None:
    """An output of a query by name, or an expression in one of its SELECTs, over the columns of that one's driving table; None as above."""
    if isinstance(node, str):
        return _driven(tree, node, schemas)
    return _replaced(node, lambda column: _driving_column(tree, column, schemas)) if isinstance(tree, exp.Select) else None


def in_relation(relation: exp.Expr, node: exp.Expr, schemas: Schemas) -> exp.Expr | None:
    """An expression over the columns of one joined relation, each named with its alias, over the columns of the table that it is made of."""
    alias = relation.alias_or_name.lower()

    def followed(column: exp.Column) -> exp.Expr | None:
        is_own = len(column.parts) == 2 and column.parts[0].name.lower() == alias
        return _followed(relation, column.parts[1].name, column.parts[1], schemas) if is_own else None

    return _replaced(node, followed)


def _replaced(node: exp.Expr, found_of: Callable[[exp.Column], exp.Expr | None]) -> exp.Expr | None:
    """An expression with each of its columns replaced; None where one is nothing."""
    copied = exp.Paren(this=node.copy())
    for column in list(copied.find_all(exp.Column)):
        found = found_of(column)
        if found is None:
            return None
        column.replace(found)
    inner: exp.Expr = copied.this
    return inner


def _driven(tree: exp.Expr, output: str, schemas: Schemas) -> exp.Expr | None:
    while isinstance(tree, exp.Subquery):
        tree = tree.this
    if not isinstance(tree, exp.Select) or tree.args.get("from_") is None:
        return None
    for position, projection in enumerate(tree.expressions):
        if projection.alias_or_name.lower() == output.lower():
            return _rewritten(tree, position, schemas)
    return _starred(tree, output, schemas)


def _starred(tree: exp.Select, output: str, schemas: Schemas) -> exp.Expr | None:
    has_star = any(item.is_star for item in tree.expressions)
    return _driving_column(tree, exp.column(output), schemas) if has_star else None


def _rewritten(tree: exp.Select, position: int, schemas: Schemas) -> exp.Expr | None:
    expression = tree.expressions[position].unalias()
    if any(_spans_rows(node) for node in expression.walk()):
        return None
    # A name that the driving input has not may be the alias of a column before.
    before = {item.alias.lower(): index for index, item in enumerate(tree.expressions[:position]) if isinstance(item, exp.Alias)}
    copied = exp.Paren(this=expression.copy())
    for column in list(copied.find_all(exp.Column)):
        alias = before.get(column.name.lower()) if len(column.parts) == 1 and not _belongs_to(_first(tree), column.name, schemas) else None
        found = _driving_column(tree, column, schemas) if alias is None else _bracketed(_rewritten(tree, alias, schemas))
        if found is None:
            return None
        column.replace(found)
    inner: exp.Expr = copied.this
    return inner


def _spans_rows(node: exp.Expr) -> bool:
    rule = LANGUAGE.functions.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None
    return isinstance(node, exp.Window | exp.Query) or (rule is not None and rule.kind != "row")


def _driving_column(tree: exp.Select, column: exp.Column, schemas: Schemas) -> exp.Expr | None:
    """A column of one SELECT as an expression over the driving table, None when it is a lookup's."""
    first, *others = _relations(tree)
    others += tree.args.get("laterals") or ()
    owner = column.parts[0].name.lower() if len(column.parts) > 1 else None
    if owner == first.alias_or_name.lower():
        name, rest = column.parts[1], column.parts[2:]
    elif owner in {other.alias_or_name.lower() for other in others}:
        return None
    else:
        name, rest = column.parts[0], column.parts[1:]
        if others and not _belongs_to(first, name.name, schemas):
            return None
    base = _followed(first, name.name, name, schemas)
    for part in rest:
        base = exp.Dot(this=base, expression=part.copy()) if base is not None else None
    return base


def _belongs_to(relation: exp.Expr, name: str, schemas: Schemas) -> bool:
    query = definition_of(relation) if isinstance(relation, exp.Table) else relation
    if query is None:
        assert isinstance(relation, exp.Table)
        return name.lower() in {column.lower() for column in schemas.get(table_name(relation), {})}
    while isinstance(query, exp.Subquery):
        query = query.this
    return isinstance(query, exp.Query) and name.lower() in {item.alias_or_name.lower() for item in query.selects}


def _followed(relation: exp.Expr, name: str, identifier: exp.Expr, schemas: Schemas) -> exp.Expr | None:
    query = definition_of(relation) if isinstance(relation, exp.Table) else relation
    if query is None:
        assert isinstance(relation, exp.Table)
        # Case does not count in a query; the schema's own spelling is what names the column elsewhere.
        own = next((column for column in schemas.get(table_name(relation), {}) if column.lower() == name.lower()), name)
        return exp.column(exp.to_identifier(own, quoted=bool(identifier.args.get("quoted"))))
    return _bracketed(_driven(query, name, schemas))


def _bracketed(found: exp.Expr | None) -> exp.Expr | None:
    return exp.Paren(this=found) if found is not None and not isinstance(found, exp.Column) else found


def _first(select: exp.Select) -> exp.Expr:
    return next(_relations(select))


def grouped_outputs(query: Query) -> tuple[str, ...] | None:
    """The output columns that the outermost SELECT groups by; None where it does not group, or groups by what is no output."""
    tree = query.tree
    group = tree.args.get("group") if isinstance(tree, exp.Select) else None
    if group is None or any(group.args.get(name) for name in ("grouping_sets", "cube", "rollup")):
        return None
    if group.args.get("all"):
        return tuple(item.alias_or_name for item in tree.selects if not any(_spans_rows(node) for node in item.walk()))
    found = [_grouped(tree, node) for node in group.expressions]
    names = tuple(name for name in found if name is not None)
    return names if len(names) == len(found) else None


def _grouped(tree: exp.Query, node: exp.Expr) -> str | None:
    if isinstance(node, exp.Literal) and node.is_int:
        return tree.selects[int(node.name) - 1].alias_or_name if 0 < int(node.name) <= len(tree.selects) else None
    for projection in tree.selects:
        if _is_same(node, projection.unalias()) or (
            isinstance(node, exp.Column) and not node.table and node.name.lower() == projection.alias.lower()
        ):
            return projection.alias_or_name
    return None


def _is_same(one: exp.Expr, other: exp.Expr) -> bool:
    if isinstance(one, exp.Column) and isinstance(other, exp.Column):
        # A bare name and a qualified one are the same column: were there two, the bare name would be refused.
        return one.name.lower() == other.name.lower() and (not one.table or not other.table or one.table.lower() == other.table.lower())
    return bool(one.sql(dialect=SparkSql).lower() == other.sql(dialect=SparkSql).lower())


def lookup_joins(query: Query) -> tuple[LookupJoin, ...]:
    """How each input other than the driving one is joined to it, once for every place where it is read."""
    driving = driving_table(query.tree)
    if driving is None:
        return ()
    select = driving.find_ancestor(exp.Select)
    from_ = driving.find_ancestor(exp.From)
    is_direct = select is not None and from_ is not None and from_.this is driving
    joins = {id(join.this): join for join in (select.args.get("joins") or () if select is not None else ())}
    found = []
    for table in base_tables(query.tree):
        if table is driving:
            continue
        join = joins.get(id(table)) if is_direct else None
        condition = _join_condition(join, driving, table) if join is not None else None
        columns = _names_read(query.tree, table.alias_or_name, join.args["on"]) if join is not None and condition is not None else frozenset[str]()
        found.append(LookupJoin(table_name(table), table.alias_or_name, driving.alias_or_name, condition, columns))
    return tuple(found)


def _join_condition(join: exp.Expr, driving: exp.Table, table: exp.Table) -> str | None:
    on = join.args.get("on")
    # A RIGHT or FULL join also gives rows that no row of the driving input leads to.
    if on is None or on.find(exp.Query) or join.args.get("side") in ("RIGHT", "FULL"):
        return None
    known = {driving.alias_or_name.lower(), table.alias_or_name.lower()}
    if any(column.table.lower() not in known for column in on.find_all(exp.Column)):
        return None
    text: str = on.sql(dialect=SparkSql)
    return text


def times_read(tree: exp.Expr, name: str) -> int:
    """How often a query, or a part of one, reads an input; what a name of its WITH reads counts as often as that name is read."""

    def reads(part: exp.Expr) -> int:
        own = [table for table in part.find_all(exp.Table) if not _is_in_with(table, part)]
        return sum(reads(body) if (body := definition_of(table)) is not None else int(table_name(table) == name) for table in own)

    return reads(tree)


def _is_in_with(node: exp.Expr, tree: exp.Expr) -> bool:
    while node is not tree and node.parent is not None:
        node = node.parent
        if isinstance(node, exp.With):
            return True
    return False


def columns_read(query: Query, name: str, schemas: Schemas) -> frozenset[str]:
    """Columns of an input that the query may read, in any clause: a few too many where two inputs have a column of one name."""
    names = _names_read(query.tree)
    return frozenset(column for column in schemas[name] if column.lower() in names or "*" in names)


def _names_read(tree: exp.Expr, alias: str | None = None, without: exp.Expr | None = None) -> frozenset[str]:
    """Lower-case names, bare or of one alias, that stand anywhere in a tree but in one part of it; `*` where all columns may be read."""
    left_out = {id(column) for column in without.find_all(exp.Column)} if without is not None else set()
    names = set()
    for column in tree.find_all(exp.Column):
        owner = column.parts[0].name.lower()
        if id(column) not in left_out and (alias is None or len(column.parts) == 1 or owner == alias.lower()):
            names |= {part.name.lower() for part in column.parts}
    names |= {"*" for star in tree.find_all(exp.Star) if isinstance(star.parent, exp.Select | exp.Column)}
    return frozenset(names)


def looks_beyond(query: Query, columns: Collection[str]) -> bool:
    """Whether a row of the query may depend on rows with other values of these columns: by LIMIT, or a window that is not partitioned by them.

    GROUP BY cannot, where the columns are told from rows of the driving input: then they are among what it groups by.
    """
    wanted = {column.lower() for column in columns}
    windows = query.tree.find_all(exp.Window)
    within = ({part.name.lower() for part in window.args.get("partition_by") or () if isinstance(part, exp.Column)} for window in windows)
    return query.tree.find(exp.Limit, exp.Offset) is not None or any(not wanted <= names for names in within)


def cut_column(expression: str, unit: str = "day") -> str | None:
    """The column that a Spark SQL expression gives as it is, or cuts so finely that both lie in one hour, day, week or month; None for any other."""
    node: exp.Expr | None = sqlglot.parse_one(expression, dialect=SparkSql)
    within = _WITHIN[unit]
    while node is not None:
        match node:
            case exp.Column():
                return node.name if len(node.parts) == 1 else None
            case exp.Paren():
                node = node.this
            case exp.Cast() if node.is_type("timestamp", "timestamptz") or (node.is_type("date") and "DAY" in within):
                node = node.this
            case exp.Anonymous() if node.name.lower() == "date_trunc" and node.expressions[0].name.upper() in within:
                node = node.expressions[1]
            case _:
                return None
    return None

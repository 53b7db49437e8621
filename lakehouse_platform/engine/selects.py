"""SELECT statements on DuckDB: WITH, FROM, joins, grouping, windows, ordering and set operations, with the types of what they give.

Belongs here: statements and what names mean in them. Does not belong here: expressions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.casts import common_type
from lakehouse_platform.engine.functions.call import call
from lakehouse_platform.engine.operators import cast_to, condition
from lakehouse_platform.engine.query import SparkSql
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.engine.terms import Context, Rule, Scope, Source, Term, column_of
from lakehouse_platform.problems import Problem, ProjectError

Columns = Mapping[str, ColumnType]
_UNSUPPORTED = ("connect", "match", "prewhere", "cluster", "distribute", "sort", "pivots", "sample", "settings", "format", "into", "locks", "kind")
_JOINS = {"": "JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}


def statement(context: Context, tree: exp.Expr) -> tuple[str, Columns]:
    """The DuckDB text of a query and the types of its columns."""
    if isinstance(tree, exp.Subquery):
        return statement(context, tree.this)
    with_ = tree.args.get("with_")
    context, definitions = _definitions(context, with_)
    if isinstance(tree, exp.SetOperation):
        sql, columns = _set_operation(context, tree)
    elif isinstance(tree, exp.Select):
        sql, columns = _Select(context, tree).text()
    else:
        context.refuse(tree, f"{tree.key.upper()} as a query", "write a SELECT")
    return definitions + sql, columns


def subquery(context: Context, tree: exp.Query) -> tuple[str, Columns]:
    """A query inside an expression, which sees the names around it."""
    return statement(replace(context, scope=Scope(parent=context.scope), suffix=""), tree)


def _definitions(context: Context, with_: exp.Expr | None) -> tuple[Context, str]:
    if with_ is None:
        return context, ""
    if with_.args.get("recursive"):
        context.refuse(with_, "WITH RECURSIVE", "write the steps out")
    texts = []
    for definition in with_.expressions:
        sql, columns = statement(context, definition.this)
        names = [identifier.name for identifier in definition.args["alias"].args.get("columns") or ()] or list(columns)
        name = definition.alias
        renamed = dict(zip(names, columns.values(), strict=True))
        texts.append(f"{quote(name)}({', '.join(map(quote, names))}) AS ({sql})")
        context = replace(context, tables={**context.tables, name.lower(): (quote(name), renamed)})
    return context, f"WITH {', '.join(texts)} "


def _set_operation(context: Context, tree: exp.SetOperation) -> tuple[str, Columns]:
    left, left_columns = statement(context, tree.this)
    right, right_columns = statement(context, tree.expression)
    if len(left_columns) != len(right_columns):
        context.refuse(tree, f"one side has {len(left_columns)} columns, the other {len(right_columns)}", "give both sides the same columns")
    columns: dict[str, ColumnType] = {}
    for (name, one), other in zip(left_columns.items(), right_columns.values(), strict=True):
        found = common_type(one, other)
        if found is None:
            context.refuse(tree, f"the column {name} is a {one} on one side and a {other} on the other", "CAST one of them")
        columns[name] = found
    word = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}[type(tree)]
    everything = " ALL" if tree.args.get("distinct") is False else ""
    sides = [_as_types(context, tree, sql, given, columns) for sql, given in ((left, left_columns), (right, right_columns))]
    tail = _tail(replace(context, scope=Scope((Source(None, columns),))), tree, frozenset(columns))
    return f"{sides[0]} {word}{everything} {sides[1]}{tail}", columns


def _as_types(context: Context, tree: exp.Expr, sql: str, given: Columns, wanted: Columns) -> str:
    if list(given.values()) == list(wanted.values()):
        return f"({sql})"
    casts = [cast_to(context, tree, Term(quote(name), kind), target) for (name, kind), target in zip(given.items(), wanted.values(), strict=True)]
    listed = ", ".join(f"{term.sql} AS {quote(name)}" for term, name in zip(casts, wanted, strict=True))
    return f"(SELECT {listed} FROM ({sql}))"


def _tail(context: Context, tree: exp.Expr, outputs: frozenset[str]) -> str:
    """ORDER BY, LIMIT and OFFSET."""
    text = ""
    if (order := tree.args.get("order")) is not None:
        text += " ORDER BY " + ", ".join(_ordered(context, item, outputs) for item in order.expressions)
    for name, word in (("limit", "LIMIT"), ("offset", "OFFSET")):
        if (node := tree.args.get(name)) is not None:
            if not node.expression.is_int:
                context.refuse(node, f"{word} that is no number", "write a whole number")
            text += f" {word} {node.expression.name}"
    return text


def _ordered(context: Context, item: exp.Expr, outputs: frozenset[str] = frozenset()) -> str:
    """An ordering; nulls come first going up, as in Spark."""
    node = item.this
    if isinstance(node, exp.Column) and not node.table and node.name.lower() in {name.lower() for name in outputs}:
        sql = quote(next(name for name in outputs if name.lower() == node.name.lower()))
    elif isinstance(node, exp.Literal) and node.is_int and outputs:
        sql = node.name
    else:
        sql = context.term(node).sql
    return f"{sql} {'DESC' if item.args.get('desc') else 'ASC'} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


def window(context: Context, node: exp.Expr) -> Term:
    """`aggregate OVER (…)`."""
    over = _over(context, node)
    return replace(context, suffix=f" OVER ({over})").term(node.args["this"])


def filtered(context: Context, node: exp.Expr) -> Term:
    """`aggregate FILTER (WHERE …)`."""
    test = condition(replace(context, suffix=""), node.args["expression"].this)
    found = replace(context, suffix=f" FILTER (WHERE {test.sql}){context.suffix}").term(node.args["this"])
    return replace(found, can_fail=found.can_fail or test.can_fail)


def _over(context: Context, node: exp.Expr) -> str:
    if node.args.get("alias") is not None:
        select = node.find_ancestor(exp.Select)
        named = [spec for spec in (select.args.get("windows") or () if select else ()) if spec.name.lower() == node.alias.lower()]
        if not named:
            context.refuse(node, f"there is no WINDOW {node.alias}", "define it, or write OVER (…)")
        return _over(context, named[0])
    inner = replace(context, suffix="")
    parts = []
    if node.args.get("partition_by"):
        parts.append("PARTITION BY " + ", ".join(inner.term(item).sql for item in node.args["partition_by"]))
    if (order := node.args.get("order")) is not None:
        parts.append("ORDER BY " + ", ".join(_ordered(inner, item) for item in order.expressions))
    if (spec := node.args.get("spec")) is not None:
        parts.append(_frame(inner, spec))
    return " ".join(parts)


def _frame(context: Context, spec: exp.Expr) -> str:
    edges = []
    for side in ("start", "end"):
        value = spec.args.get(side) or "CURRENT ROW"
        text = value if isinstance(value, str) else context.term(value).sql
        edges.append(f"{text} {spec.args.get(f'{side}_side') or ''}".strip())
    return f"{spec.args['kind']} BETWEEN {edges[0]} AND {edges[1]}"


@dataclass(frozen=True)
class _Projection:
    name: str
    term: Term


class _Select:
    """One SELECT. Its parts are read in Spark's order of meaning: FROM, then the columns, then what may use their names."""

    def __init__(self, context: Context, tree: exp.Select) -> None:
        for name in _UNSUPPORTED:
            if tree.args.get(name):
                context.refuse(tree, f"{name.upper()} in a SELECT", "leave it out")
        self._tree = tree
        self._from, sources = self._relations(context)
        self._context = replace(context, scope=Scope(sources, parent=context.scope.parent, fields=context.scope.fields))

    def text(self) -> tuple[str, Columns]:
        """The DuckDB text and the types of the columns."""
        tree, projections = self._tree, self._projections()
        aliases = {projection.name.lower(): projection.term for projection in projections}
        named = replace(self._context, scope=replace(self._context.scope, aliases=aliases))
        listed = ", ".join(f"{projection.term.sql} AS {quote(projection.name)}" for projection in projections)
        parts = [f"SELECT {'DISTINCT ' if tree.args.get('distinct') else ''}{listed}", self._from]
        if (where := tree.args.get("where")) is not None:
            parts.append(f"WHERE {condition(self._context, where.this).sql}")
        parts.append(self._group(named, projections))
        for name, word in (("having", "HAVING"), ("qualify", "QUALIFY")):
            if (node := tree.args.get(name)) is not None:
                parts.append(f"{word} {condition(named, node.this).sql}")
        columns = {projection.name: projection.term.type for projection in projections}
        return " ".join(filter(None, parts)) + _tail(named, tree, frozenset(columns)), columns

    def _projections(self) -> list[_Projection]:
        found: list[_Projection] = []
        problems: list[Problem] = []
        broken: set[str] = set()
        for node in self._tree.expressions:
            if any(column.name.lower() in broken for column in node.find_all(exp.Column)):
                continue  # it may be made from a column that is a mistake already
            try:
                found += self._projected(node, found)
            except ProjectError as error:
                problems += error.problems
                broken.add(node.alias_or_name.lower())
        if problems:
            raise ProjectError(problems)
        return found

    def _projected(self, node: exp.Expr, before: list[_Projection]) -> list[_Projection]:
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            return self._starred(node)
        aliases = {projection.name.lower(): projection.term for projection in before}
        context = replace(self._context, scope=replace(self._context.scope, aliases=aliases))
        term = context.term(node.unalias())
        if term.type.name.startswith("interval"):
            context.refuse(node, "a column that is an INTERVAL", "give it as a number")
        return [_Projection(node.alias_or_name or node.sql(dialect=SparkSql), term)]

    def _starred(self, node: exp.Expr) -> list[_Projection]:
        star = node.this if isinstance(node, exp.Column) else node
        dropped = {item.name.lower() for item in (star.args.get("except_") or star.args.get("except") or ())}
        wanted = node.table.lower() if isinstance(node, exp.Column) else None
        sources = [source for source in self._context.scope.sources if wanted is None or (source.alias or "").lower() == wanted]
        names = [(source, name) for source in sources for name in source.columns if name.lower() not in source.hidden | dropped]
        if not names:
            self._context.refuse(node, "there is nothing that * stands for", "name the columns")
        return [_Projection(name, column_of(source, name)[0]) for source, name in names]

    def _group(self, named: Context, projections: list[_Projection]) -> str:
        group = self._tree.args.get("group")
        if group is None:
            return ""
        if group.args.get("all"):
            return "GROUP BY ALL"
        if any(group.args.get(name) for name in ("grouping_sets", "cube", "rollup")):
            named.refuse(group, "GROUPING SETS, CUBE or ROLLUP", "write one SELECT a grouping and join them by UNION ALL")
        keys = []
        for node in group.expressions:
            if isinstance(node, exp.Literal) and node.is_int:
                keys.append(projections[int(node.name) - 1].term.sql)
            else:
                keys.append(named.term(node).sql)
        return "GROUP BY " + ", ".join(keys)

    def _relations(self, context: Context) -> tuple[str, tuple[Source, ...]]:
        from_ = self._tree.args.get("from_")
        if from_ is None:
            return "", ()
        text, first = self._relation(context, from_.this)
        sources = [first]
        for join in self._tree.args.get("joins") or ():
            text, sources = self._join(context, join, text, sources)
        for lateral in self._tree.args.get("laterals") or ():
            text, sources = self._lateral(context, lateral, text, sources)
        return f"FROM {text}", tuple(sources)

    def _relation(self, context: Context, node: exp.Expr) -> tuple[str, Source]:
        if isinstance(node, exp.Subquery):
            sql, columns = statement(replace(context, scope=Scope(parent=context.scope)), node.this)
            return f"({sql}) AS {quote(node.alias or 'subquery')}", Source(node.alias or "subquery", columns)
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier) or node.args.get("joins"):
            context.refuse(node, f"{node.sql(dialect=SparkSql)[:60]} in FROM", "name a table or a subquery")
        if node.args.get("version") is not None:
            # Whoever may read old versions has put their relations in place before.
            context.refuse(
                node.args["version"], f"{exp.table_name(node)} AS OF a version or time", "read it as it is: `lakehouse query` alone looks back"
            )
        name = f"{node.db}/{node.name}".lower().lstrip("/")
        if name not in context.tables:
            known = ", ".join(table.replace("/", ".") for table in context.tables)
            context.refuse(node, f"there is no table {exp.table_name(node)}", f"use one of {known}" if known else "name a table of the lakehouse")
        sql, columns = context.tables[name]
        alias = node.alias or node.name
        return f"{sql} AS {quote(alias)}", Source(alias, columns)

    def _join(self, context: Context, join: exp.Expr, left: str, sources: list[Source]) -> tuple[str, list[Source]]:
        right, source = self._relation(context, join.this)
        kind, side = str(join.args.get("kind") or "").upper(), str(join.args.get("side") or "").upper()
        if join.args.get("method") or join.args.get("match_condition"):
            context.refuse(join, f"a {join.args.get('method') or 'match'} join", "write the columns after ON")
        if (using := join.args.get("using")) is not None:
            word, tests = self._using(context, join, (*sources, source), [identifier.name for identifier in using])
            hidden = replace(source, hidden=source.hidden | {identifier.name.lower() for identifier in using})
            return f"{left} {word} {right} ON {tests}", sources if kind in ("SEMI", "ANTI") else [*sources, hidden]
        on = join.args.get("on")
        inside = replace(context, scope=Scope((*sources, source), parent=context.scope.parent))
        if on is None:
            if kind not in ("CROSS", "", "INNER") or side:
                context.refuse(join, "a join without ON", "say after ON which rows belong together")
            return f"{left} CROSS JOIN {right}", [*sources, source]
        test = condition(inside, on).sql
        if kind in ("SEMI", "ANTI"):
            return f"{left} {kind} JOIN {right} ON {test}", sources
        return f"{left} {_JOINS[side]} {right} ON {test}", [*sources, source]

    def _using(self, context: Context, join: exp.Expr, sources: tuple[Source, ...], names: list[str]) -> tuple[str, str]:
        """The word of a join by USING, and its condition."""
        side, kind = str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper()
        if side in ("RIGHT", "FULL"):
            context.refuse(join, f"{side} JOIN … USING", "write ON, and COALESCE the columns")
        tests = []
        for name in names:
            found = [term for source in sources for term in column_of(source, name) if name.lower() not in source.hidden]
            both = common_type(found[0].type, found[1].type) if len(found) == 2 else None
            if both is None:
                context.refuse(join, f"USING {name} is not one column on each side", "write ON")
            left, right = (cast_to(context, join, term, both) for term in found)
            tests.append(f"{left.sql} = {right.sql}")
        return f"{kind} JOIN" if kind in ("SEMI", "ANTI") else _JOINS[side], " AND ".join(tests)

    def _lateral(self, context: Context, lateral: exp.Expr, left: str, sources: list[Source]) -> tuple[str, list[Source]]:
        names = [identifier.name for identifier in lateral.args["alias"].args.get("columns") or ()]
        if len(names) != 1 or not lateral.args.get("view"):
            context.refuse(lateral, "LATERAL other than LATERAL VIEW explode(array) t AS name", "write it so")
        term = replace(context, scope=Scope(tuple(sources), parent=context.scope.parent)).term(lateral.this)
        if not term.sql.startswith("unnest("):
            context.refuse(lateral, "LATERAL VIEW of something else than explode", "use explode of an array")
        alias = lateral.args["alias"].name or names[0]
        word = "LEFT JOIN" if lateral.args.get("outer") else "JOIN"
        text = f"{left} {word} LATERAL (SELECT {term.sql} AS {quote(names[0])}) AS {quote(alias)} ON true"
        return text, [*sources, Source(alias, {names[0]: term.type})]


RULES: Mapping[type[exp.Expr], Rule] = {exp.Anonymous: call, exp.Window: window, exp.Filter: filtered}

"""What each piece of Spark SQL's syntax means on DuckDB: names, literals, comparisons, conditions, casts, brackets.

Belongs here: everything with a spelling of its own. Does not belong here: arithmetic, and functions called by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from lakehouse_platform.contracts.types import BINARY, BOOLEAN, INT, STRING, ColumnType, parse_type
from lakehouse_platform.engine import arithmetic
from lakehouse_platform.engine.casts import cast, common_type
from lakehouse_platform.engine.patterns import regex
from lakehouse_platform.engine.query import SparkSql, line_of
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.engine.terms import DAYS, MICROSECONDS, MONTHS, VOID, Context, Rule, Term, column_of, failing, null_of

_UNITS = {"YEAR": MONTHS, "QUARTER": MONTHS, "MONTH": MONTHS, "WEEK": DAYS, "DAY": DAYS}
_MONTHS_OF = {"YEAR": 12, "QUARTER": 3, "MONTH": 1}
_TIME_UNITS = ("HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND")


def column(context: Context, node: exp.Expr) -> Term:
    """A name of one or more parts: a column, a field of a struct, or what a lambda calls its value."""
    parts = [str(part.name) for part in node.parts] if isinstance(node, exp.Column) else [str(node.name)]
    if len(parts) > 1 and (source := context.scope.source(parts[0])) is not None:
        found, rest = column_of(source, parts[1]), parts[2:]
    else:
        found, rest = context.scope.named(parts[0]), parts[1:]
    if len(found) > 1:
        context.refuse(node, f"{'.'.join(parts)} is in more than one table", "write the table's alias before it")
    if not found and not rest and len(parts) == 1:
        return _bare(context, node, parts[0])
    if not found:
        context.refuse(node, f"there is no column {'.'.join(parts)}", _known_columns(context))
    term = found[0]
    for name in rest:
        term = field_of(context, node, term, name)
    return term


def _bare(context: Context, node: exp.Expr, name: str) -> Term:
    if name.lower() in ("current_timestamp", "current_date"):
        return context.term(_called(node, name))
    if context.scope.fields is not None:
        context.scope.fields[name] = None
        return Term(quote(name), STRING)
    context.refuse(node, f"there is no column {name}", _known_columns(context))


def _known_columns(context: Context) -> str:
    names = [name for source in context.scope.sources for name in source.columns]
    return f"use one of {', '.join(names[:40])}" if names else "the query reads no table: add FROM"


def field_of(context: Context, node: exp.Expr, term: Term, name: str) -> Term:
    """A field of a struct."""
    for field_name, field_type in zip(term.type.names, term.type.items, strict=False):
        if field_name.lower() == name.lower():
            return Term(f"struct_extract({term.sql}, {literal(field_name)})", field_type, term.can_fail)
    context.refuse(node, f"a {term.type} has no field {name}", "name one of its fields")


def dot(context: Context, node: exp.Expr) -> Term:
    """`expression.field`."""
    return field_of(context, node, context.term(node.args["this"]), node.args["expression"].name)


def literal_term(_: Context, node: exp.Expr) -> Term:
    """A literal."""
    if isinstance(node, exp.Boolean):
        return Term("true" if node.this else "false", BOOLEAN)
    if isinstance(node, exp.Null):
        return Term("NULL", VOID)
    if isinstance(node, exp.HexString):
        return Term(f"from_hex('{node.name}')", BINARY)
    if isinstance(node, exp.RawString) or (isinstance(node, exp.Literal) and node.is_string):
        return Term(literal(str(node.name)), STRING, constant=str(node.name))
    return arithmetic.number(node.name)


def interval(context: Context, node: exp.Expr) -> Term:
    """`INTERVAL 3 DAYS`."""
    amount, unit = node.args["this"], str(node.args["unit"].name if node.args.get("unit") else "").upper().removesuffix("S")
    kind = _UNITS.get(unit, MICROSECONDS if unit in _TIME_UNITS else None)
    text = amount.name if isinstance(amount, exp.Literal) else ""
    if kind is None or not text.lstrip("+-").isdigit():
        context.refuse(node, f"the interval {node.sql(dialect=SparkSql)}", "write a whole number and one unit, such as INTERVAL 3 DAYS")
    return Term(f"INTERVAL ({text}) {unit}", kind, constant=int(text) * _MONTHS_OF.get(unit, 1))


def target_type(context: Context, node: exp.Expr, data_type: exp.Expr) -> ColumnType:
    """The type that a CAST names."""
    text = data_type.sql(dialect="databricks").replace(": ", ":")
    try:
        return parse_type("decimal(10,0)" if text.lower() == "decimal" else text)
    except ValueError as error:
        context.refuse(node, str(error), "use a type of the platform")


def cast_rule(context: Context, node: exp.Expr) -> Term:
    """CAST and TRY_CAST."""
    target = target_type(context, node, node.args["to"])
    found = cast_to(context, node, context.term(node.args["this"]), target, or_null=isinstance(node, exp.TryCast))
    return replace(found, constant=None)


def cast_to(context: Context, node: exp.Expr, term: Term, target: ColumnType, *, or_null: bool = False) -> Term:
    """A term as another type, or the mistake that there is no such cast."""
    found = cast(term, target, or_null=or_null)
    if found is None:
        context.refuse(node, f"{term.type} does not become {target} alike on both engines", "use a function that says how")
    return found


def unify(context: Context, node: exp.Expr, terms: Sequence[Term]) -> tuple[Term, ...]:
    """Terms brought to their common type."""
    found: ColumnType | None = VOID
    for term in terms:
        found = common_type(found, term.type) if found is not None else None
    if found is None:
        kinds = ", ".join(dict.fromkeys(str(term.type) for term in terms))
        context.refuse(node, f"{kinds} have no type in common", "CAST them to one type")
    return tuple(cast_to(context, node, term, found) for term in terms)


def comparison(context: Context, node: exp.Expr) -> Term:
    """`=`, `<>`, `<`, `<=`, `>`, `>=`, `<=>`."""
    signs: Mapping[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
    terms = [context.term(node.args["this"]), context.term(node.args["expression"])]
    left, right = unify(context, node, _with_literal_decimals(terms))
    sign = signs.get(type(node), "IS NOT DISTINCT FROM")
    return Term(f"({left.sql} {sign} {right.sql})", BOOLEAN, left.can_fail or right.can_fail)


def _with_literal_decimals(terms: Sequence[Term]) -> list[Term]:
    """Whole literals beside a decimal as the decimal of their own digits."""
    if not any(term.type.name == "decimal" for term in terms):
        return list(terms)
    return [arithmetic.literal_decimal(term) for term in terms]


def connective(context: Context, node: exp.Expr) -> Term:
    """AND and OR, left to right: what the left side settles, the right side cannot fail."""
    left, right = (condition(context, node.args[side]) for side in ("this", "expression"))
    word, settled = ("AND", "false") if isinstance(node, exp.And) else ("OR", "true")
    both = f"({left.sql} {word} {right.sql})"
    if not right.can_fail:
        return Term(both, BOOLEAN, left.can_fail)
    # DuckDB may evaluate a conjunction in any order.
    return Term(f"(CASE WHEN {left.sql} IS {settled} THEN {settled} ELSE {both} END)", BOOLEAN, True)


def condition(context: Context, node: exp.Expr) -> Term:
    """An expression that must be true, false or null."""
    term = context.term(node)
    if term.type == VOID:
        return Term(null_of(BOOLEAN), BOOLEAN)
    if term.type != BOOLEAN:
        context.refuse(node, f"a condition is a {term.type}", "compare it with something")
    return term


def negation(context: Context, node: exp.Expr) -> Term:
    """NOT."""
    term = condition(context, node.args["this"])
    return Term(f"(NOT {term.sql})", BOOLEAN, term.can_fail)


def is_rule(context: Context, node: exp.Expr) -> Term:
    """`IS NULL`, `IS TRUE`, `IS FALSE`."""
    term = context.term(node.args["this"])
    word = node.args["expression"].sql()
    return Term(f"({term.sql} IS {word})", BOOLEAN, term.can_fail)


def between(context: Context, node: exp.Expr) -> Term:
    """`x BETWEEN low AND high`."""
    value, low, high = (context.term(node.args[name]) for name in ("this", "low", "high"))
    one, least = unify(context, node, _with_literal_decimals([value, low]))
    other, most = unify(context, node, _with_literal_decimals([value, high]))
    can_fail = any(term.can_fail for term in (one, least, other, most))
    return Term(f"({one.sql} >= {least.sql} AND {other.sql} <= {most.sql})", BOOLEAN, can_fail)


def in_rule(context: Context, node: exp.Expr) -> Term:
    """`x IN (1, 2)` and `x IN (SELECT …)`."""
    value = context.term(node.args["this"])
    if (inner := node.args.get("query")) is not None:
        sql, columns = context.language.subquery(context, inner.unnest())
        if list(columns.values()) != [value.type]:
            context.refuse(node, f"a {value.type} is sought in {', '.join(map(str, columns.values()))}", "CAST one of them")
        return Term(f"({value.sql} IN ({sql}))", BOOLEAN, True)
    items = [context.term(item) for item in node.expressions]
    unified = unify(context, node, _with_literal_decimals([value, *items]))
    listed = ", ".join(term.sql for term in unified[1:])
    return Term(f"({unified[0].sql} IN ({listed}))", BOOLEAN, any(term.can_fail for term in unified))


def case(context: Context, node: exp.Expr) -> Term:
    """CASE and IF."""
    branches = node.args["ifs"] if isinstance(node, exp.Case) else [node]
    subject = node.args.get("this") if isinstance(node, exp.Case) else None
    conditions = [_branch_condition(context, subject, branch) for branch in branches]
    otherwise = node.args.get("default") if isinstance(node, exp.Case) else node.args.get("false")
    values = [context.term(branch.args["true"]) for branch in branches]
    values += [context.term(otherwise) if otherwise is not None else Term("NULL", VOID)]
    *results, default = unify(context, node, values)
    arms = " ".join(f"WHEN {when.sql} THEN {then.sql}" for when, then in zip(conditions, results, strict=True))
    can_fail = any(term.can_fail for term in (*conditions, *results, default))
    return Term(f"(CASE {arms} ELSE {default.sql} END)", default.type, can_fail)


def _branch_condition(context: Context, subject: exp.Expr | None, branch: exp.Expr) -> Term:
    if subject is None:
        return condition(context, branch.this)
    equal = exp.EQ(this=subject.copy(), expression=branch.this.copy())
    equal.meta["line"] = line_of(branch)
    return comparison(context, equal)


def like(context: Context, node: exp.Expr) -> Term:
    """LIKE and ILIKE; a backslash escapes, as DuckDB has it only when told."""
    escape = "\\"
    if isinstance(node, exp.Escape):
        escape, node = node.args["expression"].name, node.args["this"]
    value, pattern = (cast_to(context, node, context.term(node.args[side]), STRING) for side in ("this", "expression"))
    word = "ILIKE" if isinstance(node, exp.ILike) else "LIKE"
    needs_escape = not isinstance(pattern.constant, str) or escape in pattern.constant
    told = f" ESCAPE {literal(escape)}" if needs_escape else ""
    return Term(f"({value.sql} {word} {pattern.sql}{told})", BOOLEAN, value.can_fail or pattern.can_fail or needs_escape)


def rlike(context: Context, node: exp.Expr) -> Term:
    """`x RLIKE 'pattern'`."""
    value = cast_to(context, node, context.term(node.args["this"]), STRING)
    return Term(f"regexp_matches({value.sql}, {regex_literal(context, node.args['expression'])})", BOOLEAN, value.can_fail)


def regex_literal(context: Context, node: exp.Expr) -> str:
    """A regular expression, which must be a literal so that it can be checked now."""
    constant = context.term(node).constant
    if not isinstance(constant, str):
        context.refuse(node, "the regular expression is not a literal", "write it as a text in quotes")
    try:
        return literal(regex(constant))
    except ValueError as error:
        context.refuse(node, str(error), "write it without that")


def concatenation(context: Context, node: exp.Expr) -> Term:
    """`a || b`."""
    left, right = (cast_to(context, node, context.term(node.args[side]), STRING) for side in ("this", "expression"))
    return Term(f"({left.sql} || {right.sql})", STRING, left.can_fail or right.can_fail)


def bracket(context: Context, node: exp.Expr) -> Term:
    """`items[0]`, counted from 0 and failing outside, and `map['key']`, null without the key."""
    term, index = context.term(node.args["this"]), context.term(node.expressions[0])
    can_fail = term.can_fail or index.can_fail
    if term.type.name == "map":
        key = cast_to(context, node, index, term.type.items[0])
        return Term(f"{term.sql}[{key.sql}]", term.type.items[1], can_fail)
    if term.type.name != "array" or index.type != INT:
        context.refuse(node, f"a {term.type} has no element at a {index.type}", "index an array with an INT or a map with a key")
    outside = f"{index.sql} < 0 OR {index.sql} >= len({term.sql})"
    position = f"CASE WHEN {outside} THEN {failing('array index out of bounds')} ELSE {index.sql} + 1 END"
    return Term(f"{term.sql}[{position}]", term.type.items[0], True)


def paren(context: Context, node: exp.Expr) -> Term:
    """Brackets: every term stands on its own already."""
    return context.term(node.args["this"])


def trim(context: Context, node: exp.Expr) -> Term:
    """TRIM, which takes away the characters given, else U+0020 and no other blank."""
    value = cast_to(context, node, context.term(node.args["this"]), STRING)
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(node.args.get("position") or "", "trim")
    if (characters := node.args.get("expression")) is None:
        return Term(f"{name}({value.sql}, ' ')", STRING, value.can_fail)
    given = cast_to(context, node, context.term(characters), STRING)
    return Term(f"{name}({value.sql}, {given.sql})", STRING, value.can_fail or given.can_fail)


def extract(context: Context, node: exp.Expr) -> Term:
    """`EXTRACT(YEAR FROM d)`."""
    return context.term(_called(node, node.args["this"].name, node.args["expression"]))


def position(context: Context, node: exp.Expr) -> Term:
    """`POSITION('a' IN text)`."""
    return context.term(_called(node, "instr", node.args["this"], node.args["substr"]))


def _called(node: exp.Expr, name: str, *arguments: exp.Expr) -> exp.Expr:
    """The call by name that a piece of syntax means, at its line."""
    called = exp.Anonymous(this=name.lower(), expressions=[argument.copy() for argument in arguments])
    called.meta["line"] = line_of(node)
    return called


def exists(context: Context, node: exp.Expr) -> Term:
    """`EXISTS (SELECT …)`."""
    sql, _ = context.language.subquery(context, node.args["this"].unnest())
    return Term(f"EXISTS ({sql})", BOOLEAN, True)


def scalar_subquery(context: Context, node: exp.Expr) -> Term:
    """`(SELECT …)` of one column; more than one row fails."""
    inner = node.unnest()
    assert isinstance(inner, exp.Query)
    sql, columns = context.language.subquery(context, inner)
    if len(columns) != 1:
        context.refuse(node, "a subquery used as a value has more than one column", "select one column")
    return Term(f"({sql})", next(iter(columns.values())), True)


RULES: Mapping[type[exp.Expr], Rule] = {
    exp.Column: column, exp.Identifier: column, exp.Dot: dot,
    exp.Literal: literal_term, exp.RawString: literal_term, exp.HexString: literal_term, exp.Boolean: literal_term, exp.Null: literal_term,
    exp.Interval: interval, exp.Cast: cast_rule, exp.TryCast: cast_rule,
    **dict.fromkeys(arithmetic.OPERATORS, arithmetic.binary), exp.Neg: arithmetic.negated,
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ), comparison),
    exp.And: connective, exp.Or: connective, exp.Not: negation, exp.Is: is_rule, exp.Between: between, exp.In: in_rule,
    exp.Case: case, exp.If: case, exp.Like: like, exp.ILike: like, exp.Escape: like, exp.RegexpLike: rlike,
    exp.DPipe: concatenation, exp.Bracket: bracket, exp.Paren: paren, exp.Trim: trim, exp.Extract: extract, exp.StrPosition: position,
    exp.Exists: exists, exp.Subquery: scalar_subquery, exp.Select: scalar_subquery,
}  # fmt: skip

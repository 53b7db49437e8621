"""Aggregates and window functions with Spark's result types: sum(INT) is BIGINT, avg of decimals is an exact decimal, counts are BIGINT."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, DOUBLE, INT, decimal
from lakehouse_platform.engine.arithmetic import NUMERIC, divided
from lakehouse_platform.engine.functions.call import Call, FunctionRule
from lakehouse_platform.engine.spelling import duckdb_type
from lakehouse_platform.engine.terms import Term

_COUNT_TYPE = decimal(20, 0)


def _argument(called: Call) -> tuple[str, Term]:
    """The one argument, with DISTINCT before it where it is there."""
    called.expect(1)
    node = called.arguments[0]
    if isinstance(node, exp.Distinct):
        return "DISTINCT ", called.context.plain(node.expressions[0])
    return "", called.term(0)


def _number(called: Call) -> tuple[str, Term]:
    distinct, term = _argument(called)
    if term.type.name not in NUMERIC:
        called.refuse(f"{called.name} of a {term.type}", "CAST it to a number")
    return distinct, term


def _count(called: Call) -> Term:
    if not called.arguments or isinstance(called.arguments[0], exp.Star):
        return Term(called.aggregate("count(*)"), BIGINT)
    first = called.arguments[0]
    distinct = isinstance(first, exp.Distinct)
    nodes = first.expressions if distinct else called.arguments
    terms = [called.context.plain(node) for node in nodes]
    can_fail = any(term.can_fail for term in terms)
    if len(terms) == 1:
        return Term(called.aggregate(f"count({'DISTINCT ' if distinct else ''}{terms[0].sql})"), BIGINT, can_fail)
    # A row counts only when none of the values is null.
    present = " AND ".join(f"{term.sql} IS NOT NULL" for term in terms)
    packed = ", ".join(f"v{index} := {term.sql}" for index, term in enumerate(terms))
    return Term(called.aggregate(f"count({'DISTINCT ' if distinct else ''}CASE WHEN {present} THEN struct_pack({packed}) END)"), BIGINT, can_fail)


def _count_if(called: Call) -> Term:
    called.expect(1)
    term = called.condition(0)
    return Term(called.aggregate(f"count(CASE WHEN {term.sql} THEN 1 END)"), BIGINT, term.can_fail)


def _sum(called: Call) -> Term:
    distinct, term = _number(called)
    found = called.aggregate(f"sum({distinct}{term.sql})")
    if term.type == DOUBLE:
        return Term(found, DOUBLE, term.can_fail)
    target = decimal(min(38, term.type.precision + 10), term.type.scale) if term.type.name == "decimal" else BIGINT
    return Term(f"CAST({found} AS {duckdb_type(target)})", target, True)


def _average(called: Call) -> Term:
    distinct, term = _number(called)
    if term.type.name != "decimal":
        return Term(called.aggregate(f"avg({distinct}{term.sql})"), DOUBLE, term.can_fail)
    given = term.type
    total_type = decimal(min(38, given.precision + 10), given.scale)
    target = decimal(min(38, given.precision + 4), min(38, given.scale + 4))
    total = f"CAST({called.aggregate(f'sum({distinct}{term.sql})')} AS {duckdb_type(total_type)})"
    count = f"NULLIF({called.aggregate(f'count({distinct}{term.sql})')}, 0)"
    return Term(divided(total, total_type, count, _COUNT_TYPE, target), target, True)


def _extreme(called: Call) -> Term:
    _, term = _argument(called)
    if term.type.name == "map":
        called.refuse(f"{called.name} of a map", "take one of its values")
    return Term(called.aggregate(f"{called.name}({term.sql})"), term.type, term.can_fail)


def _extreme_by(called: Call) -> Term:
    called.expect(2)
    value, by = called.terms()
    name = "arg_max_null" if called.name == "max_by" else "arg_min_null"
    return Term(called.aggregate(f"{name}({value.sql}, {by.sql})"), value.type, value.can_fail or by.can_fail)


def _every(called: Call) -> Term:
    called.expect(1)
    term = called.condition(0)
    name = "bool_and" if called.name in ("every", "bool_and") else "bool_or"
    return Term(called.aggregate(f"{name}({term.sql})"), BOOLEAN, term.can_fail)


def _deviation(called: Call) -> Term:
    called.expect(1)
    term = called.term(0, DOUBLE)
    names = {"stddev": "stddev_samp", "std": "stddev_samp", "variance": "var_samp"}
    return Term(called.aggregate(f"{names.get(called.name, called.name)}({term.sql})"), DOUBLE, True)


def _two_numbers(called: Call) -> Term:
    called.expect(2)
    one, other = called.term(0, DOUBLE), called.term(1, DOUBLE)
    return Term(called.aggregate(f"{called.name}({one.sql}, {other.sql})"), DOUBLE, True)


def _median(called: Call) -> Term:
    called.expect(1 if called.name == "median" else 2)
    term = called.term(0, DOUBLE)
    if called.name == "median":
        return Term(called.aggregate(f"median({term.sql})"), DOUBLE, term.can_fail)
    share = called.term(1, DOUBLE)
    return Term(called.aggregate(f"quantile_cont({term.sql}, {share.sql})"), DOUBLE, True)


def _any(called: Call) -> Term:
    called.expect(1)
    term = called.term(0)
    return Term(called.aggregate(f"first({term.sql})"), term.type, term.can_fail)


def _first(called: Call) -> Term:
    called.expect(1)
    term = called.term(0)
    if "OVER" not in called.context.suffix:
        called.refuse(f"{called.name} takes any row of a group", "use min_by or max_by, or an ordered window")
    name = "first_value" if called.name.startswith("first") else "last_value"
    return Term(called.aggregate(f"{name}({term.sql})"), term.type, term.can_fail)


def _rank(called: Call) -> Term:
    called.expect(0)
    return Term(f"CAST({called.aggregate(f'{called.name}()')} AS INTEGER)", INT)


def _share(called: Call) -> Term:
    called.expect(0)
    return Term(called.aggregate(f"{called.name}()"), DOUBLE)


def _ntile(called: Call) -> Term:
    called.expect(1)
    return Term(f"CAST({called.aggregate(f'ntile({called.constant(0)})')} AS INTEGER)", INT)


def _shift(called: Call) -> Term:
    called.expect(1, 3)
    term = called.term(0)
    offset = called.constant(1) if len(called.arguments) > 1 else 1
    default = f", {called.term(2, term.type).sql}" if len(called.arguments) > 2 else ""
    return Term(called.aggregate(f"{called.name}({term.sql}, {offset}{default})"), term.type, term.can_fail)


FUNCTIONS: Mapping[str, FunctionRule] = {
    "count": FunctionRule(_count, "aggregate"),
    "count_if": FunctionRule(_count_if, "aggregate"),
    "sum": FunctionRule(_sum, "aggregate"),
    **dict.fromkeys(("avg", "mean"), FunctionRule(_average, "aggregate")),
    **dict.fromkeys(("min", "max"), FunctionRule(_extreme, "aggregate")),
    **dict.fromkeys(("min_by", "max_by"), FunctionRule(_extreme_by, "aggregate")),
    **dict.fromkeys(("every", "bool_and", "bool_or", "some"), FunctionRule(_every, "aggregate")),
    **dict.fromkeys(("stddev", "std", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop"), FunctionRule(_deviation, "aggregate")),
    **dict.fromkeys(("corr", "covar_samp", "covar_pop"), FunctionRule(_two_numbers, "aggregate")),
    **dict.fromkeys(("median", "percentile"), FunctionRule(_median, "aggregate")),
    "any_value": FunctionRule(_any, "aggregate"),
    **dict.fromkeys(("first", "first_value", "last", "last_value"), FunctionRule(_first, "aggregate")),
    **dict.fromkeys(("row_number", "rank", "dense_rank"), FunctionRule(_rank, "window")),
    **dict.fromkeys(("percent_rank", "cume_dist"), FunctionRule(_share, "window")),
    "ntile": FunctionRule(_ntile, "window"),
    **dict.fromkeys(("lag", "lead"), FunctionRule(_shift, "window")),
}

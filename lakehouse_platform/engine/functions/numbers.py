"""Functions of numbers, functions that choose a value, and the `try_…` forms, which give null where the operator fails."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, DOUBLE, INT, decimal
from lakehouse_platform.engine.arithmetic import NUMERIC, calculate
from lakehouse_platform.engine.functions.call import Call, FunctionRule, signatures
from lakehouse_platform.engine.operators import cast_to, unify
from lakehouse_platform.engine.spelling import duckdb_type
from lakehouse_platform.engine.terms import Term

_NAN = "CAST('nan' AS DOUBLE)"
_SIMPLE = f"""
sqrt(double) double: CASE WHEN {{0}} < 0 THEN {_NAN} ELSE sqrt({{0}}) END
ln(double) double: CASE WHEN {{0}} > 0 THEN ln({{0}}) END
log10(double) double: CASE WHEN {{0}} > 0 THEN log10({{0}}) END
log2(double) double: CASE WHEN {{0}} > 0 THEN log2({{0}}) END
exp(double) double: exp({{0}})
power(double, double) double: pow({{0}}, {{1}})
pow(double, double) double: pow({{0}}, {{1}})
sin(double) double: sin({{0}})
cos(double) double: cos({{0}})
tan(double) double: tan({{0}})
atan(double) double: atan({{0}})
atan2(double, double) double: atan2({{0}}, {{1}})
radians(double) double: radians({{0}})
degrees(double) double: degrees({{0}})
sign(double) double: CAST(sign({{0}}) AS DOUBLE)
signum(double) double: CAST(sign({{0}}) AS DOUBLE)
isnan(double) boolean: COALESCE(isnan({{0}}), false)
isnull(any) boolean: ({{0}} IS NULL)
isnotnull(any) boolean: ({{0}} IS NOT NULL)
"""


def _number(called: Call, index: int = 0) -> Term:
    term = called.term(index)
    if term.type.name not in NUMERIC:
        called.refuse(f"{called.name} of a {term.type}", "CAST it to a number")
    return term


def _absolute(called: Call) -> Term:
    called.expect(1)
    term = _number(called)
    return Term(f"abs({term.sql})", term.type, term.can_fail or term.type in (INT, BIGINT))


def _round(called: Call) -> Term:
    called.expect(1, 2)
    term = _number(called)
    places = int(called.constant(1)) if len(called.arguments) == 2 else 0
    if places < 0:
        called.refuse("round to tens", "divide, round and multiply")
    if term.type in (INT, BIGINT):
        return term
    if term.type.name == "decimal":
        scale = min(term.type.scale, places)
        target = decimal(min(38, term.type.precision - term.type.scale + 1 + scale), scale)
        return Term(f"CAST({term.sql} AS {duckdb_type(target)})", target, term.can_fail or target.precision == 38)
    # By its shortest text, as Spark does: 2.345 rounds to 2.35 although its binary fraction is below.
    exact = f"CAST(CAST(CAST({term.sql} AS VARCHAR) AS DECIMAL(38,{min(places, 22)})) AS DOUBLE)"
    return Term(f"(CASE WHEN abs({term.sql}) < 1e15 THEN {exact} ELSE {term.sql} END)", DOUBLE, term.can_fail)


def _whole(called: Call) -> Term:
    called.expect(1)
    term = _number(called)
    name = "floor" if called.name == "floor" else "ceil"
    is_decimal = term.type.name == "decimal"
    target = decimal(min(38, term.type.precision - term.type.scale + 1), 0) if is_decimal else BIGINT
    return Term(f"CAST({name}({term.sql}) AS {duckdb_type(target)})", target, term.can_fail or term.type == DOUBLE)


def _positive_modulo(called: Call) -> Term:
    called.expect(2)
    left, right = _number(called), _number(called, 1)
    first = calculate(called.context, called.node, "%", left, right)
    shifted = (
        calculate(called.context, called.node, "+", first, Term(right.sql, first.type))
        if left.type == right.type and left.type in (INT, BIGINT)
        else None
    )
    if shifted is None:
        called.refuse("pmod of other than two INT or two BIGINT", "CAST both to one of them")
    again = calculate(called.context, called.node, "%", shifted, right)
    return Term(f"(CASE WHEN {first.sql} < 0 THEN {again.sql} ELSE {first.sql} END)", first.type, True)


def _tried(called: Call) -> Term:
    called.expect(2)
    operator = {"try_add": "+", "try_subtract": "-", "try_multiply": "*", "try_divide": "/", "try_mod": "%"}[called.name]
    term = calculate(called.context, called.node, operator, called.term(0), called.term(1))
    return Term(f"TRY({term.sql})", term.type)


def _coalesce(called: Call) -> Term:
    terms = called.unified()
    return Term(f"COALESCE({', '.join(term.sql for term in terms)})", terms[0].type, any(term.can_fail for term in terms))


def _extreme(called: Call) -> Term:
    if len(called.arguments) < 2:
        called.refuse(f"{called.name} of one value", "give it two or more")
    terms = called.unified()
    return Term(f"{called.name}({', '.join(term.sql for term in terms)})", terms[0].type, any(term.can_fail for term in terms))


def _nullif(called: Call) -> Term:
    called.expect(2)
    value, other = called.terms()
    left, right = unify(called.context, called.node, [value, other])
    can_fail = left.can_fail or right.can_fail
    if left.type == value.type:
        return Term(f"NULLIF({left.sql}, {right.sql})", value.type, can_fail)
    return Term(f"(CASE WHEN {left.sql} = {right.sql} THEN NULL ELSE {value.sql} END)", value.type, can_fail)


def _nvl2(called: Call) -> Term:
    called.expect(3)
    tested, present, absent = called.terms()
    one, other = unify(called.context, called.node, [present, absent])
    can_fail = tested.can_fail or one.can_fail or other.can_fail
    return Term(f"(CASE WHEN {tested.sql} IS NOT NULL THEN {one.sql} ELSE {other.sql} END)", one.type, can_fail)


def _cast_by_name(called: Call) -> Term:
    called.expect(1)
    kinds = {"int": INT, "bigint": BIGINT, "double": DOUBLE, "boolean": BOOLEAN}
    return cast_to(called.context, called.node, called.term(0), kinds[called.name])


def _nanvl(called: Call) -> Term:
    called.expect(2)
    value, other = called.term(0, DOUBLE), called.term(1, DOUBLE)
    return Term(f"(CASE WHEN isnan({value.sql}) THEN {other.sql} ELSE {value.sql} END)", DOUBLE, value.can_fail or other.can_fail)


FUNCTIONS: Mapping[str, FunctionRule] = {
    **signatures(_SIMPLE),
    "abs": FunctionRule(_absolute),
    "round": FunctionRule(_round),
    **dict.fromkeys(("floor", "ceil", "ceiling"), FunctionRule(_whole)),
    "pmod": FunctionRule(_positive_modulo),
    **dict.fromkeys(("try_add", "try_subtract", "try_multiply", "try_divide", "try_mod"), FunctionRule(_tried)),
    **dict.fromkeys(("coalesce", "nvl", "ifnull"), FunctionRule(_coalesce)),
    **dict.fromkeys(("greatest", "least"), FunctionRule(_extreme)),
    "nullif": FunctionRule(_nullif),
    "nvl2": FunctionRule(_nvl2),
    "nanvl": FunctionRule(_nanvl),
    **dict.fromkeys(("int", "bigint", "double", "boolean"), FunctionRule(_cast_by_name)),
}

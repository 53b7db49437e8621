"""Arithmetic with Spark's result types: INT stays INT and overflows, decimals are exact and rounded half up, division by zero fails.

Belongs here: + - * / % DIV and unary minus. Does not belong here: functions such as round (functions/numbers.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from lakehouse_platform.contracts.types import BIGINT, DATE, DOUBLE, INT, STRING, TIMESTAMP, ColumnType, decimal
from lakehouse_platform.engine.casts import MAX_PRECISION, as_decimal, cast, common_type
from lakehouse_platform.engine.spelling import duckdb_type
from lakehouse_platform.engine.terms import DAYS, INTERVALS, MICROSECONDS, MONTHS, VOID, Context, Term

NUMERIC = ("int", "bigint", "decimal", "double")
OPERATORS: Mapping[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.IntDiv: "div"}
_LEAST_SCALE = 6


def adjusted(precision: int, scale: int) -> ColumnType:
    """The decimal type of a result: at most 38 digits, giving up digits behind the point down to six before it."""
    if precision <= MAX_PRECISION:
        return decimal(precision, scale)
    whole = precision - scale
    return decimal(MAX_PRECISION, max(MAX_PRECISION - whole, min(scale, _LEAST_SCALE)))


def result_type(operator: str, left: ColumnType, right: ColumnType) -> ColumnType:
    """Spark's type of `left operator right` for two decimals."""
    (p1, s1), (p2, s2) = (left.precision, left.scale), (right.precision, right.scale)
    scale = max(s1, s2)
    match operator:
        case "+" | "-":
            return adjusted(max(p1 - s1, p2 - s2) + scale + 1, scale)
        case "*":
            return adjusted(p1 + p2 + 1, s1 + s2)
        case "/":
            scale = max(_LEAST_SCALE, s1 + p2 + 1)
            return adjusted(p1 - s1 + s2 + scale, scale)
        case _:
            return adjusted(min(p1 - s1, p2 - s2) + scale, scale)


def divided(left: str, left_type: ColumnType, right: str, right_type: ColumnType, result: ColumnType) -> str:
    """Exact division of decimals, rounded half up at the result's scale: on whole numbers, as DuckDB's own gives a DOUBLE."""
    shift = result.scale + right_type.scale - left_type.scale
    above = unscaled(left, left_type) + (f" * CAST({10**shift} AS HUGEINT)" if shift > 0 else "")
    below = unscaled(right, right_type) + (f" * CAST({10**-shift} AS HUGEINT)" if shift < 0 else "")
    half = f"abs({below}) // 2"
    return scaled(f"(({above} + CASE WHEN {left} < 0 THEN -({half}) ELSE {half} END) // ({below}))", result)


def unscaled(sql: str, given: ColumnType) -> str:
    """A decimal's digits as a whole number, a BIGINT where that holds them all."""
    whole = "BIGINT" if given.precision <= 18 else "HUGEINT"
    if given.scale == 0:
        return f"CAST({sql} AS {whole})"
    power = f"CAST({10**given.scale} AS DECIMAL({given.scale + 1},0))" if given.scale < MAX_PRECISION else ""
    if given.precision + given.scale + 1 <= MAX_PRECISION:
        return f"CAST({sql} * {power} AS {whole})"
    factor = f"CAST({10**given.scale} AS HUGEINT)"
    fraction = f"CAST(CAST({sql} - trunc({sql}) AS DECIMAL({given.scale},{given.scale})) * {power} AS HUGEINT)"
    return f"(CAST(trunc({sql}) AS HUGEINT) * {factor} + {fraction})"


def scaled(sql: str, result: ColumnType) -> str:
    """The decimal whose digits are a whole number."""
    digits = f"CAST({sql} AS DECIMAL({MAX_PRECISION},0))"
    if result.scale == 0:
        return f"CAST({digits} AS {duckdb_type(result)})"
    unit = f"CAST('0.{'0' * (result.scale - 1)}1' AS DECIMAL({result.scale},{result.scale}))"
    return f"CAST({digits} * {unit} AS {duckdb_type(result)})"


def binary(context: Context, node: exp.Expr) -> Term:
    """`left operator right`."""
    left, right = context.term(node.args["this"]), context.term(node.args["expression"])
    return calculate(context, node, OPERATORS[type(node)], left, right)


def calculate(context: Context, node: exp.Expr, operator: str, left: Term, right: Term) -> Term:
    """The term of an arithmetic operator over two terms."""
    if operator in "+-" and (left.type in (*INTERVALS, DATE, TIMESTAMP) or right.type in (*INTERVALS, DATE, TIMESTAMP)):
        return _moment(context, node, operator, left, right)
    left, right = _numbers(context, node, left, right)
    if operator == "div":
        return _whole_division(context, node, left, right)
    if "decimal" in (left.type.name, right.type.name) and DOUBLE not in (left.type, right.type):
        return _decimals(operator, left, right)
    both = DOUBLE if operator == "/" else common_type(left.type, right.type) or DOUBLE
    one, other = cast(left, both), cast(right, both)
    assert one is not None and other is not None
    can_fail = left.can_fail or right.can_fail or both != DOUBLE or operator in "/%"
    return Term(f"({one.sql} {operator} {other.sql})", both, can_fail)


def negated(context: Context, node: exp.Expr) -> Term:
    """Unary minus. A literal keeps being one, so that the least BIGINT can be written."""
    inner = node.args["this"]
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return number(f"-{inner.name}")
    term = context.term(inner)
    if term.type.name not in NUMERIC:
        context.refuse(node, f"a {term.type} cannot be negated", "CAST it to a number")
    if term.type in (INT, BIGINT):
        # DuckDB widens a negated constant.
        return Term(f"(CAST(0 AS {duckdb_type(term.type)}) - {term.sql})", term.type, can_fail=True)
    return Term(f"(-{term.sql})", term.type, term.can_fail)


def number(text: str) -> Term:
    """A literal number: INT, BIGINT where that is too small, DECIMAL with a point, DOUBLE with an exponent."""
    if "e" in text.lower():
        return Term(f"CAST('{text}' AS DOUBLE)", DOUBLE)
    digits = text.lstrip("-")
    if "." in digits:
        whole, fraction = digits.split(".")
        precision = max(len(whole.lstrip("0")) + len(fraction), 1)
        found = decimal(max(precision, len(fraction)), len(fraction))
        return Term(f"CAST('{text}' AS {duckdb_type(found)})", found)
    value = int(text)
    kind = INT if -(2**31) <= value < 2**31 else BIGINT if -(2**63) <= value < 2**63 else decimal(len(digits), 0)
    return Term(f"CAST({text} AS {duckdb_type(kind)})", kind, constant=value)


def literal_decimal(term: Term) -> Term:
    """A whole literal as the decimal of its own digits; other terms as they are."""
    if not isinstance(term.constant, int):
        return term
    found = cast(term, as_decimal(term))
    assert found is not None
    return found


def _numbers(context: Context, node: exp.Expr, left: Term, right: Term) -> tuple[Term, Term]:
    for term in (left, right):
        if term.type == STRING or term.type.name not in (*NUMERIC, "void"):
            context.refuse(node, f"arithmetic on a {term.type}", "CAST it to the type that is meant")
    one = cast(left, right.type if right.type != VOID else INT) if left.type == VOID else left
    other = cast(right, one.type if one is not None else INT) if right.type == VOID else right
    assert one is not None and other is not None
    return one, other


def _decimals(operator: str, left: Term, right: Term) -> Term:
    left_type, right_type = as_decimal(left), as_decimal(right)
    one, other = cast(left, left_type), cast(right, right_type)
    assert one is not None and other is not None
    result = result_type(operator, left_type, right_type)
    if operator == "/":
        return Term(divided(one.sql, left_type, other.sql, right_type, result), result, True)
    if operator == "%":
        both = common_type(left_type, right_type) or result
        return Term(f"CAST(CAST({one.sql} AS {duckdb_type(both)}) % CAST({other.sql} AS {duckdb_type(both)}) AS {duckdb_type(result)})", result, True)
    grows = {"*": left_type.precision + right_type.precision + 1}.get(operator, result.precision)
    can_fail = left.can_fail or right.can_fail or grows >= MAX_PRECISION
    return Term(f"CAST({one.sql} {operator} {other.sql} AS {duckdb_type(result)})", result, can_fail)


def _whole_division(context: Context, node: exp.Expr, left: Term, right: Term) -> Term:
    if DOUBLE in (left.type, right.type):
        context.refuse(node, "DIV of a DOUBLE", "CAST it to BIGINT or a decimal")
    if "decimal" in (left.type.name, right.type.name):
        both = common_type(left.type, right.type) or left.type
        one, other = f"CAST({left.sql} AS {duckdb_type(both)})", f"CAST({right.sql} AS {duckdb_type(both)})"
        return Term(f"CAST({unscaled(one, both)} // {unscaled(other, both)} AS BIGINT)", BIGINT, True)
    return Term(f"(CAST({left.sql} AS BIGINT) // CAST({right.sql} AS BIGINT))", BIGINT, True)


def _moment(context: Context, node: exp.Expr, operator: str, left: Term, right: Term) -> Term:
    if operator == "+" and left.type in INTERVALS:
        left, right = right, left
    can_fail = left.can_fail or right.can_fail
    if right.type in INTERVALS and left.type in (DATE, TIMESTAMP):
        target = DATE if left.type == DATE and right.type in (MONTHS, DAYS) else TIMESTAMP
        return Term(f"CAST({left.sql} {operator} {right.sql} AS {duckdb_type(target)})", target, True)
    if left.type == DATE and right.type == INT:
        return Term(f"({left.sql} {operator} {right.sql})", DATE, True)
    if operator == "-" and left.type == right.type == DATE:
        return Term(f"to_days(CAST({left.sql} - {right.sql} AS INTEGER))", DAYS, can_fail)
    if operator == "-" and {left.type, right.type} <= {DATE, TIMESTAMP}:
        return Term(f"to_microseconds(epoch_us({left.sql}) - epoch_us({right.sql}))", MICROSECONDS, can_fail)
    context.refuse(node, f"{left.type} {operator} {right.type}", "use date_add, date_sub, datediff or an INTERVAL")

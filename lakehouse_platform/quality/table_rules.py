"""Measures rules over many rows of a table and judges the numbers. Not here: rules over single rows (judging.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lakehouse_platform.contracts.model import Bound, Contract, TableRule
from lakehouse_platform.contracts.sql_rules import TABLE
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.transpile import sql_to_duckdb

_HOLDS: Mapping[str, Callable[[float, tuple[float, ...]], bool]] = {
    "mustBe": lambda value, operands: value == operands[0],
    "mustNotBe": lambda value, operands: value != operands[0],
    "mustBeGreaterThan": lambda value, operands: value > operands[0],
    "mustBeGreaterOrEqualTo": lambda value, operands: value >= operands[0],
    "mustBeLessThan": lambda value, operands: value < operands[0],
    "mustBeLessOrEqualTo": lambda value, operands: value <= operands[0],
    "mustBeBetween": lambda value, operands: operands[0] <= value <= operands[1],
    "mustNotBeBetween": lambda value, operands: not operands[0] <= value <= operands[1],
}


# What the table is called while its rule is translated.
_NAME = "silver/ruled"


@dataclass(frozen=True)
class Measured:
    """What a rule's query gave. Null (a share of no rows) breaks no rule."""

    value: float | None
    passed: bool


def measure(session: Session, contract: Contract, rule: TableRule, relation: str) -> Measured:
    """Measure a rule over a DuckDB relation with the contract's columns."""
    schema = {column.name: column.type for column in contract.columns}
    sql = sql_to_duckdb(rule.query.replace(TABLE, _NAME.replace("/", ".")), {_NAME: relation}, {_NAME: schema})
    (value,) = session.row(sql)
    return Measured(value if value is None else float(value), value is None or holds(rule.bound, float(value)))


def holds(bound: Bound, value: float) -> bool:
    """Whether a number keeps to a bound."""
    return _HOLDS[bound.operator](value, bound.operands)

"""Holds rows against what their table demands of each (CHECK constraints and the like) while they are written. Not here: what it demands."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.obligations import obligations_of
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.engine.transpile import expression_to_duckdb

# The version of a table that is not there: the first commit follows it.
NO_VERSION = -1


def conditions_of(target: Snapshot) -> Mapping[str, str]:
    """What every row that is added must make TRUE, in Spark SQL, by name."""
    return {} if target.version == NO_VERSION else obligations_of(target).conditions


def lawful(target: Snapshot, rows: str, hidden: Collection[str] = ()) -> str:
    """SQL of the same rows, which fails at one that breaks a condition, with its name and the row; `hidden` columns are not shown."""
    conditions = conditions_of(target)
    if not conditions:
        return rows
    types = {field.name: field.type for field in target.columns}
    shown = ", ".join(f"{quote(name)} := {quote(name)}" for name in types if name not in hidden)
    cases = []
    for name, condition in conditions.items():
        told = f"{target.location}: a row breaks {name} ({condition}), nothing was committed: "
        cases.append(
            f"WHEN ({expression_to_duckdb(condition, types)}) IS NOT TRUE THEN error({literal(told)} || CAST(struct_pack({shown}) AS VARCHAR))"
        )
    return f"SELECT * FROM ({rows}) WHERE CASE {' '.join(cases)} ELSE TRUE END"

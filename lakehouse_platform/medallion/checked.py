"""SQL that holds a gold query's rows against the contract as they stream: the first that breaks it fails the run. Not here: silver's rows."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse_platform.contracts.model import Column, RowRule
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.engine.transpile import failing_condition
from lakehouse_platform.engine.typing import typed
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import unbounded_columns

_EXAMPLE_COLUMNS = 5


def typed_rows(table: Table, columns: Sequence[Column], rows: str, carried: Sequence[str] = ()) -> str:
    """SQL of the query's columns in the contract's types, and the carried ones; a value that does not fit fails, and null where one is required."""
    parts = [f"{_typed(table, column)} AS {quote(column.name)}" for column in columns]
    return f"SELECT {', '.join([*parts, *(quote(name) for name in carried)])} FROM ({rows})"


def ruled_rows(table: Table, rows: str, names: Sequence[str]) -> str:
    """SQL of typed rows, in these columns, of which one that breaks a rule of severity error fails."""
    rules = table.contract.error_rules
    if not rules:
        return f"SELECT {', '.join(quote(name) for name in names)} FROM ({rows})"
    # The first column carries the check: it is always read, and CASE keeps the error from being reached by any other row.
    first, *others = names
    kind = duckdb_type(next(column.type for column in table.contract.columns if column.name == first))
    whens = " ".join(f"WHEN {_failing(table, rule)} THEN {_error(table, kind, literal(_rule_text(rule)))}" for rule in rules)
    checked = f"CASE {whens} ELSE {quote(first)} END AS {quote(first)}"
    return f"SELECT {', '.join([checked, *(quote(name) for name in others)])} FROM ({rows})"


def counted_rules(session: Session, table: Table, rows: str) -> dict[str, int]:
    """How many stored rows fail each row rule of the contract; of severity error there are none."""
    rules = table.contract.row_rules
    if not rules:
        return {}
    counts = ", ".join(f"count(*) FILTER (WHERE {_failing(table, rule)})" for rule in rules)
    return {rule.id: int(count) for rule, count in zip(rules, session.row(f"SELECT {counts} FROM ({rows})"), strict=True)}


def _typed(table: Table, column: Column) -> str:
    given, kind = quote(column.name), duckdb_type(column.type)
    value = typed(given, table.output_types[column.name], column)
    whens = []
    if value != given:
        shown = "a value" if column.name in unbounded_columns(table) else f"' || CAST({given} AS VARCHAR) || '"
        misfit = _error(table, kind, f"'{column.name}: {shown} is no {column.type}'")
        whens.append(f"WHEN {given} IS NOT NULL AND {value} IS NULL THEN {misfit}")
    if column.required:
        whens.append(f"WHEN {given} IS NULL THEN {_error(table, kind, literal(f'{column.name} is required and null'))}")
    return f"CASE {' '.join(whens)} ELSE {value} END" if whens else value


def _error(table: Table, kind: str, message: str) -> str:
    """An expression that fails, naming the table and an example row; classified values are not told."""
    hidden = unbounded_columns(table)
    columns = [column for column in table.contract.columns if column.name in table.query.outputs]
    names = [column.name for column in columns if column.name not in hidden and not column.type.is_nested]
    example = ", ".join(f"{quote(name)} := {quote(name)}" for name in names[:_EXAMPLE_COLUMNS])
    row = f"' in the row ' || CAST(struct_pack({example}) AS VARCHAR)" if example else "''"
    return f"CAST(error({literal(f'{table.name}: ')} || {message} || {row} || '; nothing was committed') AS {kind})"


def _failing(table: Table, rule: RowRule) -> str:
    return failing_condition(rule.failing, {column.name: column.type for column in table.contract.columns})


def _rule_text(rule: RowRule) -> str:
    return f"rule {rule.id} fails ({rule.description or rule.failing})"

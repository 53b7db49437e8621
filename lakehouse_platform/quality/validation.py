"""Validates committed rows against a pandera schema made from the contract, by none of the SQL that wrote them. Not here: reading the rows."""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse_platform.contracts.model import Column, Constraint, ConstraintKind, Contract, RowRule
from lakehouse_platform.contracts.types import ColumnType

if TYPE_CHECKING:
    import narwhals.stable.v1 as nw
    import pandera.pyarrow as pandera

# Rows that are judged at once: enough to make pandera's own work small, few enough to hold.
ROWS_AT_ONCE = 250_000
REQUIRED, TYPE = "required", "type"
_PLAIN_TYPES: Mapping[str, Callable[[pa.DataType], bool]] = {
    "string": lambda given: pa.types.is_string(given) or pa.types.is_large_string(given),
    "binary": lambda given: pa.types.is_binary(given) or pa.types.is_large_binary(given),
    "boolean": pa.types.is_boolean,
    "int": pa.types.is_int32,
    "bigint": pa.types.is_int64,
    "double": pa.types.is_float64,
    "date": pa.types.is_date32,
    "timestamp": lambda given: pa.types.is_timestamp(given) and given.tz is not None,
}
_BROKEN_BOUNDS = {
    ConstraintKind.MINIMUM: operator.lt,
    ConstraintKind.MAXIMUM: operator.gt,
    ConstraintKind.EXCLUSIVE_MINIMUM: operator.le,
    ConstraintKind.EXCLUSIVE_MAXIMUM: operator.ge,
}


@dataclass(frozen=True)
class Validation:
    """What a validation found: rows judged, and failing rows by (column, check). Checks are `type`, `required` and ids of the contract's rules."""

    rows: int
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every row keeps the contract."""
        return not self.failures


def validate(contract: Contract, batches: Iterable[pa.RecordBatch | pa.Table]) -> Validation:
    """Judge rows by the contract's types, `required`, and those error rules over one column that pandera can judge natively.

    A column that is missing or has another type fails `type` with all its rows; its values are not judged further. Other columns are passed over.
    """
    rows = 0
    failures: Counter[tuple[str, str]] = Counter()
    for table in _joined(batches):
        rows += table.num_rows
        mistyped = {column.name for column in contract.columns if not _has_type(table, column)}
        failures.update({(name, TYPE): max(table.num_rows, 1) for name in mistyped})
        judged = [column for column in contract.columns if column.name not in mistyped]
        failures.update(_failures(table.select([column.name for column in judged]), pandera_schema(judged, contract.error_rules)))
    return Validation(rows, dict(failures))


def pandera_schema(columns: Iterable[Column], rules: Iterable[RowRule]) -> pandera.DataFrameSchema:
    """The schema of these columns: `required`, and the rules over one of them that are stated as constraints."""
    import pandera.pyarrow as pandera  # noqa: PLC0415 -- definitions load without it

    rules = list(rules)
    components = {}
    for column in columns:
        checks = [
            pandera.Check(_all([_check(constraint) for constraint in rule.constraints]), name=rule.id, error=rule.id, native=False)
            for rule in rules
            if rule.column == column.name and rule.constraints and all(_is_native(constraint, column.type) for constraint in rule.constraints)
        ]
        if column.required:
            # Not pandera's `nullable`, which takes NaN for null.
            checks.append(pandera.Check(_check(Constraint(ConstraintKind.NOT_NULL)), name=REQUIRED, error=REQUIRED, native=False))
        components[column.name] = pandera.Column(None, checks=checks, nullable=True, name=column.name)
    return pandera.DataFrameSchema(components)


def _failures(table: pa.Table, schema: pandera.DataFrameSchema) -> Counter[tuple[str, str]]:
    from pandera.errors import SchemaErrors  # noqa: PLC0415 -- definitions load without it

    failures: Counter[tuple[str, str]] = Counter()
    try:
        schema.validate(table, lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            failures[(error.schema.name, error.check.name)] += len(error.failure_cases)
    return failures


def _all(checks: list[Callable[[nw.Expr], nw.Expr]]) -> Callable[[nw.Expr], nw.Expr]:
    return lambda values: functools.reduce(operator.and_, (check(values) for check in checks))


def _check(constraint: Constraint) -> Callable[[nw.Expr], nw.Expr]:
    kind, operands = constraint.kind, constraint.operands
    match kind:
        case ConstraintKind.NOT_NULL:
            return lambda values: ~values.is_null()
        case ConstraintKind.PATTERN:
            return lambda values: values.str.contains(operands[0])
        case ConstraintKind.MIN_LENGTH:
            return lambda values: values.str.len_chars() >= operands[0]
        case ConstraintKind.MAX_LENGTH:
            return lambda values: values.str.len_chars() <= operands[0]
        case ConstraintKind.MULTIPLE_OF:
            return lambda values: values % operands[0] == 0
        case ConstraintKind.ONE_OF:
            return lambda values: values.is_null() | values.is_in(operands)
        case ConstraintKind.NONE_OF:
            return lambda values: ~values.is_in(operands)
    # NaN is above every bound for Spark and beside every bound for Arrow: only what is broken for both counts.
    broken = _BROKEN_BOUNDS[kind]
    return lambda values: ~broken(values, operands[0])


def _is_native(constraint: Constraint, column_type: ColumnType) -> bool:
    return constraint.kind is not ConstraintKind.MULTIPLE_OF or column_type.name in ("int", "bigint")


def _joined(batches: Iterable[pa.RecordBatch | pa.Table]) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    for batch in batches:
        held.append(pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch)
        if sum(table.num_rows for table in held) >= ROWS_AT_ONCE:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _has_type(table: pa.Table, column: Column) -> bool:
    return column.name in table.column_names and _is(table.schema.field(column.name).type, column.type)


def _is(given: Any, wanted: ColumnType) -> bool:
    match wanted.name:
        case "decimal":
            return pa.types.is_decimal(given) and (given.precision, given.scale) == (wanted.precision, wanted.scale)
        case "array":
            return (pa.types.is_list(given) or pa.types.is_large_list(given)) and _is(given.value_type, wanted.items[0])
        case "map":
            return pa.types.is_map(given) and _is(given.key_type, wanted.items[0]) and _is(given.item_type, wanted.items[1])
        case "struct":
            names = [part.name for part in given] if pa.types.is_struct(given) else []
            return names == list(wanted.names) and all(_is(part.type, item) for part, item in zip(given, wanted.items, strict=True))
    return _PLAIN_TYPES[wanted.name](given)

"""Row rules from what a property demands of its values: logicalTypeOptions and enum. Not here: quality entries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from open_data_contract_standard.model import SchemaProperty
from sqlglot import exp

from lakehouse_platform.contracts.document import Document, Location
from lakehouse_platform.contracts.model import Column, Constraint, ConstraintKind, RowRule
from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.contracts.values import spark_literal, typed_value

_ORDERED = ("int", "bigint", "double", "decimal", "date", "timestamp")
_KINDS = {
    "minimum": (ConstraintKind.MINIMUM, _ORDERED),
    "maximum": (ConstraintKind.MAXIMUM, _ORDERED),
    "exclusiveMinimum": (ConstraintKind.EXCLUSIVE_MINIMUM, _ORDERED),
    "exclusiveMaximum": (ConstraintKind.EXCLUSIVE_MAXIMUM, _ORDERED),
    "multipleOf": (ConstraintKind.MULTIPLE_OF, ("int", "bigint", "decimal")),
    "minLength": (ConstraintKind.MIN_LENGTH, ("string",)),
    "maxLength": (ConstraintKind.MAX_LENGTH, ("string",)),
    "pattern": (ConstraintKind.PATTERN, ("string",)),
}
# These describe the column or its type; columns.py reads those that matter.
_DESCRIPTIVE = ("format", "timezone", "defaultTimezone")
_FAILING_COMPARISONS: dict[ConstraintKind, type[exp.Binary]] = {
    ConstraintKind.MINIMUM: exp.LT,
    ConstraintKind.MAXIMUM: exp.GT,
    ConstraintKind.EXCLUSIVE_MINIMUM: exp.LTE,
    ConstraintKind.EXCLUSIVE_MAXIMUM: exp.GTE,
}
# Java knows these, RE2 (DuckDB) does not, and a rule means the same on every engine.
_BACKTRACKING = re.compile(r"(?<!\\)(?:\\\\)*(?:\(\?(?:[=!>]|<[=!])|\\[1-9]|[*+?}]\+)")


def constraint_rules(document: Document, location: Location, declared: SchemaProperty, column: Column) -> Iterator[RowRule]:
    """The rules of a property's logicalTypeOptions and enum."""
    for name, value in (declared.logicalTypeOptions or {}).items():
        place = (*location, "logicalTypeOptions", name)
        if name in _DESCRIPTIVE:
            continue
        if name not in _KINDS:
            document.mistake(place, f"{column.name}: the option {name} is not judged", f"known are {', '.join(_KINDS)}; or write an sql rule")
            continue
        kind, type_names = _KINDS[name]
        if column.type.name not in type_names:
            document.mistake(place, f"{column.name}: {name} says nothing of a {column.type}", f"it is for {', '.join(type_names)}")
            continue
        constraint = read_constraint(document, place, column, kind, [value])
        if constraint is not None:
            yield _rule(document, place, column, kind, constraint)
    if declared.enum:
        values = [entry.value for entry in declared.enum]
        constraint = read_constraint(document, (*location, "enum"), column, ConstraintKind.ONE_OF, values)
        if constraint is not None:
            yield _rule(document, (*location, "enum"), column, "enum", constraint)


def read_constraint(document: Document, location: Location, column: Column, kind: ConstraintKind, values: Sequence[object]) -> Constraint | None:
    """A constraint with operands of the column's type; None where an operand is a mistake."""
    try:
        if kind is ConstraintKind.PATTERN:
            return Constraint(kind, (_pattern(values[0]),))
        if kind in (ConstraintKind.MIN_LENGTH, ConstraintKind.MAX_LENGTH):
            return Constraint(kind, (_length(values[0]),))
        return Constraint(kind, tuple(_operand(value, column.type, kind) for value in values))
    except ValueError as error:
        document.mistake(location, f"{column.name}: {error}", f"write what {column.type} can hold; quote text")
        return None


def failing(column: Column, constraint: Constraint) -> exp.Expr:
    """The predicate that is TRUE where a value breaks the constraint."""
    value = exp.column(column.name, quoted=True)
    literals = [spark_literal(operand) for operand in constraint.operands]
    match constraint.kind:
        case ConstraintKind.NOT_NULL:
            return value.is_(exp.null())
        case ConstraintKind.MULTIPLE_OF:
            return exp.NEQ(this=exp.Mod(this=value, expression=literals[0]), expression=exp.Literal.number(0))
        case ConstraintKind.MIN_LENGTH:
            return exp.LT(this=exp.Length(this=value), expression=literals[0])
        case ConstraintKind.MAX_LENGTH:
            return exp.GT(this=exp.Length(this=value), expression=literals[0])
        case ConstraintKind.PATTERN:
            return exp.RegexpLike(this=value, expression=literals[0]).not_()
        case ConstraintKind.ONE_OF:
            return value.isin(*literals).not_()
        case ConstraintKind.NONE_OF:
            return value.isin(*literals)
        case comparison:
            return _FAILING_COMPARISONS[comparison](this=value, expression=literals[0])


def _rule(document: Document, location: Location, column: Column, suffix: str, constraint: Constraint) -> RowRule:
    return RowRule(
        id=f"{column.name}_{suffix}",
        failing=failing(column, constraint).sql("databricks"),
        column=column.name,
        line=document.line(location),
        constraints=(constraint,),
    )


def _operand(value: object, column_type: ColumnType, kind: ConstraintKind) -> object:
    operand = typed_value(value, column_type)
    if kind is ConstraintKind.MULTIPLE_OF and not operand > 0:
        raise ValueError(f"multipleOf {value!r} is not above 0")
    return operand


def _length(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no length")
    return value


def _pattern(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no regular expression")  # noqa: TRY004 -- a mistake in the document, not in the program
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error
    if _BACKTRACKING.search(value):
        raise ValueError(f"{value!r} looks ahead, behind or back, which DuckDB cannot")
    return value

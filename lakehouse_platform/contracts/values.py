"""Values in a contract's document (bounds, enums) as Python values of a column's type and as Spark literals. Not here: where they stand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlglot import exp

from lakehouse_platform.contracts.types import ColumnType


def typed_value(value: object, column_type: ColumnType) -> Any:
    """The value in Python's type for the column. Raises ValueError that says what was expected."""
    match column_type.name:
        case "string" if isinstance(value, str):
            return value
        case "boolean" if isinstance(value, bool):
            return value
        case "int" | "bigint" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "decimal" if isinstance(value, int | float) and not isinstance(value, bool):
            return Decimal(str(value))
        case "double" if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        case "date" if isinstance(value, str):
            return date.fromisoformat(value)
        case "timestamp" if isinstance(value, str):
            instant = datetime.fromisoformat(value)
            return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    raise ValueError(f"{value!r} is no value of {column_type}")


def spark_literal(value: Any) -> exp.Expr:
    """A typed value as Spark SQL, the same in every session's time zone."""
    match value:
        case bool():
            return exp.Boolean(this=value)
        case str():
            return exp.Literal.string(value)
        case float():
            return exp.cast(exp.Literal.number(repr(value)), "double")
        case Decimal():
            return exp.Literal.number(f"{value:f}")
        case datetime():
            return exp.cast(exp.Literal.string(value.isoformat(" ")), "timestamptz", dialect="databricks")
        case date():
            return exp.cast(exp.Literal.string(value.isoformat()), "date")
    return exp.Literal.number(value)

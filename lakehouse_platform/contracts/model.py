"""What a contract says, as frozen values that every other package reads. Not here: reading or checking the document."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lakehouse_platform.contracts.types import ColumnType


class Severity(StrEnum):
    """`error` rejects the row (or fails the table's check); `warning` lowers the row's score (or warns)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Column:
    """A column of a table. `key_position` counts from 1 and is None outside the business key.

    `formats` are further text forms (custom property lakehouse.format); `timezone` reads text without a zone.
    """

    name: str
    type: ColumnType
    required: bool = False
    key_position: int | None = None
    partitioned: bool = False
    classification: str | None = None
    description: str = ""
    formats: tuple[str, ...] = ()
    timezone: str = "UTC"
    empty_as_null: bool = False
    line: int = 0


class ConstraintKind(StrEnum):
    """What a constraint demands of a value that is not null; `not_null` demands that there is one."""

    NOT_NULL = "not_null"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    EXCLUSIVE_MINIMUM = "exclusive_minimum"
    EXCLUSIVE_MAXIMUM = "exclusive_maximum"
    MULTIPLE_OF = "multiple_of"
    MIN_LENGTH = "min_length"
    MAX_LENGTH = "max_length"
    PATTERN = "pattern"
    ONE_OF = "one_of"
    NONE_OF = "none_of"


@dataclass(frozen=True)
class Constraint:
    """A demand on one column's values, as the document states it, so that a rule can also be judged without its SQL.

    `operands` are Python values of the column's type; for lengths integers, for a pattern its text.
    """

    kind: ConstraintKind
    operands: tuple[Any, ...] = ()


@dataclass(frozen=True)
class RowRule:
    """A rule over one row. `failing` is a Spark SQL predicate over the table's columns, TRUE on a failing row; NULL passes.

    `constraints` say the same of `column` where the document states the rule as a constraint: all of them hold on a passing row.
    """

    id: str
    failing: str
    severity: Severity = Severity.ERROR
    dimension: str = "conformity"
    column: str | None = None
    description: str = ""
    line: int = 0
    constraints: tuple[Constraint, ...] = ()


@dataclass(frozen=True)
class Bound:
    """What a measured number must be: an ODCS operator (`mustBe`, `mustBeGreaterThan`, `mustBeBetween`, …) and its operands."""

    operator: str
    operands: tuple[float, ...]


@dataclass(frozen=True)
class TableRule:
    """A rule over the whole table: `query` is Spark SQL over `${table}` giving one number that `bound` judges.

    With `percent`, the query gives the share of rows in percent.
    """

    id: str
    query: str
    bound: Bound
    severity: Severity = Severity.ERROR
    dimension: str = "completeness"
    column: str | None = None
    description: str = ""
    line: int = 0


@dataclass(frozen=True)
class Reference:
    """Columns whose values must stand in columns of another table; a row with null in one of them refers to nothing.

    `table` is that table's name without its layer, as the standard's `table.column` has it.
    """

    id: str
    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    severity: Severity = Severity.WARNING
    line: int = 0


@dataclass(frozen=True)
class Contract:
    """One table's contract. `row_rules` hold everything that judges a single row beyond types and `required`."""

    id: str
    version: str
    table: str
    path: Path
    columns: tuple[Column, ...]
    row_rules: tuple[RowRule, ...] = ()
    table_rules: tuple[TableRule, ...] = ()
    references: tuple[Reference, ...] = ()
    owner: str | None = None
    domain: str | None = None
    description: str = ""
    status: str = "active"
    freshness_seconds: int | None = None
    text: str = field(default="", repr=False)
    table_line: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the business key's columns, in their order."""
        keyed = [column for column in self.columns if column.key_position is not None]
        return tuple(column.name for column in sorted(keyed, key=lambda column: column.key_position or 0))

    @property
    def partition_column(self) -> str | None:
        """The column marked `partitioned`, if any."""
        return next((column.name for column in self.columns if column.partitioned), None)

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def warning_rules(self) -> tuple[RowRule, ...]:
        """Row rules that lower the score."""
        return tuple(rule for rule in self.row_rules if rule.severity is Severity.WARNING)

    @property
    def error_rules(self) -> tuple[RowRule, ...]:
        """Row rules that reject the row."""
        return tuple(rule for rule in self.row_rules if rule.severity is Severity.ERROR)

"""The custom properties that a contract may use, each with its meaning: what this platform needs and ODCS has no word for. Not here: reading them."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "lakehouse."
FORMAT = "lakehouse.format"
TIMEZONE = "lakehouse.timezone"
EMPTY_AS_NULL = "lakehouse.empty_as_null"
SEVERITY = "lakehouse.severity"


@dataclass(frozen=True)
class ColumnProperty:
    """A custom property of a column: what it means, and the types of column that it is for."""

    meaning: str
    types: tuple[str, ...]


# A table has no custom properties yet. The docs list these from here.
COLUMN_PROPERTIES = {
    FORMAT: ColumnProperty("A further form of the column's text, or a list of them, such as M/d/yyyy H:mm: Spark's patterns", ("date", "timestamp")),
    TIMEZONE: ColumnProperty("The zone of timestamps whose text names none, such as Europe/London; UTC unless said", ("timestamp",)),
    EMPTY_AS_NULL: ColumnProperty("true: an empty text in this column is stored as null", ("string",)),
}

# Of a relationship: what each means.
REFERENCE_PROPERTIES = {SEVERITY: "warning (as without it) or error: how a value counts that the other table has not"}

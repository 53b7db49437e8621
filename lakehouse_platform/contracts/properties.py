"""The custom properties that a contract may use, each with its meaning: what this platform needs and ODCS has no word for. Not here: reading them."""

from __future__ import annotations

PREFIX = "lakehouse."
FORMAT = "lakehouse.format"
TIMEZONE = "lakehouse.timezone"
EMPTY_AS_NULL = "lakehouse.empty_as_null"

# Properties of a column; a table has none yet. docs list them from here.
COLUMN_PROPERTIES = {
    FORMAT: "A further text form of a date, timestamp or boolean column, or a list of them, such as M/d/yyyy H:mm (Spark's datetime patterns)",
    TIMEZONE: "The zone of timestamps whose text names none, such as Europe/London; UTC unless said",
    EMPTY_AS_NULL: "true: an empty text in this column is stored as null",
}

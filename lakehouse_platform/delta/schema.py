"""Columns as Delta's schema spells them, there and back. Not here: values."""

from __future__ import annotations

from collections.abc import Sequence

from deltalake import Field as DeltaField
from deltalake import Schema
from deltalake.schema import ArrayType, MapType, PrimitiveType, StructType

from lakehouse_platform.contracts.types import BIGINT, BINARY, BOOLEAN, DATE, DOUBLE, INT, STRING, TIMESTAMP, ColumnType, array, parse_type
from lakehouse_platform.delta.files import Field
from lakehouse_platform.problems import LakehouseError

DeltaType = PrimitiveType | ArrayType | MapType | StructType

_PRIMITIVES = {
    STRING: "string",
    BOOLEAN: "boolean",
    INT: "integer",
    BIGINT: "long",
    DOUBLE: "double",
    DATE: "date",
    TIMESTAMP: "timestamp",
    BINARY: "binary",
}
# Smaller types of tables that others wrote are read as the next larger one that the platform has.
_COLUMN_TYPES = {name: plain for plain, name in _PRIMITIVES.items()} | {"byte": INT, "short": INT, "float": DOUBLE}


def delta_schema(columns: Sequence[Field]) -> Schema:
    """Delta's schema of these columns."""
    return Schema([DeltaField(column.name, _delta_type(column.type), nullable=column.nullable) for column in columns])


def columns_of(schema: Schema) -> tuple[Field, ...]:
    """The columns of Delta's schema. A type that the platform does not know is an error that names the column."""
    columns = []
    for field in schema.fields:
        try:
            columns.append(Field(field.name, _column_type(field.type), field.nullable))
        except ValueError as error:
            raise LakehouseError(f"column {field.name!r} cannot be read: {error}") from error
    return tuple(columns)


def _delta_type(column_type: ColumnType) -> DeltaType:
    match column_type.name:
        case "decimal":
            return PrimitiveType(f"decimal({column_type.precision},{column_type.scale})")
        case "array":
            return ArrayType(_delta_type(column_type.items[0]))
        case "map":
            return MapType(_delta_type(column_type.items[0]), _delta_type(column_type.items[1]))
        case "struct":
            pairs = zip(column_type.names, column_type.items, strict=True)
            return StructType([DeltaField(name, _delta_type(item)) for name, item in pairs])
        case _:
            return PrimitiveType(_PRIMITIVES[column_type])


def _column_type(delta_type: object) -> ColumnType:
    match delta_type:
        case ArrayType():
            return array(_column_type(delta_type.element_type))
        case MapType():
            return ColumnType("map", items=(_column_type(delta_type.key_type), _column_type(delta_type.value_type)))
        case StructType():
            fields = delta_type.fields
            return ColumnType("struct", items=tuple(_column_type(field.type) for field in fields), names=tuple(field.name for field in fields))
        case PrimitiveType() if delta_type.type in _COLUMN_TYPES:
            return _COLUMN_TYPES[delta_type.type]
        case PrimitiveType() if delta_type.type.startswith("decimal"):
            return parse_type(delta_type.type)
    raise ValueError(f"Delta's type {delta_type} is none that the platform knows; write it as another type")

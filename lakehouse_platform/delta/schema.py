"""Columns as Delta's schema spells them, there and back. Not here: values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from deltalake import Field as DeltaField
from deltalake import Schema
from deltalake.schema import ArrayType, MapType, PrimitiveType, StructType

from lakehouse_platform.contracts.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    ColumnType,
    array,
    parse_type,
)
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
    TIMESTAMP_NTZ: "timestamp_ntz",
}
# Smaller types of tables that others wrote are read as the next larger one that the platform has; a column of type void has nulls alone.
_COLUMN_TYPES = {name: plain for plain, name in _PRIMITIVES.items()} | {"byte": INT, "short": INT, "float": DOUBLE, "void": STRING}
_PHYSICAL_NAME, _FIELD_ID = "delta.columnMapping.physicalName", "delta.columnMapping.id"


def delta_schema(columns: Sequence[Field]) -> Schema:
    """Delta's schema of these columns."""
    return Schema([DeltaField(column.name, _delta_type(column.type), nullable=column.nullable) for column in columns])


def columns_of(schema: Schema) -> tuple[Field, ...]:
    """The columns of Delta's schema. A type that the platform does not know is an error that names the column."""
    return _columns(schema, lambda field: field.name)


def stored_columns_of(schema: Schema) -> tuple[Field, ...]:
    """The columns as a table with column mapping has them in its files. A name that the schema does not give is an error."""
    return _columns(schema, _physical_name)


def field_ids_of(schema: Schema) -> dict[int, str]:
    """What the files call each column and each part of one, by its id in the column mapping."""
    return dict(_field_ids(schema.fields))


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


def _columns(schema: Schema, name_of: Callable[[DeltaField], str]) -> tuple[Field, ...]:
    columns = []
    for field in schema.fields:
        try:
            columns.append(Field(name_of(field), _column_type(field.type, name_of), field.nullable))
        except ValueError as error:
            raise LakehouseError(f"column {field.name!r} cannot be read: {error}") from error
    return tuple(columns)


def _column_type(delta_type: object, name_of: Callable[[DeltaField], str]) -> ColumnType:
    match delta_type:
        case ArrayType():
            return array(_column_type(delta_type.element_type, name_of))
        case MapType():
            return ColumnType("map", items=(_column_type(delta_type.key_type, name_of), _column_type(delta_type.value_type, name_of)))
        case StructType():
            fields = delta_type.fields
            items = tuple(_column_type(field.type, name_of) for field in fields)
            return ColumnType("struct", items=items, names=tuple(name_of(field) for field in fields))
        case PrimitiveType() if delta_type.type in _COLUMN_TYPES:
            return _COLUMN_TYPES[delta_type.type]
        case PrimitiveType() if delta_type.type.startswith("decimal"):
            return parse_type(delta_type.type)
    raise ValueError(f"Delta's type {delta_type} is none that the platform knows; write it as another type")


def _physical_name(field: DeltaField) -> str:
    name = field.metadata.get(_PHYSICAL_NAME)
    if not isinstance(name, str):
        raise ValueError(f"its column mapping gives no name for {field.name!r}")  # noqa: TRY004 -- told with the column
    return name


def _field_ids(fields: Iterable[DeltaField]) -> Iterator[tuple[int, str]]:
    for field in fields:
        field_id = field.metadata.get(_FIELD_ID)
        if field_id is not None:
            yield int(field_id), _physical_name(field)
        yield from _field_ids(_parts(field.type))


def _parts(delta_type: object) -> list[DeltaField]:
    match delta_type:
        case ArrayType():
            return _parts(delta_type.element_type)
        case MapType():
            return [*_parts(delta_type.key_type), *_parts(delta_type.value_type)]
        case StructType():
            return list(delta_type.fields)
    return []

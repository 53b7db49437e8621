"""Arrow's types as a table holds them: a stream of batches is cast, exactly, to types that a table has. Not here: whose they are (frames.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from lakehouse_platform.problems import LakehouseError

_INSTANT = pa.timestamp("us", "UTC")
_HELD: dict[pa.DataType, pa.DataType] = {
    **dict.fromkeys((pa.int8(), pa.int16(), pa.uint8(), pa.uint16()), pa.int32()),
    **dict.fromkeys((pa.uint32(), pa.uint64()), pa.int64()),
    **dict.fromkeys((pa.float16(), pa.float32()), pa.float64()),
    **dict.fromkeys((pa.large_string(), pa.string_view()), pa.string()),
    **dict.fromkeys((pa.large_binary(), pa.binary_view()), pa.binary()),
    pa.date64(): pa.date32(),
}
_AS_THEY_ARE = (pa.null(), pa.bool_(), pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.date32())


def held(batches: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The same rows in types that a table holds: timestamps are instants, those without a zone taken as UTC; no value is rounded or cut.

    Raises LakehouseError that names a column that stands twice or that no table holds; while it is read, one with a value that does not fit.
    """
    names = batches.schema.names
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise LakehouseError(f"the rows have column {doubles[0]!r} more than once; give each column a name of its own")
    schema = pa.schema([(field.name, _named(field.name, field.type)) for field in batches.schema])
    return batches if schema.equals(batches.schema) else pa.RecordBatchReader.from_batches(schema, _cast(batches, schema))


def naive_columns(schema: pa.Schema) -> tuple[str, ...]:
    """The timestamps without a zone."""
    return tuple(field.name for field in schema if pa.types.is_timestamp(field.type) and field.type.tz is None)


def held_type(kind: pa.DataType) -> pa.DataType:
    """The type of a table that holds every value of an Arrow type, or fails for one that it does not hold. Raises ValueError where there is none."""
    if kind in _AS_THEY_ARE or pa.types.is_decimal128(kind):
        return kind
    if kind in _HELD:
        return _HELD[kind]
    plain = next((found for is_kind, found in _PLAIN if is_kind(kind)), None)
    if plain is not None:
        return plain(kind)
    raise ValueError(f"{kind} is a type that no table holds")


def _decimal(kind: pa.DataType) -> pa.DataType:
    if kind.precision > 38:
        raise ValueError(f"{kind} has more than the 38 digits that a table holds")
    return pa.decimal128(kind.precision, kind.scale)


_PLAIN: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], pa.DataType]], ...] = (
    (pa.types.is_timestamp, lambda _: _INSTANT),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_fixed_size_binary, lambda _: pa.binary()),
    (pa.types.is_dictionary, lambda kind: held_type(kind.value_type)),
    (pa.types.is_map, lambda kind: pa.map_(held_type(kind.key_type), held_type(kind.item_type))),
    (pa.types.is_struct, lambda kind: pa.struct([(field.name, held_type(field.type)) for field in kind])),
    (pa.types.is_list, lambda kind: pa.list_(held_type(kind.value_type))),
    (pa.types.is_large_list, lambda kind: pa.list_(held_type(kind.value_type))),
    (pa.types.is_fixed_size_list, lambda kind: pa.list_(held_type(kind.value_type))),
)


def _named(name: str, kind: pa.DataType) -> pa.DataType:
    try:
        return held_type(kind)
    except ValueError as error:
        raise LakehouseError(f"column {name!r}: {error}; cast it to another, such as text or a number") from error


def _cast(batches: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        columns = [column if column.type == field.type else _fitting(column, field) for column, field in zip(batch.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _fitting(column: pa.Array, field: pa.Field) -> pa.Array:
    try:
        return column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise LakehouseError(f"column {field.name!r} holds a value that does not fit {field.type}: {error}; round or cast it") from error

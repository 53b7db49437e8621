"""Which columns a table has on disk beyond its contract's. Not here: how they are filled."""

from __future__ import annotations

from lakehouse_platform.contracts.model import Column
from lakehouse_platform.contracts.types import BIGINT, STRING, TIMESTAMP, struct
from lakehouse_platform.delta.files import Field
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.periods import partition_type

POSITION = Field("_source_position", struct(source=STRING, row=BIGINT))
OPERATION = Field("_operation", STRING)
CHANGED = Field("_change_timestamp", TIMESTAMP)
EVENT_HASH = Field("_event_hash", STRING)
SILVER_FILLED = ("processed_timestamp", "data_quality_score")
DIMENSION_FILLED = ("effective_date", "end_date", "is_current")


def filled_columns(table: Table) -> tuple[str, ...]:
    """Contract columns that the platform fills, so the query must not give them."""
    if table.layer == "silver":
        return SILVER_FILLED
    if table.refresh is Refresh.SCD2:
        return (f"{table.entity}_key", *DIMENSION_FILLED)
    return ()


def mapped_columns(table: Table) -> tuple[Column, ...]:
    """Contract columns that the query gives."""
    filled = filled_columns(table)
    return tuple(column for column in table.contract.columns if column.name not in filled)


def contract_fields(table: Table) -> tuple[Field, ...]:
    """The contract's columns as stored."""
    return tuple(Field(column.name, column.type, nullable=not column.required) for column in table.contract.columns)


def stored_fields(table: Table) -> tuple[Field, ...]:
    """All columns of the table on disk: the contract's, the source position of silver rows, and a partition column of its own."""
    fields = list(contract_fields(table))
    if table.layer == "silver":
        fields.append(POSITION)
    partition, partitions = table.partition_column, table.attributes.partitions
    if partition is not None and partitions is not None and partition != table.contract.partition_column:
        fields.append(Field(partition, partition_type(partitions.grain)))
    return tuple(fields)


def partition_columns(table: Table) -> tuple[str, ...]:
    """The Delta partition columns: one, or none."""
    return (table.partition_column,) if table.partition_column else ()


def unbounded_columns(table: Table) -> tuple[str, ...]:
    """Classified columns: they have no minimum and maximum in the log, where anyone who reads the log would see values."""
    return tuple(column.name for column in table.contract.columns if column.classification and column.classification.lower() != "public")

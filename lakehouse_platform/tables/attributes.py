"""What a table's `defs.yaml` may say. Not here: contract and query, which say the rest, and sources (ingest/source.py)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Refresh(StrEnum):
    """How new input becomes the table's new state."""

    APPEND = "append"
    UPSERT = "upsert"
    REPLACE = "replace"
    REPLACE_PARTITIONS = "replace_partitions"
    REPLACE_KEYS = "replace_keys"
    SCD1 = "scd1"
    SCD2 = "scd2"


class Attributes(BaseModel):
    """Base of all attribute models: unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Partitions(Attributes):
    """Partitions of the contract's partitioned column, from `start` on (and up to and with `end`, where there is one)."""

    grain: Literal["day", "month"] = Field(description="A day, or a month where days would be too small to be files")
    start: date = Field(description="First day of the first partition")
    end: date | None = Field(default=None, description="Last day; without one, partitions go on to today")


class TableAttributes(Attributes):
    """`attributes` of a `lakehouse_platform.Table`: only what is neither contract nor query."""

    table: str = Field(pattern=r"^(silver|gold)/[a-z][a-z0-9_]*$", description="Layer and name, such as silver/order_lines")
    refresh: Refresh = Field(description="How new input becomes the table's new state")
    sequence_by: tuple[str, ...] = Field(
        default=(), description="Columns that order the rows of a key, first to last; ties go to the source position"
    )
    partitions: Partitions | None = Field(default=None, description="Partitions of the contract's partitioned column")
    business_key: tuple[str, ...] = Field(default=(), description="SCD2: columns that name the thing whose versions the table keeps")
    track: tuple[str, ...] = Field(default=(), description="SCD2: columns whose change starts a new version; by default all but the key")
    cluster_by: tuple[str, ...] = Field(default=(), description="Columns that a reader filters by, for Z-ORDER")
    key_scope: Literal["table", "partition"] = Field(default="table", description="Where a business key is unique")
    lateness_seconds: int | None = Field(default=None, gt=0, description="A row that arrived later than this after its event time is late")
    event_time: str | None = Field(default=None, description="The timestamp column that lateness is judged by")
    unknown_row: bool = Field(default=False, description="SCD2: keep a row with key -1 for facts without a version")
    engine: Literal["auto", "duckdb", "spark"] = Field(default="auto", description="What runs the query")

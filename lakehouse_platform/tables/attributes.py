"""What a table's `defs.yaml` may say. Not here: contract and query, which say the rest, and sources (ingest/source.py)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from lakehouse_platform.tables.cron import checked_cron
from lakehouse_platform.tables.periods import Unit


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

    grain: Unit = Field(description="hour, day, week (from its Monday) or month: as short as a partition can be and still fill a file")
    start: date = Field(description="A day of the first partition")
    end: date | None = Field(default=None, description="A day of the last partition; without one, partitions go on to now")


def _known_timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no time zone: give a name such as Europe/Zurich")
    return name


class Cron(Attributes):
    """Refreshed at its times and not in between."""

    cron: Annotated[str, AfterValidator(checked_cron)] = Field(description="Five fields as in crontab: 0 6 * * * is every day at six")
    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(default="UTC", description="Zone of these times, such as Europe/Zurich")


class AfterRows(Attributes):
    """Refreshed by the first increment that finds so many new rows in its inputs."""

    after_rows: int = Field(gt=0, description="Rows that came to its inputs since it last read them")


def _automation_kind(value: Any) -> str | None:
    """Which of the forms of `automation` was meant; None for none of them."""
    if isinstance(value, Cron) or (isinstance(value, dict) and "cron" in value):
        return "cron"
    if isinstance(value, AfterRows) or (isinstance(value, dict) and "after_rows" in value):
        return "after_rows"
    return "named" if value in ("on_change", "manual") else None


Automation = Annotated[
    Annotated[Literal["on_change", "manual"], Tag("named")] | Annotated[Cron, Tag("cron")] | Annotated[AfterRows, Tag("after_rows")],
    Discriminator(
        _automation_kind,
        custom_error_type="automation",
        custom_error_message='Input should be on_change, manual, {cron: "0 6 * * *", timezone: UTC} or {after_rows: 1000}',
    ),
]


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
    lookup_changes: Literal["keep", "rebuild"] = Field(
        default="keep", description="Silver: when a table that it looks up changes, rows keep what they looked up, or all is computed anew"
    )
    unknown_row: bool = Field(default=False, description="SCD2: keep a row with key -1 for facts without a version")
    automation: Automation = Field(default="on_change", description="When the table is refreshed by itself")
    engine: Literal["auto", "duckdb", "spark"] = Field(default="auto", description="What runs the query")

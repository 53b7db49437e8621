"""What a table's `defs.yaml` may say. Not here: contract and query, which say the rest, and sources (ingest/source.py)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from lakehouse_platform.quality.gate import Limits
from lakehouse_platform.tables.cron import checked_cron
from lakehouse_platform.tables.periods import Unit
from lakehouse_platform.writes.policy import DESCRIPTION as MAINTENANCE
from lakehouse_platform.writes.policy import Maintenance, MaintenanceForms
from lakehouse_platform.writes.stored import COMPRESSION, PROPERTIES, Compression, Properties


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


class Gate(Attributes):
    """Limits of the share of valid rows of an increment's batch: it passes, passes with a warning, or is blocked until a person decides."""

    pass_share: float = Field(default=0.95, ge=0, le=1, description="From this share of valid rows on, a batch passes")
    block_share: float = Field(default=0.70, ge=0, le=1, description="Below this share, a batch is blocked; between the two it passes with a warning")
    minimum_rows: int = Field(default=1000, gt=0, description="A batch of fewer rows passes, however bad")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.block_share > self.pass_share:
            raise ValueError(f"block_share {self.block_share} is above pass_share {self.pass_share}")
        return self


def _gate_kind(value: Any) -> str | None:
    """Which of the forms of `gate` was meant; None for none of them."""
    # YAML reads a bare `off` as false.
    named = value is False or value in ("off", "warn")
    return "limits" if isinstance(value, dict | Gate) else "named" if named else None


GateForms = Annotated[
    Annotated[Literal["off", "warn", False], Tag("named")] | Annotated[Gate, Tag("limits")],
    Discriminator(
        _gate_kind,
        custom_error_type="gate",
        custom_error_message="Input should be off, warn or {pass_share: 0.95, block_share: 0.70, minimum_rows: 1000}",
    ),
]


def _share_or_off(value: Any) -> Any:
    """A share, 0 for `off`, which YAML reads as false where it is bare."""
    return 0.0 if value is False or value == "off" else value


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
    unknown_fields: Literal["ignore", "warn", "reject"] = Field(
        default="ignore", description="Silver: when a record holds fields that neither the query reads nor known_fields names"
    )
    known_fields: tuple[str, ...] = Field(default=(), description="Silver: fields of the records that are known and not read")
    unknown_row: bool = Field(default=False, description="SCD2: keep a row with key -1 for facts without a version")
    gate: GateForms = Field(default=Gate(), description="Silver: what share of valid rows lets a batch pass; off, or warn to block none")
    smallest_snapshot: Annotated[float, BeforeValidator(_share_or_off)] = Field(
        default=0.5, ge=0, le=1, description="Silver over snapshots: with a smaller share of the rows of the one before, one is blocked; or off"
    )
    automation: Automation = Field(default="on_change", description="When the table is refreshed by itself")
    maintenance: MaintenanceForms = Field(default=Maintenance(), description=MAINTENANCE)
    compression: Compression = Field(default="zstd", description=COMPRESSION)
    properties: Properties = Field(default_factory=dict, description=PROPERTIES)
    engine: Literal["auto", "duckdb", "spark"] = Field(default="auto", description="What runs the query")

    @property
    def gate_limits(self) -> Limits | None:
        """What a batch is judged by; None where none is."""
        if isinstance(self.gate, Gate):
            return Limits(self.gate.pass_share, self.gate.block_share, self.gate.minimum_rows)
        return Limits(Gate().pass_share, 0.0, Gate().minimum_rows) if self.gate == "warn" else None

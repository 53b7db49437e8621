"""What a source is: the attributes of its `defs.yaml`, and the source with its folder. Not here: reading files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lakehouse_platform.ingest.snapshot_time import SnapshotTime
from lakehouse_platform.writes.policy import DESCRIPTION as MAINTENANCE
from lakehouse_platform.writes.policy import Maintenance, MaintenanceForms
from lakehouse_platform.writes.stored import COMPRESSION, PROPERTIES, Compression, Properties


class Files(BaseModel):
    """Files that land under the landing folder. `{name}` in the path becomes a column of that name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="Path below the landing folder, with * and {name}, such as sensors/{group}/{sensor_id}.csv")
    format: Literal["csv", "json", "documents", "parquet"] = Field(
        description="csv with a header record, json with a record a line, documents of one JSON object or array each, or parquet"
    )
    encoding: Literal["utf-8", "cp1252", "latin-1"] = Field(default="utf-8", description="How bytes become text")
    on_change: Literal["fail", "replace", "append"] = Field(default="fail", description="When content inside a record already taken changes")

    @property
    def is_whole(self) -> bool:
        """Whether a file is one piece, complete or broken, so that a longer one is another; else it is lines, to which more may be added."""
        return self.format in ("documents", "parquet")

    @property
    def holds_json(self) -> bool:
        """Whether a bronze record of these files is JSON text."""
        return self.format != "csv"


class SourceAttributes(BaseModel):
    """`attributes` of a `lakehouse_platform.Source`: a bronze table and where its records come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str = Field(pattern=r"^bronze/[a-z][a-z0-9_]*$", description="Layer and name, such as bronze/activity_events")
    files: Files = Field(description="The files that hold the records")
    changes: Literal["plain", "snapshot"] | None = Field(
        default=None, description="plain: records are change events {op, ts_ms, key, before, after}; snapshot: each file is all rows as of a time"
    )
    snapshot_time: SnapshotTime | None = Field(default=None, description="Of snapshots: the {name} in their path that says the time, and its format")
    maintenance: MaintenanceForms = Field(default=Maintenance(), description=MAINTENANCE)
    compression: Compression = Field(default="zstd", description=COMPRESSION)
    properties: Properties = Field(default_factory=dict, description=PROPERTIES)
    owner: str | None = Field(default=None, description="Who answers for the source, such as team:retail")
    description: str = Field(default="", description="What the records are")

    @property
    def has_events(self) -> bool:
        """Whether the records are change events."""
        return self.changes == "plain"

    @property
    def has_snapshots(self) -> bool:
        """Whether each file is a full snapshot."""
        return self.changes == "snapshot"


@dataclass(frozen=True)
class Source:
    """A bronze table and where its records come from; `path_columns` are the columns that its path's `{name}`s fill.

    `declared_in` is the Python file that declares it, None for a folder with a defs.yaml.
    """

    attributes: SourceAttributes
    folder: Path
    path_columns: tuple[str, ...] = ()
    declared_in: Path | None = None

    @property
    def name(self) -> str:
        """Layer and name, `bronze/…`."""
        return self.attributes.table

    @property
    def defs_path(self) -> Path:
        """The file that says all this."""
        return self.declared_in or self.folder / "defs.yaml"

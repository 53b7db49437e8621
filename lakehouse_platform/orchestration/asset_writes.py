"""How a user's asset wants its table written: the settings that its metadata holds, checked. Not here: writing (io_manager.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lakehouse_platform.problems import LakehouseError

# What Dagster and other tools keep in an asset's metadata is none of ours; what is nearly one of ours is a mistake.
_MISSPELT = {
    "merge_key": "key",
    "keys": "key",
    "primary_key": "key",
    "write_mode": "mode",
    "partition_column": "partition_expr",
    "overwrite_schema": "evolve",
    "schema_mode": "evolve",
    "table_configuration": "table_config",
}


class AssetWrites(BaseModel):
    """What an asset's metadata says of its table. Each name of a column may be given alone or in a list."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    mode: Literal["overwrite", "append", "upsert"] | None = Field(
        default=None, description="overwrite: the run's partitions, or the whole table of an asset without partitions; append; upsert by `key`"
    )
    key: tuple[str, ...] = Field(default=(), description="upsert: the columns that name a row")
    partition_expr: str | Mapping[str, str] | None = Field(
        default=None, description="The column that holds the partition; of several dimensions, the column of each"
    )
    partition_by: tuple[str, ...] | None = Field(default=None, description="Columns to lay out a new table by, instead of those of its partitions")
    naive: tuple[str, ...] = Field(default=(), description="Timestamps without a zone: kept as UTC, given back without a zone")
    evolve: bool = Field(default=False, description="Columns that the table lacks are added to it; an overwrite of it all may have any columns")
    table_config: Mapping[str, str] = Field(default_factory=dict, description="Delta's properties of the table")
    location: str | None = Field(default=None, description="Where the table is, instead of below the root by its asset key")

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, values: Any) -> Any:
        return {name: (value,) if name in ("key", "partition_by", "naive") and isinstance(value, str) else value for name, value in values.items()}

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.mode == "upsert" and not self.key:
            raise ValueError("mode upsert needs `key`, the columns that name a row")
        if self.key and self.mode != "upsert":
            raise ValueError("`key` is of mode upsert; add mode: upsert, or leave it out")
        return self


def asset_writes(asset: str, metadata: Mapping[str, Any]) -> AssetWrites:
    """The settings in an asset's metadata. Raises LakehouseError with every mistake in them."""
    mistakes = [f"{name} is none of its settings; write {known}" for name, known in _MISSPELT.items() if name in metadata]
    try:
        found = AssetWrites.model_validate({name: getattr(value, "value", value) for name, value in metadata.items()})
    except ValidationError as error:
        mistakes += [f"{'.'.join(str(part) for part in each['loc']) or 'metadata'}: {each['msg']}" for each in error.errors()]
        raise LakehouseError(f"the metadata of {asset}: {'; '.join(mistakes)}") from error
    if mistakes:
        raise LakehouseError(f"the metadata of {asset}: {'; '.join(mistakes)}")
    return found

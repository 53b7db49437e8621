"""How a table is kept in shape: its policy, as `maintenance` in a defs.yaml says it. Not here: keeping it so (medallion/upkeep.py)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from lakehouse_platform.delta.upkeep import LOG_RETENTION_HOURS
from lakehouse_platform.delta.vacuum import LEAST_RETENTION_HOURS
from lakehouse_platform.writes.optimize import SMALL_SHARE, TARGET_FILE_BYTES

# A century: for ever, and still a time that can be counted back from now.
MOST_HOURS = 876_000.0
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def _bytes(value: Any) -> Any:
    """A size as `128MB`, or a number of bytes."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f"{value!r} is no size: write it as 128MB, 1GB or 64MiB")
    return round(float(match[1]) * _UNITS[match[2].lower()])


class Maintenance(BaseModel):
    """When files are packed, and how long what was replaced stays readable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target_file_size: Annotated[int, BeforeValidator(_bytes), Field(ge=1_000_000)] = Field(
        default=TARGET_FILE_BYTES, description="How large files become when small ones are packed: bytes, or 128MB, 1GB"
    )
    small_files: int = Field(default=32, gt=1, description="So many files that could be packed make maintenance due")
    commits: int = Field(default=100, gt=0, description="So many commits since the last maintenance make it due")
    retention_hours: float = Field(
        default=LEAST_RETENTION_HOURS,
        ge=0,
        le=MOST_HOURS,
        description="How long a version stays readable after it was replaced; less than 168 needs a reason",
    )
    retention_reason: str | None = Field(default=None, min_length=1, description="Why less than 168 hours are enough")
    keep_versions: int = Field(
        default=0, ge=0, description="So many of the latest versions stay readable, however old, those that maintenance made aside"
    )
    log_retention_hours: float = Field(
        default=LOG_RETENTION_HOURS,
        ge=LEAST_RETENTION_HOURS,
        le=MOST_HOURS,
        description="How long commits stay in the log, and with them what they say",
    )

    @property
    def small_file_bytes(self) -> int:
        """Files below it are packed with others."""
        return round(self.target_file_size * SMALL_SHARE)

    @model_validator(mode="after")
    def _with_reason(self) -> Self:
        if self.retention_hours < LEAST_RETENTION_HOURS and self.retention_reason is None:
            raise ValueError(f"retention_hours {self.retention_hours:g} is less than {LEAST_RETENTION_HOURS:g}: add retention_reason, or keep more")
        if self.log_retention_hours < self.retention_hours:
            raise ValueError(f"log_retention_hours {self.log_retention_hours:g} is less than retention_hours: no version opens without its commits")
        return self


def _form(value: Any) -> str | None:
    # YAML reads a bare `off` as false.
    return "policy" if isinstance(value, dict | Maintenance) else "off" if value is False or value == "off" else None


MaintenanceForms = Annotated[
    Annotated[Literal["off", False], Tag("off")] | Annotated[Maintenance, Tag("policy")],
    Discriminator(
        _form,
        custom_error_type="maintenance",
        custom_error_message="Input should be off or such as {target_file_size: 128MB, small_files: 32, retention_hours: 168}",
    ),
]
DESCRIPTION = "When small files are packed and how long old versions stay readable; off, or what is to be other than usual"


def policy_in(form: Maintenance | str | bool) -> Maintenance | None:  # noqa: FBT001 -- YAML's off
    """The policy that an attribute says; None for off."""
    return form if isinstance(form, Maintenance) else None

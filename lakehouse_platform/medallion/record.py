"""What each commit of a step says of itself, kept in the commit's own metadata: Dagster's events, the books and the CLI are derived from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.gate import Verdict

METADATA_KEY = "lakehouse"


class Ruling(BaseModel):
    """How a person settled the blocked batch `batch_id`: its valid rows are taken, or none; and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    batch_id: str
    state: Literal["released", "rejected"]
    reason: str

    @property
    def committed_id(self) -> str:
        """The id under which the batch is committed. Not the held one's: two rulings at once must not share their rows in quarantine."""
        return hashlib.sha256(f"{self.batch_id}\0{self.state}".encode()).hexdigest()[:32]


class CommitRecord(BaseModel):
    """One step's commit. `inputs` maps an input to the versions (from, to) that it consumed, from being -1 at the start.

    `partitions` maps each touched partition key to its rows after the commit (0: emptied); `rules` counts failing rows by rule id;
    `pass_rate` is of the rows that were read, also where the accounts are a rebuild's differences; `rebuilt` says why an increment was not possible,
    `restored_version` which version a restore went back to;
    `has_older_code`: among the table's rows are still some that another code version made;
    `gate` is the verdict on the batch, None where it was not judged, and `ruling` a person's where it was blocked.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    table: str
    step: Literal["ingest", "increment", "backfill", "rebuild", "replay", "restore"]
    run_id: str
    batch_id: str
    code_version: str = ""
    has_older_code: bool = False
    inputs: Mapping[str, tuple[int, int]] = Field(default_factory=dict)
    accounts: Accounts | None = None
    pass_rate: float | None = None
    partitions: Mapping[str, int] = Field(default_factory=dict)
    rows: int = 0
    rules: Mapping[str, int] = Field(default_factory=dict)
    rebuilt: str | None = None
    restored_version: int | None = None
    gate: Verdict | None = None
    ruling: Ruling | None = None
    notes: Mapping[str, Any] = Field(default_factory=dict)

    def as_metadata(self) -> dict[str, Any]:
        """The commit metadata that holds this record."""
        return {METADATA_KEY: self.model_dump(mode="json", exclude_none=True)}


def record_of(metadata: Mapping[str, Any]) -> CommitRecord | None:
    """The record in a commit's metadata; None for commits of others (an optimise, another tool)."""
    found = metadata.get(METADATA_KEY)
    return CommitRecord.model_validate(found) if found is not None else None

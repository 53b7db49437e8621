"""When a snapshot holds, by a name in its file's path. Not here: what follows from snapshots (medallion/silver_snapshots.py)."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

# Apart in every part that a time can have, so that a format that leaves out the year, the month or the day shows.
_SAMPLE = datetime(2023, 11, 28, 17, 43, 56, tzinfo=UTC)


class SnapshotTime(BaseModel):
    """Where the time of a snapshot stands in its path, and how it is written there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="The {name} in files.path that says when the snapshot was taken")
    format: str = Field(default="%Y-%m-%d", description="How it is written, in strftime codes; without a zone (%z) it is UTC")

    def moment(self, text: str) -> datetime:
        """The instant that a text says. Raises ValueError for a text in another form."""
        found = datetime.strptime(text, self.format)  # noqa: DTZ007 -- without a zone it is UTC, set below
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

    @property
    def tells_a_day(self) -> bool:
        """Whether the format is one, and says at least the day."""
        try:
            return self.moment(_SAMPLE.strftime(self.format)).date() == _SAMPLE.date()
        except ValueError:
            return False

"""What a step gives back."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse_platform.medallion.record import CommitRecord


@dataclass(frozen=True)
class StepResult:
    """`version` is the table's version after the step, None where the table does not exist yet.

    `record` is what the step committed, None when there was nothing new; `files_read` and `rows_read` bound the work that was done.
    `passed_over` says why an increment left the table as it was, though there may be something new.
    """

    table: str
    version: int | None
    record: CommitRecord | None = None
    files_read: int = 0
    rows_read: int = 0
    passed_over: str | None = None

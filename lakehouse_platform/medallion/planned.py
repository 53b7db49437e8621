"""A commit that has been prepared, its files written but part of no table yet: commit it, or show what it would do and discard it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.target import partition_rows
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import stored_fields, unbounded_columns


@dataclass(frozen=True)
class Planned:
    """What a commit on `target` adds and removes, the cursors that it moves and what it says; `read` are the input files that were read for it.

    `is_anew` where every row of the table was made by the present contract: then its columns become the contract's. `within`: the partitions that are
    replaced, and no other may be touched.
    """

    table: Table
    target: Snapshot
    record: CommitRecord
    added: tuple[WrittenFile, ...] = ()
    removed: tuple[DataFile, ...] = ()
    transactions: Mapping[str, int] = field(default_factory=dict)
    read: tuple[DataFile, ...] = ()
    is_anew: bool = False
    within: Collection[Mapping[str, str | None]] | None = None

    @property
    def rows(self) -> int:
        """Rows of the table after the commit."""
        return self.target.rows - sum(file.rows or 0 for file in self.removed) + sum(file.rows for file in self.added)

    @property
    def partitions(self) -> dict[str, int]:
        """Rows after the commit of each partition that it touches."""
        return partition_rows(self.table, self.target, self.added, self.removed)

    def filled(self, **further: Any) -> Planned:
        """The plan whose record says what the commit does to the table's rows and partitions, and further fields of the record."""
        update = {"partitions": self.partitions, "rows": self.rows, **further}
        return replace(self, record=self.record.model_copy(update=update))


def commit_planned(planned: Planned) -> StepResult:
    """Make the plan the table's next version. Raises CommitConflict."""
    version = commit(
        planned.target,
        added=planned.added,
        removed=planned.removed,
        transactions=planned.transactions,
        metadata=planned.record.as_metadata(),
        unbounded=unbounded_columns(planned.table),
        columns=stored_fields(planned.table) if planned.is_anew else None,
        within=planned.within,
    )
    return _result(planned, version)


def discard(planned: Planned) -> StepResult:
    """Delete the files that the plan wrote, and give what it would have committed."""
    storage.delete(joined(planned.target.location, file.path) for file in planned.added)
    return _result(planned, planned.target.version)


def _result(planned: Planned, version: int) -> StepResult:
    files: Sequence[DataFile] = list({file.uri: file for file in planned.read}.values())
    rows_read = sum(file.rows or 0 for file in files)
    return StepResult(planned.table.name, version, planned.record, files_read=len(files), rows_read=rows_read)

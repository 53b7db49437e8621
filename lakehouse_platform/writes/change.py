"""What a write is asked for and what it did: options, the planned change of one version, the outcome. Not here: planning and committing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from lakehouse_platform.delta.files import DataFile, Field, WrittenFile


class Options(TypedDict, total=False):
    """What every write takes beside its rows; all of it may be left out.

    `columns`: names and types of the rows, in order; by default those of the query. A row's column that the table has and the rows lack is null.
    `partition_by`, `configuration`: of a table that is made; where there is one, other partition columns are an error.
    `transaction`: application id and version; a version that the table knows already, or a later one, makes the write one that was done before.
    `evolve`: columns that the table lacks are added to it, at its end (overwrite: the rows' columns become the table's).
    `metadata`: what the commit says of itself. `unbounded`: columns without minimum and maximum in the log. `tries`: commits that may lose a race.
    """

    columns: Sequence[Field]
    partition_by: Sequence[str]
    configuration: Mapping[str, str]
    transaction: tuple[str, int] | None
    evolve: bool
    metadata: Mapping[str, Any]
    unbounded: Collection[str]
    tries: int


@dataclass(frozen=True)
class Written:
    """The outcome of a write: the version that holds it, and what it added and took away.

    An updated row counts as one added and one removed, a row that only moved to another file as neither. `was_known`: its transaction was
    committed before, and nothing was written now.
    """

    version: int
    rows_added: int = 0
    rows_removed: int = 0
    files_added: int = 0
    files_removed: int = 0
    was_known: bool = False


@dataclass(frozen=True)
class Change:
    """What a commit would do to the snapshot that it was derived from.

    `columns`: the table's from this commit on, where they become others. `within`: the partitions that it
    replaces as a whole, and must keep to.
    """

    added: Sequence[WrittenFile] = field(default=())
    removed: Sequence[DataFile] = field(default=())
    rows_added: int = 0
    rows_removed: int = 0
    columns: Sequence[Field] | None = None
    within: Collection[Mapping[str, str | None]] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not self.added and not self.removed and self.columns is None

"""The partitions that a command names, and the mistakes in naming them. Not here: which partitions these are, and running them (orchestration)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from lakehouse_platform.cli.output import tell

if TYPE_CHECKING:
    from lakehouse_platform.medallion.lakehouse import Lakehouse
    from lakehouse_platform.orchestration.runs import Run, Runner


@dataclass(frozen=True)
class Named:
    """Partitions as they were typed; without any, all of a table is meant."""

    keys: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    missing: bool = False
    failed: bool = False

    def __post_init__(self) -> None:
        """Raises BadParameter for what does not go together, and for a text that names neither a day nor an hour."""
        from lakehouse_platform.tables.periods import named_moments

        if self.keys and (self.first or self.last):
            raise typer.BadParameter("give either --partition or --from and --to")
        if self.missing and self.failed:
            raise typer.BadParameter("give either --missing or --failed: what failed without ever having been there is both")
        for text in (*self.keys, self.first, self.last):
            try:
                named_moments(text or "0001-01-01")
            except ValueError:
                message = f"{text} names no partition: give a day of it, YYYY-MM-DD, or an hour, YYYY-MM-DD-HH:00"
                raise typer.BadParameter(message) from None
        if self.first and self.last and named_moments(self.first)[0] > named_moments(self.last)[1]:
            raise typer.BadParameter(f"--from {self.first} is after --to {self.last}")

    @property
    def is_some(self) -> bool:
        """Whether partitions were named."""
        return bool(self.keys or self.first or self.last or self.missing or self.failed)


def recompute(runner: Runner, lakehouse: Lakehouse, names: list[str], named: Named) -> list[Run]:
    """Recompute the partitions of these tables. Raises BadParameter for a table that has none."""
    from lakehouse_platform.orchestration.backfills import Only

    if any(name in lakehouse.project.sources for name in names):
        raise typer.BadParameter("a source has no partitions to recompute: its files are read once")
    if whole := [name for name in names if lakehouse.project.tables[name].partition_column is None]:
        raise typer.BadParameter(f"{', '.join(whole)} has no partitions: leave it out, or name none")
    only = Only.MISSING if named.missing else Only.FAILED if named.failed else None
    runs = runner.partitions(names, named.keys or None, named.first, named.last, only)
    if not runs:
        tell("No partition is missing" if named.missing else "No partition's last attempt failed")
    return runs

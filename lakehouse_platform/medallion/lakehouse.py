"""What every step is handed: settings, the project's tables and where each lives. Not here: any step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import Project


@dataclass(frozen=True)
class Lakehouse:
    """A project's tables at a place."""

    settings: Settings
    project: Project

    def location(self, table: str) -> str:
        """Where a table's files and log are: `<root>/<layer>/<table>`; each layer may have a root of its own."""
        return f"{self.settings.root_of(table)}/{table}"

    def snapshot(self, table: str, version: int | None = None) -> Snapshot | None:
        """The table as it is now, or as of a version; None while it has not been created."""
        return open_snapshot(self.location(table), version)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A DuckDB session with the settings' memory and threads, closed at the end."""
        with open_session(self.settings) as session:
            compressions = {name: source.attributes.compression for name, source in self.project.sources.items()}
            compressions |= {name: table.attributes.compression for name, table in self.project.tables.items()}
            for name, compression in compressions.items():
                session.compress(self.location(name), compression)
            yield session

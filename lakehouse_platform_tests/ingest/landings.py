"""A lakehouse with one source over a landing folder, and what its bronze table and its decoded records hold."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.ingest.decode import decoded
from lakehouse_platform.ingest.source import Source, SourceAttributes
from lakehouse_platform.medallion import bronze
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.documents import Document
from lakehouse_platform.tables.project import Project
from lakehouse_platform.tables.sources import build_source

NAME = "bronze/records"


@dataclass(frozen=True)
class Landing:
    """One source, its landing folder and its bronze table."""

    lakehouse: Lakehouse
    source: Source

    def put(self, name: str, content: bytes, *, is_settled: bool = True) -> Path:
        """Land a file; a settled one was last written a minute ago."""
        path = self.lakehouse.settings.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if is_settled:
            settle(path)
        return path

    def ingest(self, **options: Any) -> StepResult:
        """Take what is new."""
        return bronze.ingest(self.lakehouse, NAME, run_id="run", **options)

    def rows(self, columns: str = "raw_data") -> list[tuple[Any, ...]]:
        """Columns of the bronze table, by source file and row."""
        snapshot = self.lakehouse.snapshot(NAME)
        if snapshot is None:
            return []
        with self.lakehouse.session() as session:
            return session.rows(f"SELECT {columns} FROM ({snapshot_scan(snapshot)}) ORDER BY source_file, source_row")

    def records(self) -> list[Any]:
        """The raw records as text, or as bytes where they are no text."""
        return [text if text is not None else content for text, content in self.rows("raw_data, raw_bytes")]

    def decoded(self, fields: Sequence[str], outputs: str = "", decimals: Mapping[str, ColumnType] | None = None) -> list[tuple[Any, ...]]:
        """These fields (or other outputs over them) and the failure of each record, in order."""
        snapshot = self.lakehouse.snapshot(NAME)
        assert snapshot is not None
        with self.lakehouse.session() as session:
            session.view("bronze_rows", snapshot_scan(snapshot))
            sql = decoded(self.source, "bronze_rows", fields, decimals or {})
            chosen = outputs or ", ".join([*(f'"{field}"' for field in fields), "_decode_failure"])
            return session.rows(f"SELECT {chosen} FROM ({sql}) ORDER BY source_file, source_row")


def landing(home: Path, path: str, file_format: str, *, settle_seconds: float = 5, changes: str | None = None, **files: str) -> Landing:
    """A lakehouse with one source."""
    attributes = SourceAttributes.model_validate({"table": NAME, "files": {"path": path, "format": file_format, **files}, "changes": changes})
    source = build_source(Document(home / "defs" / "records" / "defs.yaml", 0, NAME, attributes), attributes)
    settings = Settings(home=home, settle_seconds=settle_seconds, threads=1)
    return Landing(Lakehouse(settings, Project(home, {NAME: source}, {})), source)


def settle(path: Path, seconds: float = 60) -> None:
    """Make a file as old as that."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))

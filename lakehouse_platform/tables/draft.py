"""A table's folder as read, before its inputs are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lakehouse_platform.contracts.model import Contract
from lakehouse_platform.engine.query import Query
from lakehouse_platform.tables.attributes import TableAttributes


@dataclass(frozen=True)
class Draft:
    """The three documents of a folder; `line` is where the attributes begin in defs.yaml."""

    folder: Path
    line: int
    attributes: TableAttributes
    contract: Contract
    query: Query

    @property
    def sql_path(self) -> Path:
        """The folder's transform.sql."""
        return self.folder / "transform.sql"

    @property
    def defs_path(self) -> Path:
        """The folder's defs.yaml."""
        return self.folder / "defs.yaml"

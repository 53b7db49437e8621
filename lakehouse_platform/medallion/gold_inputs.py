"""What a gold table's refresh stands on: its inputs with what changed in them, and its grain. Not here: what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.medallion.changes import InputChange, increment_of
from lakehouse_platform.medallion.grain import Grain, grain_of
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import contract_fields


@dataclass(frozen=True)
class GoldInputs:
    """The inputs of one attempt. `schemas` are the columns that the query sees: those of the inputs' contracts.

    `grain` is None where all of the table is recomputed at once.
    """

    session: Session
    table: Table
    schemas: Mapping[str, Mapping[str, ColumnType]]
    changes: Mapping[str, InputChange]
    grain: Grain | None

    @property
    def driving(self) -> Snapshot | None:
        """The driving input as it is now; None where there is none yet, or the query has none."""
        return self.changes[self.table.driving].upstream if self.table.driving is not None else None


def open_inputs(lakehouse: Lakehouse, session: Session, table: Table, target: Snapshot) -> GoldInputs:
    """A table's inputs as they are now."""
    schemas = {name: {field.name: field.type for field in contract_fields(lakehouse.project.tables[name])} for name in table.inputs}
    changes = {name: increment_of(lakehouse, target, name) for name in table.inputs}
    return GoldInputs(session, table, schemas, changes, grain_of(table, schemas))

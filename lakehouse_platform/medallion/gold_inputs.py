"""What a gold table's refresh stands on: its inputs with what changed in them, and its grain. Not here: what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.lineage import columns_read, times_read
from lakehouse_platform.medallion.changes import InputChange, increment_of
from lakehouse_platform.medallion.grain import Grain, grain_of
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import contract_fields


@dataclass(frozen=True)
class GoldInputs:
    """The inputs of one attempt. `schemas` are the columns that the query sees: those of the inputs' contracts.

    `grain` is None where all of the table is recomputed at once. `time_columns` are the partitioned columns of the inputs that have one.
    """

    session: Session
    table: Table
    schemas: Mapping[str, Mapping[str, ColumnType]]
    changes: Mapping[str, InputChange]
    grain: Grain | None
    time_columns: Mapping[str, str]

    @property
    def reads_driving_once(self) -> bool:
        """Whether a row of the query follows from one row of the driving input, and from no other of its rows."""
        return self.table.driving is not None and times_read(self.table.query.tree, self.table.driving) == 1

    def names_read(self, name: str) -> frozenset[str]:
        """Columns of an input that the query may read."""
        return columns_read(self.table.query, name, self.schemas)

    @property
    def driving(self) -> Snapshot | None:
        """The driving input as it is now; None where there is none yet, or the query has none."""
        return self.changes[self.table.driving].upstream if self.table.driving is not None else None


def open_inputs(lakehouse: Lakehouse, session: Session, table: Table, target: Snapshot) -> GoldInputs:
    """A table's inputs as they are now."""
    schemas = {name: {field.name: field.type for field in contract_fields(lakehouse.project.tables[name])} for name in table.inputs}
    changes = {name: increment_of(lakehouse, target, name) for name in table.inputs}
    partitioned = {name: lakehouse.project.tables[name].partitioned for name in table.inputs}
    time_columns = {name: part.column for name, part in partitioned.items() if part is not None}
    return GoldInputs(session, table, schemas, changes, grain_of(table, schemas), time_columns)

"""A table as the rest of the platform knows it: folder, attributes, contract and query in one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse_platform.contracts.model import Contract
from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.query import Query
from lakehouse_platform.engine.time_windows import Partitioned, TimeWindow
from lakehouse_platform.tables.attributes import Refresh, TableAttributes

# (table, column) that a column is computed from.
ColumnSource = tuple[str, str]


@dataclass(frozen=True)
class Table:
    """A silver or gold table, checked at load.

    `inputs` are the tables that the query names, the driving one first: the one whose changed rows decide what is recomputed.
    `fields` are the source fields (all strings) that a query over bronze decodes. `output_types` are the types the query gives.
    `windows` tell for each input whose partitions lead to the table's own which of them a partition is made from.
    """

    attributes: TableAttributes
    folder: Path
    contract: Contract
    query: Query
    inputs: tuple[str, ...]
    fields: tuple[str, ...] = ()
    output_types: Mapping[str, ColumnType] = field(default_factory=dict)
    lineage: Mapping[str, tuple[ColumnSource, ...]] = field(default_factory=dict)
    code_version: str = ""
    windows: Mapping[str, TimeWindow] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Layer and name, such as silver/order_lines."""
        return self.attributes.table

    @property
    def layer(self) -> str:
        """Silver or gold."""
        return self.name.split("/")[0]

    @property
    def entity(self) -> str:
        """The table's name without its layer, `dim_product` as `product`."""
        return self.name.split("/")[1].removeprefix("dim_")

    @property
    def driving(self) -> str | None:
        """The input whose changes decide what is recomputed; None for a table without inputs."""
        return self.inputs[0] if self.inputs else None

    @property
    def refresh(self) -> Refresh:
        """How new input becomes the table's new state."""
        return self.attributes.refresh

    @property
    def partitioned(self) -> Partitioned | None:
        """The contract's partitioned column and its grain; None where the table has no partitions."""
        partitions, column = self.attributes.partitions, self.contract.partition_column
        if partitions is None or column is None:
            return None
        return Partitioned(column, partitions.grain, self.contract.column(column).type.name == "date")

    @property
    def partition_column(self) -> str | None:
        """The Delta partition column: the contract's own where it is a date by day, else `<column>_<grain>`, which the platform fills."""
        partitions, column = self.attributes.partitions, self.contract.partition_column
        if partitions is None or column is None:
            return None
        is_daily_date = partitions.grain == "day" and self.contract.column(column).type.name == "date"
        return column if is_daily_date else f"{column}_{partitions.grain}"

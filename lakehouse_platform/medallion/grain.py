"""What a gold table recomputes as one, a partition or a key, told from single rows of its driving input. Not here: which of them a change affects."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from lakehouse_platform.contracts.types import DATE, TIMESTAMP
from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.delta.prune import files_that_may_hold
from lakehouse_platform.engine.lineage import cut_column, driving_expression
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.engine.transpile import Schemas, expression_term
from lakehouse_platform.engine.typing import typed
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table


@dataclass(frozen=True)
class Grain:
    """The target's columns that name what is recomputed as one, and for each the DuckDB expression over the driving input's columns.

    `cut_from` gives the driving column that such a column is, or is cut from to a day or month: files can be left out by it.
    """

    names: tuple[str, ...]
    expressions: tuple[str, ...]
    cut_from: tuple[str | None, ...]

    @property
    def outputs(self) -> str:
        """The expressions under their names, as a list of SELECT."""
        return ", ".join(f"{expression} AS {quote(name)}" for name, expression in zip(self.names, self.expressions, strict=True))


def grain_of(table: Table, schemas: Schemas) -> Grain | None:
    """A table's grain; None where all of it is recomputed at once, or where the driving input is read in more than one place."""
    if table.driving is None or table.refresh not in (Refresh.REPLACE_PARTITIONS, Refresh.REPLACE_KEYS):
        return None
    by_partition = table.refresh is Refresh.REPLACE_PARTITIONS
    outputs = (table.contract.partition_column,) if by_partition else table.contract.key
    names, expressions, cut_from = [], [], []
    for output in outputs:
        text = driving_expression(table.query, output or "", schemas)
        if text is None or output is None:
            return None
        column = table.contract.column(output)
        term = expression_term(text, schemas[table.driving])
        value = typed(term.sql, term.type, column)
        names.append(table.partition_column or output if by_partition else output)
        expressions.append(partition_of(table, value) if by_partition else value)
        cut = cut_column(text)
        is_time = cut is not None and schemas[table.driving][cut] in (DATE, TIMESTAMP)
        cut_from.append(cut if is_time or cut == text.strip("`") else None)
    return Grain(tuple(names), tuple(expressions), tuple(cut_from))


def partition_of(table: Table, value: str) -> str:
    """DuckDB expression of the Delta partition that a value of the contract's partitioned column lies in."""
    assert table.attributes.partitions is not None
    if table.partition_column == table.contract.partition_column:
        return value
    return f"CAST(date_trunc('{table.attributes.partitions.grain}', {value}) AS DATE)"


def files_of_partitions(driving: Snapshot, column: str, partitions: Collection[date], grain: str) -> tuple[DataFile, ...]:
    """The driving input's files that may hold a row of one of these partitions, which are cut from one of its columns."""
    bound = _days if next(field.type for field in driving.columns if field.name == column) == DATE else _instants
    bounds = [{column: bound(partition, grain)} for partition in partitions]
    wanted = {file.path for each in bounds for file in files_that_may_hold(driving.files, each, driving.columns)}
    return tuple(file for file in driving.files if file.path in wanted)


def _days(partition: date, grain: str) -> tuple[date, date]:
    """First and last day of a partition."""
    after = partition + timedelta(days=1) if grain == "day" else (partition.replace(day=1) + timedelta(days=32)).replace(day=1)
    return partition, after - timedelta(days=1)


def _instants(partition: date, grain: str) -> tuple[datetime, datetime]:
    first, last = _days(partition, grain)
    return datetime.combine(first, time.min, UTC), datetime.combine(last, time.max, UTC)

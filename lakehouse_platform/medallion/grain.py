"""What a gold table recomputes as one, a partition or a key, told from single rows of its driving input. Not here: which of them a change affects."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lakehouse_platform.contracts.types import DATE, TIMESTAMP
from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.delta.prune import files_within
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.lineage import cut_column, driving_expression, looks_beyond
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.engine.transpile import Schemas, expression_term
from lakehouse_platform.engine.typing import typed
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.periods import Unit, last_of, partition_sql, start_at
from lakehouse_platform.writes.keyed import files_with_keys


@dataclass(frozen=True)
class Grain:
    """The target's columns that name what is recomputed as one, and for each the DuckDB expression over the driving input's columns.

    `cut_from` gives the driving column that such a column is, or is cut from to a partition or finer: files can be left out by it.
    """

    names: tuple[str, ...]
    expressions: tuple[str, ...]
    cut_from: tuple[str | None, ...]

    @property
    def outputs(self) -> str:
        """The expressions under their names, as a list of SELECT."""
        return ", ".join(f"{expression} AS {quote(name)}" for name, expression in zip(self.names, self.expressions, strict=True))


def grain_of(table: Table, schemas: Schemas) -> Grain | None:
    """A table's grain; None where all of it is recomputed at once, or where a row of the driving input does not tell it."""
    if table.refresh is Refresh.REPLACE_KEYS:
        return key_grain(table, table.contract.key, schemas)
    if table.refresh is not Refresh.REPLACE_PARTITIONS or table.partition_column is None or table.contract.partition_column is None:
        return None
    found = key_grain(table, (table.contract.partition_column,), schemas)
    return found and Grain((table.partition_column,), (partition_of(table, found.expressions[0]),), found.cut_from)


def key_grain(table: Table, outputs: Sequence[str], schemas: Schemas) -> Grain | None:
    """The grain of some of a table's columns; None where a row of the driving input does not tell them, or rows of others have a say."""
    driving = table.driving
    if looks_beyond(table.query, outputs):
        return None
    expressions, cut_from = [], []
    for output in outputs:
        text = driving_expression(table.query, output, schemas)
        if text is None or driving is None:
            return None
        term, column = expression_term(text, schemas[driving]), table.contract.column(output)
        cut = cut_column(text, table.attributes.partitions.grain if table.attributes.partitions else "day")
        is_time, is_bare = cut is not None and schemas[driving][cut] in (DATE, TIMESTAMP), cut == text.strip("`")
        # A stored value of the column's type is as it should be.
        expressions.append(term.sql if is_bare and term.type == column.type else typed(term.sql, term.type, column))
        cut_from.append(cut if is_time or is_bare else None)
    return Grain(tuple(outputs), tuple(expressions), tuple(cut_from))


def partition_of(table: Table, value: str) -> str:
    """DuckDB expression of the Delta partition that a value of the contract's partitioned column lies in."""
    assert table.attributes.partitions is not None
    if table.partition_column == table.contract.partition_column:
        return value
    return partition_sql(table.attributes.partitions.grain, value)


def files_of_partitions(driving: Snapshot, column: str, keys: Collection[str], unit: Unit) -> tuple[DataFile, ...]:
    """The driving input's files that may hold a row of one of these partitions, which are cut from one of its columns."""
    periods = [(start, last_of(start, unit)) for start in sorted(start_at(key, unit) for key in keys)]
    if next(field.type for field in driving.columns if field.name == column) == DATE:
        return files_within(driving.files, column, [(first.date(), last.date()) for first, last in periods], driving.columns)
    return files_within(driving.files, column, periods, driving.columns)


def files_of_keys(session: Session, grain: Grain, driving: Snapshot) -> tuple[DataFile, ...]:
    """The driving input's files that may hold a row of one of the keys in table `affected`."""
    bare = {column: name for name, column in zip(grain.names, grain.cut_from, strict=True) if column and quote(column) in grain.expressions}
    if not bare:
        return driving.files
    keys = ", ".join(f"{quote(name)} AS {quote(column)}" for column, name in bare.items())
    return files_with_keys(session, driving, list(bare), f"(SELECT {keys} FROM affected)")


def affected_rows(grain: Grain, columns: Collection[str], rows: str) -> str:
    """SQL of the rows of the driving input, in these columns, that what stands in table `affected` is made from."""
    # The expressions get names of their own: those of the target may also be columns of the input.
    cut = ", ".join(f"{expression} AS _affected_{position}" for position, expression in enumerate(grain.expressions))
    condition = " AND ".join(f"driving._affected_{position} IS NOT DISTINCT FROM affected.{quote(name)}" for position, name in enumerate(grain.names))
    names = ", ".join(quote(name) for name in columns)
    return f"SELECT {names} FROM (SELECT *, {cut} FROM ({rows})) AS driving SEMI JOIN affected ON {condition}"

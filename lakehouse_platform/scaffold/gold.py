"""A gold table proposed over another one: counts and sums by its partition and by what has few values. Not here: tables from samples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lakehouse_platform.contracts.model import Column, ConstraintKind
from lakehouse_platform.contracts.types import DATE, ColumnType
from lakehouse_platform.engine.query import parse_query
from lakehouse_platform.engine.transpile import output_types
from lakehouse_platform.scaffold import documents
from lakehouse_platform.scaffold.documents import Entry
from lakehouse_platform.scaffold.naming import spelled
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import SILVER_FILLED

_NAMES_THINGS = re.compile(r"(^|_)(id|key|no|nr|number|code|year|month|day|hour|lat|lon|latitude|longitude)$")


def gold_documents(source: Table, table: str) -> Mapping[str, str]:
    """The documents of an aggregate of a table: one row for each partition and each value of a column with few."""
    partition = source.contract.partition_column
    groups: dict[str, str] = {}
    entries: list[Entry] = []
    if partition is not None:
        column = source.contract.column(partition)
        name = "date" if column.type.name == "timestamp" else partition
        groups[name] = spelled(partition) if column.type == DATE else f"CAST({spelled(partition)} AS DATE)"
    chosen = _choice(source)
    if chosen is not None:
        groups[chosen.name] = spelled(chosen.name)
    outputs = {**groups, "row_count": "COUNT(*)", **{f"total_{column.name}": f"SUM({spelled(column.name)})" for column in _amounts(source)}}
    tail = ["GROUP BY " + ", ".join(groups.values())] if groups else []
    text = documents.query(outputs, source.name, [f"One row for each {', '.join(groups) or 'table'}: take out and add what the table is for"], tail)
    types = _types(source, text)
    for position, name in enumerate(outputs, start=1):
        is_group = name in groups
        key_position = position if is_group else None
        entries.append(Entry(name, types[name], is_group or name == "row_count", key_position, partition is not None and position == 1))
    remark = f"Proposed over {source.name}: the primaryKey is what transform.sql groups by"
    return {
        "defs.yaml": _defs(source, table),
        "contract.yaml": documents.contract(table, entries, [remark]),
        "transform.sql": text,
    }


def _types(source: Table, text: str) -> Mapping[str, ColumnType]:
    columns = {column.name: column.type for column in source.contract.columns}
    return output_types(parse_query(text, Path("transform.sql")), {source.name: columns})


def _defs(source: Table, table: str) -> str:
    values: dict[str, object] = {"table": table, "refresh": "replace"}
    notes = {"refresh": "the whole table anew when its input changed"}
    partitions = source.attributes.partitions
    if partitions is not None and source.contract.partition_column is not None:
        grain = "day" if partitions.grain == "hour" else partitions.grain
        values |= {"refresh": "replace_partitions", "partitions": {"grain": grain, "start": partitions.start}}
        notes["refresh"] = "recomputes the partitions that new input touches"
    return documents.defs("Table", values, [f"Proposed over {source.name}"], notes)


def _choice(source: Table) -> Column | None:
    """A required column that a rule holds to a list of values."""
    listed = {rule.column for rule in source.contract.row_rules for constraint in rule.constraints if constraint.kind is ConstraintKind.ONE_OF}
    able = (column for column in source.contract.columns if column.name in listed and column.required and column.key_position is None)
    return next(able, None)


def _amounts(source: Table) -> list[Column]:
    names = (*SILVER_FILLED, *(column.name for column in source.contract.columns if column.key_position is not None))
    return [
        column
        for column in source.contract.columns
        if column.type.name in ("int", "bigint", "decimal", "double") and column.name not in names and not _NAMES_THINGS.search(column.name)
    ]

"""The SQL that recomputes a gold table from its inputs, for everything or for what stands in table `affected`. Not here: committing it."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.engine.scan import scan, snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.engine.transpile import to_duckdb
from lakehouse_platform.medallion.changes import InputChange
from lakehouse_platform.medallion.checked import ruled_rows, typed_rows
from lakehouse_platform.medallion.gold_inputs import GoldInputs
from lakehouse_platform.medallion.grain import Grain, affected_rows, files_of_keys, files_of_partitions, partition_of
from lakehouse_platform.tables.attributes import Refresh


def driving_files(inputs: GoldInputs, *, restricted: bool) -> tuple[DataFile, ...]:
    """The driving input's files that a recompute must read: with `restricted`, those that may hold a row of what is affected."""
    driving, grain = inputs.driving, inputs.grain
    if driving is None or grain is None or not restricted or not inputs.reads_driving_once:
        return driving.files if driving is not None else ()
    nulls = " OR ".join(f"{quote(name)} IS NULL" for name in grain.names)
    if inputs.session.row(f"SELECT count(*) FROM affected WHERE {nulls}")[0]:
        return driving.files
    if inputs.table.refresh is Refresh.REPLACE_PARTITIONS:
        return _files_of_partitions(inputs, grain, driving)
    return files_of_keys(inputs.session, grain, driving)


def recomputed(inputs: GoldInputs, driving: Sequence[DataFile], *, restricted: bool) -> str:
    """SQL of the table's rows as stored, computed from the present inputs and held against the contract."""
    table, grain = inputs.table, inputs.grain
    is_narrowed = restricted and inputs.reads_driving_once
    relations = {}
    for position, (name, change) in enumerate(inputs.changes.items()):
        relations[name] = f"input_{position}"
        inputs.session.view(relations[name], _input_rows(inputs, change, driving, grain if is_narrowed else None))
    columns = table.contract.columns
    rows = typed_rows(table, columns, to_duckdb(table.query, relations, inputs.schemas))
    rows = ruled_rows(table, rows, [column.name for column in columns])
    partition, column = table.partition_column, table.contract.partition_column
    if partition is not None and column is not None and partition != column:
        rows = f"SELECT *, {partition_of(table, quote(column))} AS {quote(partition)} FROM ({rows})"
    if restricted and (grain is None or not is_narrowed) and partition is not None:
        return f"SELECT * FROM ({rows}) WHERE {quote(partition)} IN (SELECT {quote(partition)} FROM affected)"
    return rows


def _files_of_partitions(inputs: GoldInputs, grain: Grain, driving: Snapshot) -> tuple[DataFile, ...]:
    column, partitions = grain.cut_from[0], inputs.table.attributes.partitions
    if column is None or partitions is None:
        return driving.files
    affected = [str(key) for (key,) in inputs.session.rows(f"SELECT CAST({quote(grain.names[0])} AS VARCHAR) FROM affected")]
    return files_of_partitions(driving, column, affected, partitions.grain)


def _input_rows(inputs: GoldInputs, change: InputChange, driving: Sequence[DataFile], grain: Grain | None) -> str:
    schema = inputs.schemas[change.input]
    names = ", ".join(quote(name) for name in schema)
    if change.upstream is None:
        return scan([Field(name, kind) for name, kind in schema.items()], (), ())
    if change.input != inputs.table.driving:
        return f"SELECT {names} FROM ({snapshot_scan(change.upstream)})"
    rows = snapshot_scan(change.upstream, driving)
    return f"SELECT {names} FROM ({rows})" if grain is None else affected_rows(grain, schema, rows)

"""Which partitions or keys of a gold table its inputs' changes affect, left in the session's table `affected`. Not here: recomputing them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.files import Field
from lakehouse_platform.engine.lineage import LookupJoin, column_lineage, columns_read, lookup_joins
from lakehouse_platform.engine.query import parse_select
from lakehouse_platform.engine.scan import scan, snapshot_scan
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.engine.transpile import to_duckdb
from lakehouse_platform.medallion.changes import InputChange, came_rows, changed_rows, went_rows
from lakehouse_platform.medallion.gold_inputs import GoldInputs
from lakehouse_platform.medallion.grain import Grain
from lakehouse_platform.medallion.read_partitions import partitions_reading
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import stored_fields


def why_all(inputs: GoldInputs) -> str | None:
    """Why every partition or key must be recomputed; empty where the inputs are read for the first time, None where only some need be."""
    table, changes = inputs.table, inputs.changes
    for change in changes.values():
        if change.kind == "all":
            return change.reason or ""
    if inputs.grain is None:
        return f"what changed rows of {table.driving} affect cannot be told from its query"
    if not inputs.reads_driving_once and not _has_window(inputs, str(table.driving)):
        return f"the query reads {table.driving} in more than one place"
    for join in lookup_joins(table.query):
        is_told = _has_window(inputs, join.input) or (join.condition is not None and inputs.reads_driving_once)
        if changes[join.input].kind == "files" and not is_told:
            return f"{join.input} changed, and its join does not tell which rows of {table.driving} it affects"
    return None


def find_affected(inputs: GoldInputs, grain: Grain) -> dict[str, list[str]]:
    """Leave in table `affected` what the changes affect, and name what of it only a changed lookup does, by lookup."""
    session, table = inputs.session, inputs.table
    driving = inputs.changes[str(table.driving)]
    session.table("affected", _of_driving(inputs, grain, driving) if driving.kind == "files" else _nothing(table, grain))
    if driving.kind == "files" and not inputs.reads_driving_once:
        session.execute(f"INSERT INTO affected {partitions_reading(inputs, grain, driving.input)} EXCEPT SELECT * FROM affected")
    named: dict[str, list[str]] = {}
    for join in lookup_joins(table.query):
        if inputs.changes[join.input].kind != "files" or join.input == table.driving:
            continue
        if join.condition is None or not inputs.reads_driving_once:
            reading = partitions_reading(inputs, grain, join.input)
        else:
            _match_lookup(inputs, join)
            reading = f"SELECT DISTINCT {grain.outputs} FROM matched"
        session.table("affected_by_lookup", f"{reading} EXCEPT SELECT * FROM affected")
        session.execute("INSERT INTO affected SELECT * FROM affected_by_lookup")
        texts = " || ' ' || ".join(f"CAST({quote(name)} AS VARCHAR)" for name in grain.names)
        found = [str(text) for (text,) in session.rows(f"SELECT {texts} FROM affected_by_lookup ORDER BY ALL")]
        if found:
            named[join.input] = [*named.get(join.input, []), *found]
    return named


def _has_window(inputs: GoldInputs, name: str) -> bool:
    """Whether the query tells which partitions read given times of an input."""
    return inputs.table.refresh is Refresh.REPLACE_PARTITIONS and name in inputs.table.windows


def given_partitions(inputs: GoldInputs, partitions: Collection[str]) -> None:
    """Leave in table `affected` partitions that were named by their keys."""
    column = str(inputs.table.partition_column)
    kind = duckdb_type(_types(inputs.table)[column])
    keys = ", ".join(f"(CAST({literal(key)} AS {kind}))" for key in sorted(partitions))
    inputs.session.table("affected", f"SELECT * FROM (VALUES {keys}) AS given({quote(column)})")


def _nothing(table: Table, grain: Grain) -> str:
    types = _types(table)
    return scan([Field(name, types[name]) for name in grain.names], (), ())


def _types(table: Table) -> dict[str, ColumnType]:
    return {field.name: field.type for field in stored_fields(table)}


def _of_driving(inputs: GoldInputs, grain: Grain, change: InputChange) -> str:
    assert change.upstream is not None
    if grain.expressions == tuple(quote(name) for name in change.upstream.partition_columns):
        # Each of its partitions is one of ours: the log alone tells which.
        (column,) = change.upstream.partition_columns
        values = ", ".join(f"(CAST({literal(value)} AS DATE))" for value in {file.partition_values[column] for file in change.files})
        return f"SELECT * FROM (VALUES {values}) AS changed({quote(grain.names[0])})"
    return f"SELECT DISTINCT {grain.outputs} FROM ({changed_rows(change, columns_read(inputs.table.query, change.input, inputs.schemas))})"


def _match_lookup(inputs: GoldInputs, join: LookupJoin) -> None:
    """Leave in table `matched` the driving rows that match other values of a lookup than before, each as often as it does.

    Only what the query reads of the lookup counts: a version that is closed keeps the rows that it had, and they do not change.
    """
    session, table, schemas, change = inputs.session, inputs.table, inputs.schemas, inputs.changes[join.input]
    driving = inputs.driving
    assert driving is not None and table.driving is not None
    session.view("driving_rows", snapshot_scan(driving))
    on_driving, on_lookup = _columns_of(inputs, join)
    shown = [name for name in schemas[join.input] if name.lower() in join.columns or "*" in join.columns]
    read = {name: schemas[join.input][name] for name in {*shown, *on_lookup}}
    outputs = [f"`{join.driving_alias}`.`{name}` AS `{name}`" for name in sorted(on_driving | _columns_of_grain(inputs))]
    outputs += [f"`{join.alias}`.`{name}` AS `_lookup_{name}`" for name in shown]
    text = f"SELECT {', '.join(outputs)} {_joined(table.driving, join)}"
    sides = []
    for name, rows, weight in (("lookup_came", came_rows(change, read), 1), ("lookup_went", went_rows(change, read), -1)):
        session.table(name, rows)
        relations, columns = {table.driving: "driving_rows", join.input: name}, {table.driving: schemas[table.driving], join.input: read}
        sides.append(f"SELECT *, {weight} AS _weight FROM ({to_duckdb(parse_select(text, table.query.path), relations, columns)})")
    session.table("matched", f"SELECT * EXCLUDE (_weight) FROM ({' UNION ALL '.join(sides)}) GROUP BY ALL HAVING sum(_weight) <> 0")


def _joined(driving: str, join: LookupJoin) -> str:
    tables = [f"{name.replace('/', '.')} AS `{alias}`" for name, alias in ((driving, join.driving_alias), (join.input, join.alias))]
    return f"FROM {tables[0]} JOIN {tables[1]} ON {join.condition}"


def _columns_of(inputs: GoldInputs, join: LookupJoin) -> tuple[set[str], set[str]]:
    """Columns of the driving input and of the lookup in the join's condition."""
    driving = str(inputs.table.driving)
    query = parse_select(f"SELECT ({join.condition}) AS condition {_joined(driving, join)}", Path("join"))
    sources = column_lineage(query, {name: inputs.schemas[name] for name in (driving, join.input)})["condition"]
    return {name for owner, name in sources if owner == driving}, {name for owner, name in sources if owner == join.input}


def _columns_of_grain(inputs: GoldInputs) -> set[str]:
    table = inputs.table
    outputs = [str(table.contract.partition_column)] if table.refresh is Refresh.REPLACE_PARTITIONS else table.contract.key
    lineage = column_lineage(table.query, inputs.schemas)
    return {name for output in outputs for owner, name in lineage[output] if owner == table.driving}

"""What each way to refresh asks of a table's attributes and contract. Not here: checks of outputs and types (checks.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakehouse_platform.engine.lineage import driving_expression
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.problems import Problem
from lakehouse_platform.quality.reasons import BATCH_REJECTED, UNKNOWN_FIELDS
from lakehouse_platform.tables.attributes import AfterRows, Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.draft import Draft
from lakehouse_platform.tables.storage import unbounded_columns
from lakehouse_platform.writes.zorder import MOST_COLUMNS

_SILVER = (Refresh.APPEND, Refresh.UPSERT, Refresh.SCD1)
_GOLD = (Refresh.REPLACE, Refresh.REPLACE_PARTITIONS, Refresh.REPLACE_KEYS, Refresh.SCD1, Refresh.SCD2)


def refresh_problems(
    table: Table, draft: Draft, sources: Mapping[str, Source], tables: Mapping[str, Table], *, knows_inputs: bool = True
) -> list[Problem]:
    """Every mistake in how the table says that it refreshes; without known inputs, those that show without them."""
    found = [
        *_layer(table),
        *_key(table),
        *_partitions(table),
        *_columns(table),
        *_grain(table),
        *_unknown_fields(table),
        *_gate(table),
        *_clustering(table),
    ]
    if knows_inputs:
        found += [*_inputs(table, sources), *_dimension(table, tables)]
    return [Problem(draft.defs_path, draft.line, message, mend) for message, mend in found]


def _layer(table: Table) -> Iterator[tuple[str, str]]:
    allowed = _SILVER if table.layer == "silver" else _GOLD
    if table.refresh not in allowed:
        yield f"refresh: {table.refresh} is not for {table.layer}", f"use one of {', '.join(allowed)}"


def _inputs(table: Table, sources: Mapping[str, Source]) -> Iterator[tuple[str, str]]:
    from_bronze = [name for name in table.inputs if name in sources]
    if table.layer == "silver" and list(table.inputs[:1]) != from_bronze:
        yield "a silver table reads exactly one bronze table", "read one bronze table in FROM; it may look up silver and gold tables by LEFT JOIN"
    if table.layer == "gold" and from_bronze:
        yield f"a gold table cannot read {from_bronze[0]}: its records are not decoded", "read the silver table instead"
    changes = bool(from_bronze) and sources[from_bronze[0]].attributes.changes is not None
    if table.layer == "silver" and changes != (table.refresh is Refresh.SCD1):
        mend = "change events and snapshots are refreshed by scd1, other records by append or upsert"
        yield f"refresh: {table.refresh} does not fit its source", mend
    if "smallest_snapshot" in table.attributes.model_fields_set and not any(sources[name].attributes.has_snapshots for name in from_bronze):
        yield "smallest_snapshot is for a silver table over snapshots", "take it out, or say changes: snapshot of its source"


def _key(table: Table) -> Iterator[tuple[str, str]]:
    if table.refresh in (Refresh.UPSERT, Refresh.REPLACE_KEYS, Refresh.SCD1) and not table.contract.key:
        yield f"refresh: {table.refresh} needs a business key", "mark its columns primaryKey in the contract"


def _dimension(table: Table, tables: Mapping[str, Table]) -> Iterator[tuple[str, str]]:
    if table.refresh is Refresh.SCD2 and table.layer == "gold" and not table.inputs:
        yield "a dimension needs an input", "read the table whose rows or changes are its events"
    upstream = tables.get(table.inputs[0]) if table.inputs else None
    if table.refresh is not Refresh.SCD2 or upstream is None:
        return
    key = table.attributes.business_key
    if not key:
        yield "a dimension needs a business_key", "name the columns of the query that say whose versions these are"
        return
    if upstream.refresh is Refresh.SCD1:
        if set(key) != set(upstream.contract.key):
            yield (
                f"business_key is {', '.join(key)}, the change events of {upstream.name} are keyed by {', '.join(upstream.contract.key)}",
                "use that key",
            )
        return
    if upstream.layer != "silver":
        yield f"{upstream.name} has no events or rows in sequence", "read the silver table that holds them"
    if upstream.refresh is Refresh.UPSERT and set(upstream.contract.key) <= set(key):
        message = f"{upstream.name} keeps the latest row of each {', '.join(upstream.contract.key)}: each version but the last would be lost"
        yield message, "make it append, or read change events"
    yield from _sequence(table, upstream)


def _sequence(table: Table, upstream: Table) -> Iterator[tuple[str, str]]:
    """A row takes effect at the time in the first column of the sequence."""
    if not table.attributes.sequence_by:
        yield "a dimension over rows needs sequence_by", f"name the columns of {upstream.name} that order a key's rows, a date or a timestamp first"
    elif table.attributes.sequence_by[0] in {column.name for column in upstream.contract.columns}:
        first = upstream.contract.column(table.attributes.sequence_by[0])
        if first.type.name not in ("date", "timestamp"):
            yield f"sequence_by begins with {first.name}, a {first.type}", "begin with the date or timestamp at which a version takes effect"
        if not first.required:
            yield f"sequence_by begins with {first.name}, which may be null in {upstream.name}", "mark it required in that table's contract"


def _partitions(table: Table) -> Iterator[tuple[str, str]]:
    partitions, column = table.attributes.partitions, table.contract.partition_column
    if table.refresh is Refresh.REPLACE_PARTITIONS and partitions is None:
        yield "refresh: replace_partitions needs partitions", "add partitions: {grain: day, start: …}"
    if partitions is not None and column is None:
        yield "partitions need a column", "mark one column partitioned: true in the contract"
    if partitions is None and column is not None:
        yield f"the contract partitions by {column}", "add partitions: {grain: day, start: …}"
    if partitions is not None and column is not None:
        kind = table.contract.column(column).type.name
        if kind not in ("date", "timestamp"):
            yield f"{column} is neither a date nor a timestamp", "partition by a date or a timestamp"
        elif kind == "date" and partitions.grain == "hour":
            yield f"{column} is a date and has no hours", "partition by a timestamp, or by day"
        elif not table.contract.column(column).required:
            yield f"the partition column {column} may be null", "mark it required in the contract"
        if partitions.end is not None and partitions.end < partitions.start:
            yield "partitions end before they start", "correct start or end"
        if table.partition_column != column and table.partition_column in {each.name for each in table.contract.columns}:
            yield f"{table.partition_column} is the name of the Delta partition column", "give the contract's column another name"


def _columns(table: Table) -> Iterator[tuple[str, str]]:
    names = {column.name for column in table.contract.columns}
    attributes = table.attributes
    for attribute in ("sequence_by", "track", "cluster_by", "business_key"):
        for name in getattr(attributes, attribute):
            # A dimension is ordered by columns of its input, which need not be its own.
            if name not in names and not (attribute == "sequence_by" and table.refresh is Refresh.SCD2):
                yield f"{attribute} names {name}, which the contract does not have", f"use one of {', '.join(sorted(names))}"
    if (attributes.lateness_seconds is None) != (attributes.event_time is None):
        yield "lateness_seconds and event_time go together", "give both or neither"
    if attributes.event_time is not None and attributes.event_time not in names:
        yield f"event_time names {attributes.event_time}, which the contract does not have", f"use one of {', '.join(sorted(names))}"
    if isinstance(attributes.automation, AfterRows) and not table.inputs:
        yield "automation: after_rows needs an input whose rows it counts", 'give it times instead, such as {cron: "0 6 * * *"}, or leave it out'


def _grain(table: Table) -> Iterator[tuple[str, str]]:
    """What is recomputed must be known from a changed row of the driving input alone."""
    wanted: tuple[str, ...] = ()
    if table.refresh is Refresh.REPLACE_PARTITIONS and table.contract.partition_column:
        wanted = (table.contract.partition_column,)
    elif table.refresh is Refresh.REPLACE_KEYS:
        wanted = table.contract.key
    for name in wanted:
        if name in table.query.outputs and driving_expression(table.query, name) is None:
            yield f"{name} cannot be told from a row of {table.driving}", f"compute {name} from columns of {table.driving} without aggregates"


def _gate(table: Table) -> Iterator[tuple[str, str]]:
    if table.layer != "silver" and "gate" in table.attributes.model_fields_set:
        yield "gate is of records as they are judged", "give it to the silver table that reads them"
    if table.layer == "silver" and any(rule.id in ("gate", BATCH_REJECTED) for rule in table.contract.row_rules):
        yield f"gate and {BATCH_REJECTED} are the platform's own rules, and the contract has one of them too", "give the contract's rule another id"


def _clustering(table: Table) -> Iterator[tuple[str, str]]:
    """Clustering lets readers skip files by the bounds of a column, which not every column has in the log."""
    hidden, wanted = unbounded_columns(table), table.attributes.cluster_by
    if len(wanted) > MOST_COLUMNS or len(set(wanted)) < len(wanted):
        yield f"cluster_by names {', '.join(wanted)}, not up to {MOST_COLUMNS} different columns", "name the one or two that most queries filter by"
    for column in table.contract.columns:
        if column.name not in table.attributes.cluster_by:
            continue
        if column.name == table.partition_column:
            yield f"cluster_by names {column.name}, by which its partitions lie apart already", "leave it out of cluster_by"
        elif column.type.is_nested or column.type.name in ("binary", "boolean"):
            yield f"cluster_by names {column.name}, of whose type {column.type} no file has a minimum and maximum", "cluster by another column"
        elif column.name in hidden:
            yield f"cluster_by names {column.name}, which is classified, so that no log tells its minimum and maximum", "cluster by another column"


def _unknown_fields(table: Table) -> Iterator[tuple[str, str]]:
    mode, known = table.attributes.unknown_fields, table.attributes.known_fields
    if table.layer != "silver" and (mode != "ignore" or known):
        yield "unknown_fields and known_fields are of records", "give them to the silver table that reads them"
    elif known and mode == "ignore":
        yield "known_fields says nothing where unknown fields are ignored", "add unknown_fields: warn or reject, or leave it out"
    if mode != "ignore" and any(rule.id == UNKNOWN_FIELDS for rule in table.contract.row_rules):
        yield f"unknown_fields: {mode} counts by the rule {UNKNOWN_FIELDS}, which the contract has too", "give the contract's rule another id"

"""One batch of bronze rows as a silver table sees it: decoded, typed and judged. Not here: deduplication and commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from lakehouse_platform.contracts.model import Column
from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.row_lookups import looked_up
from lakehouse_platform.engine.rows import RowQuery
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.ingest.bronze_columns import bronze_columns
from lakehouse_platform.ingest.decode import decoded, missing_kind
from lakehouse_platform.ingest.json_fields import exact_name
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.medallion.changes import InputChange
from lakehouse_platform.medallion.decisions import Decided, decided
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.lookups import open_lookups
from lakehouse_platform.medallion.record import Ruling
from lakehouse_platform.quality.judging import judged, typed_rows, warning_counts
from lakehouse_platform.quality.reasons import Judge, rule_ids
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.lookups import record_query
from lakehouse_platform.tables.storage import mapped_columns

# Kept beside the judged columns, under names that no contract's column can have.
_CARRIED = {
    "_raw_data": "raw_data",
    "_raw_bytes": "raw_bytes",
    "_ingestion_timestamp": "ingestion_timestamp",
    "_source_position": "struct_pack(source := source_file, row := source_row)",
}
_CHANGE = {name: name for name in ("_operation", "_change_timestamp")}
_BATCH = {"_batch_id": "batch_id"}
_UNKNOWN = {"_unknown_fields": "_unknown_fields"}


@dataclass(frozen=True)
class SilverRun:
    """What one attempt stands on: snapshots taken in the protocol's order (quarantine first), and what changed upstream and in what is looked up.

    `ruling` is a person's on the batch, where it was blocked before. `changes` is the set of events of a table that has one, opened before the table:
    a worker that another overtook in between must not write the set over.
    """

    lakehouse: Lakehouse
    session: Session
    table: Table
    run_id: str
    quarantine: Snapshot
    target: Snapshot
    change: InputChange
    lookups: tuple[InputChange, ...] = ()
    batch_id: str = ""
    ruling: Ruling | None = None
    changes: Snapshot | None = None

    @property
    def events(self) -> Snapshot:
        """The set of events as the attempt found it, of a table that has one."""
        assert self.changes is not None
        return self.changes

    @property
    def upstream(self) -> Snapshot:
        """The bronze table as far as the attempt reads it."""
        assert self.change.upstream is not None
        return self.change.upstream


@dataclass(frozen=True)
class SilverBatch:
    """How a silver table reads its source; `now` is the processing time of the whole run, `lookups` the relation of each table that it looks up.

    `decided` is what holds for batches of bronze as a whole: of rejected ones no row is valid.
    """

    table: Table
    source: Source
    query: RowQuery
    now: str
    lookups: Mapping[str, str] = field(default_factory=dict)
    decided: Decided = field(default_factory=Decided)

    @property
    def known_fields(self) -> tuple[str, ...]:
        """Fields of a record that the query reads, or that the table says it knows."""
        return (*self.query.fields, *self.table.attributes.known_fields)

    @property
    def _rejects_unknown(self) -> bool:
        return self.table.attributes.unknown_fields == "reject"

    @property
    def has_changes(self) -> bool:
        """Whether the records are change events."""
        return self.source.attributes.has_events

    def judged(self, rows: str, carried: Mapping[str, str] | None = None) -> str:
        """SQL of the rows of a bronze relation, typed and judged; with further columns of the decoded rows, by name, as SQL."""
        columns = mapped_columns(self.table)
        judge = self._judge(columns)
        return judged(replace(judge, carried={**judge.carried, **(carried or {})}), self._decoded(rows, columns))

    def keys(self, rows: str, key: Sequence[str]) -> str:
        """SQL of the typed key columns of each row and its `_source_position`, and nothing else that costs time."""
        columns = tuple(self.table.contract.column(name) for name in key)
        names = ", ".join(quote(name) for name in key)
        return f"SELECT {names}, _source_position FROM ({typed_rows(self._judge(columns), self._decoded(rows, columns))})"

    def lookup_rows(self, rows: str) -> str:
        """SQL of the rows of a bronze relation with what they look up, and nothing else that costs time."""
        return self._decoded(rows, ())

    def rules(self) -> tuple[str, ...]:
        """Every rule that rows are counted by."""
        return rule_ids(self._judge(mapped_columns(self.table)))

    def warnings(self, relation: str) -> str | None:
        """SQL that counts the failing rows of a stored relation by warning rule; None where the contract has none."""
        if not self.table.contract.warning_rules:
            return None
        judge = replace(self._judge(mapped_columns(self.table)), delete_operation=None)
        return warning_counts(judge, relation)

    def _decoded(self, rows: str, columns: tuple[Column, ...]) -> str:
        fields = self._fields(columns)
        known = self.known_fields if self._rejects_unknown else None
        records = decoded(self.source, rows, fields, self._decimals(columns, fields), known)
        return looked_up(self.query.lookups, records, self.lookups)

    def _judge(self, columns: tuple[Column, ...]) -> Judge:
        attributes = self.table.attributes
        return Judge(
            contract=self.table.contract,
            query=self._query_of_exact(columns),
            columns=columns,
            given_types={**self.table.output_types, **self._exact_types(columns)},
            processed_timestamp=self.now,
            carried=self._carried,
            event_time=attributes.event_time,
            lateness_seconds=attributes.lateness_seconds,
            delete_operation="_operation" if self.has_changes else None,
            missing_kinds={column.name: kind for column in columns if (kind := self._missing_kind(column.name)) is not None},
            decimal_texts={name: quote(field) for name, field in self._decimal_fields(columns).items()},
            rejected_batches=self.decided.rejected,
            rejects_unknown_fields=self._rejects_unknown,
        )

    @property
    def _carried(self) -> dict[str, str]:
        events, batches = _CHANGE if self.has_changes else {}, _BATCH if self.decided.batches else {}
        return _CARRIED | events | batches | (_UNKNOWN if self._rejects_unknown else {})

    def _query_of_exact(self, columns: tuple[Column, ...]) -> RowQuery:
        """The query with each column that is one bare DECIMAL field taken from the number as it stands in the record."""
        exact = {name: quote(exact_name(field)) for name, field in self._decimal_fields(columns).items()}
        return replace(self.query, outputs={**self.query.outputs, **exact})

    def _fields(self, columns: tuple[Column, ...]) -> tuple[str, ...]:
        expressions = [self.query.outputs[column.name] for column in columns] + [self.query.where or ""]
        expressions += [value for lookup in self.query.lookups for value in lookup.keys.values()]
        return self._fields_in(" ".join(expressions))

    def _fields_in(self, expression: str) -> tuple[str, ...]:
        return tuple(field for field in self.query.fields if quote(field) in expression)

    def _missing_kind(self, output: str) -> str | None:
        """How a null in an output came to be, where the output is made of one field: a field that is there was emptied by the query."""
        fields = self._fields_in(self.query.outputs[output])
        if len(fields) != 1:
            return None
        return f"CASE WHEN {quote(fields[0])} IS NOT NULL THEN 'empty' ELSE {missing_kind(self.source, fields[0])} END"

    def _bare_field(self, output: str) -> str | None:
        return next((field for field in self.query.fields if self.query.outputs[output] == quote(field)), None)

    def _decimal_fields(self, columns: tuple[Column, ...]) -> dict[str, str]:
        if not self.source.attributes.files.holds_json:
            return {}
        bare = {column.name: self._bare_field(column.name) for column in columns if column.type.name == "decimal"}
        return {name: field for name, field in bare.items() if field is not None}

    def _exact_types(self, columns: tuple[Column, ...]) -> dict[str, ColumnType]:
        return {name: self.table.contract.column(name).type for name in self._decimal_fields(columns)}

    def _decimals(self, columns: tuple[Column, ...], fields: Sequence[str]) -> dict[str, ColumnType]:
        return {field: self.table.contract.column(name).type for name, field in self._decimal_fields(columns).items() if field in fields}


def open_batch(lakehouse: Lakehouse, session: Session, table: Table, lookups: Sequence[InputChange] = ()) -> SilverBatch:
    """How a silver table reads its source, what was decided about its batches, and what it looks up: as of `lookups`, or as of now."""
    source = lakehouse.project.sources[table.inputs[0]]
    metadata = {column.name: column.type for column in bronze_columns(source)}
    query = record_query(table, metadata, lakehouse.project.tables)
    opened = open_lookups(lakehouse, session, table, query.lookups, lookups)
    return SilverBatch(table, source, query, datetime.now(UTC).isoformat(), opened, decided(lakehouse, session, table))

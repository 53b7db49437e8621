"""What Dagster shows of a table: schema and lineage when definitions load, counts and versions after a commit. Not here: when events are logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg

from lakehouse_platform.contracts.model import Column
from lakehouse_platform.ingest.bronze_columns import bronze_columns
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.orchestration.names import asset_key
from lakehouse_platform.tables.definition import Table

DATA_VERSION_TAG = "dagster/data_version"
REPORTED = "lakehouse/reported_through"

Metadata = Mapping[str, Any]


def table_metadata(table: Table) -> Metadata:
    """A table's columns and lineage as its contract and query say."""
    return {
        "dagster/table_name": table.name.replace("/", "."),
        **column_metadata(table),
        "contract": dg.MetadataValue.path(str(table.contract.path)),
        "contract_version": table.contract.version,
        "automation": _automation(table),
        **({"partition_expr": table.partition_column} if table.partition_column else {}),
    }


def _automation(table: Table) -> str:
    value = table.attributes.model_dump(mode="json")["automation"]
    return value if isinstance(value, str) else ", ".join(f"{name} {given}" for name, given in value.items())


def column_metadata(table: Table) -> Metadata:
    """A table's columns as its contract says, and what each is computed from."""
    lineage = {column: [dg.TableColumnDep(asset_key(upstream), name) for upstream, name in sources] for column, sources in table.lineage.items()}
    return {
        "dagster/column_schema": dg.TableSchema([_column(column) for column in table.contract.columns]),
        "dagster/column_lineage": dg.TableColumnLineage({column: sources for column, sources in lineage.items() if sources}),
    }


def source_metadata(source: Source) -> Metadata:
    """A bronze table's columns and the files it is made from."""
    columns = [dg.TableColumn(field.name, str(field.type)) for field in bronze_columns(source)]
    return {
        "dagster/table_name": source.name.replace("/", "."),
        "dagster/column_schema": dg.TableSchema(columns),
        "files": source.attributes.files.path,
    }


def commit_metadata(record: CommitRecord, version: int, location: str) -> dict[str, Any]:
    """What one commit did, for each event that tells of it. The accounts are the commit's, also where it touched many partitions."""
    accounts = asdict(record.accounts) if record.accounts is not None else {}
    return {
        "dagster/uri": dg.MetadataValue.url(location),
        "dagster/table_name": record.table.replace("/", "."),
        "delta_version": version,
        "step": record.step,
        "batch_id": record.batch_id,
        **{f"commit_rows_{end}": count for end, count in accounts.items()},
        **{f"input_version {name}": to for name, (_, to) in record.inputs.items()},
        **({"rebuilt": record.rebuilt} if record.rebuilt else {}),
        **({"ruling": f"{record.ruling.state}: {record.ruling.reason}"} if record.ruling else {}),
        **{f"note {name}": _note(value) for name, value in record.notes.items()},
    }


def table_rows(rows: int) -> Metadata:
    """The rows of a whole table."""
    return {"dagster/row_count": rows}


def partition_rows(rows: int) -> Metadata:
    """The rows of one partition."""
    return {"dagster/partition_row_count": rows}


def data_version(table_id: str, version: int) -> str:
    """Dagster's data version of a Delta version; the table's id keeps a re-created table apart."""
    return f"delta:{version}@{table_id}"


def reported(table_id: str, version: int) -> Metadata:
    """The mark that all commits through a version have been logged once the event that bears it is stored."""
    return {REPORTED: data_version(table_id, version)}


def _column(column: Column) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=not column.required, unique=False)
    tags = {
        **({"classification": column.classification} if column.classification else {}),
        **({"key": ""} if column.key_position is not None else {}),
    }
    return dg.TableColumn(column.name, str(column.type), column.description or None, constraints, tags)


def _note(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else dg.MetadataValue.json(value)

"""Writes small projects, as a user would write theirs: a folder a table with defs.yaml, contract.yaml and transform.sql. Not here: running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from lakehouse_platform.tables.project import Project, load_project

_LOGICAL = {
    **dict.fromkeys(("INT", "BIGINT"), "integer"),
    **{name: name.lower() for name in ("STRING", "DATE", "TIMESTAMP", "BOOLEAN")},
}


@dataclass(frozen=True)
class Folder:
    """What a folder of a project holds: file name to text."""

    name: str
    files: Mapping[str, str]


def source(
    table: str, path: str, *, file_format: str = "json", changes: str | None = None, snapshot_time: Mapping[str, str] | None = None, **files: Any
) -> Folder:
    """A bronze table fed from files; `files` are further attributes of them."""
    attributes: dict[str, Any] = {"table": table, "files": {"path": path, "format": file_format, **files}}
    if changes is not None:
        attributes["changes"] = changes
    if snapshot_time is not None:
        attributes["snapshot_time"] = dict(snapshot_time)
    return Folder(_folder_name(table), {"defs.yaml": _component("Source", attributes)})


def table(name: str, sql: str, columns: Sequence[Mapping[str, Any]], *, rules: Sequence[Mapping[str, Any]] = (), **attributes: Any) -> Folder:
    """A silver or gold table; silver's get the columns that the platform fills."""
    if name.startswith("silver/"):
        columns = [*columns, column("processed_timestamp", "TIMESTAMP", required=True), column("data_quality_score", "DOUBLE", required=True)]
    contract = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name.replace("/", "."),
        "name": name,
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": name.split("/")[1], "physicalType": "table", "properties": list(columns), "quality": list(rules)}],
    }
    files = {
        "defs.yaml": _component("Table", {"table": name, **attributes}),
        "contract.yaml": yaml.safe_dump(contract, sort_keys=False),
        "transform.sql": sql,
    }
    return Folder(_folder_name(name), files)


def column(
    name: str, physical_type: str, *, required: bool = False, key: int | None = None, partitioned: bool = False, **more: Any
) -> dict[str, Any]:
    """A column of a contract; `more` are further ODCS entries of the property (`logicalTypeOptions`, `enum`, `quality`, `customProperties`)."""
    entry: dict[str, Any] = {"name": name, "logicalType": _LOGICAL.get(physical_type, "number"), "physicalType": physical_type, "required": required}
    if key is not None:
        entry |= {"primaryKey": True, "primaryKeyPosition": key}
    if partitioned:
        entry |= {"partitioned": True, "partitionKeyPosition": 1}
    return entry | more


def row_rule(rule_id: str, failing: str, severity: str = "error") -> dict[str, Any]:
    """A rule over single rows, in the standard's form; `failing` is TRUE on a failing row."""
    query = f"SELECT count(*) FROM ${{table}} WHERE {failing}"
    return {"id": rule_id, "type": "sql", "severity": severity, "dimension": "conformity", "query": query, "mustBe": 0}


def load(*folders: Folder) -> Project:
    """Write the folders and load them as a project."""
    with TemporaryDirectory() as root:
        for folder in folders:
            place = Path(root, folder.name)
            place.mkdir()
            for name, text in folder.files.items():
                (place / name).write_text(text, encoding="utf-8")
        return load_project(Path(root))


def _folder_name(name: str) -> str:
    return name.replace("/", "_")


def _component(kind: str, attributes: Mapping[str, Any]) -> str:
    return yaml.safe_dump({"type": f"lakehouse_platform.{kind}", "attributes": dict(attributes)}, sort_keys=False)

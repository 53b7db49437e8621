"""The text of a table's three documents, and of a source's one, from what is proposed for them. Not here: what that is, and where it goes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.scaffold.naming import spelled

_LOGICAL = {"int": "integer", "bigint": "integer", "decimal": "number", "double": "number", "array": "array", "map": "map", "struct": "object"}
# Where the logical type alone says all of it.
_PLAIN = ("string", "boolean", "date", "timestamp")
_WIDTH = 150


@dataclass(frozen=True)
class Entry:
    """A column as its contract says it. `choices` are the values of a rule that warns of others, `notes` remarks above it."""

    name: str
    type: ColumnType
    required: bool = False
    key_position: int | None = None
    partitioned: bool = False
    formats: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    description: str = ""
    notes: tuple[str, ...] = ()


SILVER_ENTRIES = (
    Entry("processed_timestamp", ColumnType("timestamp"), required=True, description="When the platform accepted the row"),
    Entry("data_quality_score", ColumnType("double"), required=True, description="Share of the checks that the row passed"),
)


def defs(kind: str, attributes: Mapping[str, Any], remarks: Sequence[str], notes: Mapping[str, str] | None = None) -> str:
    """A defs.yaml; `notes` stand behind attributes by name."""
    said = notes or {}
    lines = [f"# {remark}" for remark in remarks] + [f"type: lakehouse_platform.{kind}", "attributes:"]
    for name, value in attributes.items():
        text = f"  {name}: {_yaml(value)}"
        lines.append(f"{text}  # {said[name]}" if name in said else text)
    return "\n".join(lines) + "\n"


def contract(table: str, entries: Sequence[Entry], remarks: Sequence[str]) -> str:
    """A contract.yaml of the Open Data Contract Standard."""
    layer, name = table.split("/")
    head = [
        *(f"# {remark}" for remark in remarks),
        "apiVersion: v3.1.0",
        "kind: DataContract",
        f"id: {layer}.{name}",
        f"name: {name.replace('_', ' ').capitalize()}",
        "version: 1.0.0",
        "status: draft",
        "# team: {name: shop}  # who answers for it",
        "schema:",
        f"  - name: {name}",
        "    physicalType: table",
        "    properties:",
    ]
    return "\n".join([*head, *(line for entry in entries for line in _column(entry))]) + "\n"


def query(outputs: Mapping[str, str], source: str, remarks: Sequence[str], tail: Sequence[str] = ()) -> str:
    """A transform.sql: each output's expression by its name, from one table."""
    width = max(len(expression) for expression in outputs.values())
    parts = [f"{expression:<{width}} AS {spelled(name)}" if expression != spelled(name) else expression for name, expression in outputs.items()]
    lines = [f"-- {remark}" for remark in remarks]
    lines.append("SELECT " + ",\n       ".join(parts))
    lines.append(f"FROM {source.replace('/', '.', 1)}")
    return "\n".join([*lines, *tail]) + "\n"


def _column(entry: Entry) -> Iterator[str]:
    yield from (f"      # {note}" for note in entry.notes)
    yield f"      - name: {entry.name}"
    yield f"        logicalType: {_LOGICAL.get(entry.type.name, entry.type.name)}"
    if entry.type.name not in _PLAIN:
        yield f"        physicalType: {_yaml(str(entry.type))}"
    if entry.required:
        yield "        required: true"
    if entry.key_position is not None:
        yield "        primaryKey: true"
        yield f"        primaryKeyPosition: {entry.key_position}"
    if entry.partitioned:
        yield "        partitioned: true"
        yield "        partitionKeyPosition: 1"
    if entry.description:
        yield f"        description: {_yaml(entry.description)}"
    if entry.formats:
        yield "        customProperties:"
        yield f"          - {{property: lakehouse.format, value: {_yaml(entry.formats[0])}}}"
    if entry.choices:
        values = textwrap.wrap(", ".join(_yaml(choice) for choice in entry.choices), _WIDTH - 20, break_long_words=False, break_on_hyphens=False)
        yield "        quality:"
        yield f"          - {{id: {entry.name}_known, type: library, metric: invalidValues, severity: warning, dimension: conformity, mustBe: 0,"
        yield "             arguments: {validValues: [" + ("\n" + " " * 15).join(values) + "]}}"


def _yaml(value: Any) -> str:
    """A value on one line; text in quotes wherever bare text could be read as something else."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{name}: {_yaml(item)}" for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_yaml, value)) + "]"
        case str():
            is_bare = value.replace("_", "a").replace("/", "a").isalnum() and value[0].isalpha() and value.lower() not in _WORDS
            return value if is_bare else json.dumps(value, ensure_ascii=False)
        case bool():
            return str(value).lower()
        case _:
            return str(value)


_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")

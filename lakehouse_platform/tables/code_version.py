"""The version of a table's code: it changes with what decides the table's rows, and with nothing else. Not here: who compares it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlglot import TokenType, exp

from lakehouse_platform.contracts.model import Column, RowRule
from lakehouse_platform.engine.query import Query, SparkSql
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table

# Attributes that leave a table's rows as they are: they say when and where it is computed, how its files lie, and whether a batch may pass.
_WITHOUT_EFFECT = {"table", "cluster_by", "engine", "gate", "smallest_snapshot", "automation", "maintenance", "compression", "properties"}
# Of partitions the grain alone does: the others say which of them Dagster shows.
_GRAIN = "grain"
_SOURCE_WITHOUT_EFFECT = {"table", "owner", "description", "files", "maintenance", "compression", "properties"}
_SPELT = (TokenType.STRING, TokenType.RAW_STRING, TokenType.IDENTIFIER, TokenType.VAR)


def code_version(table: Table, source: Source | None) -> str:
    """The version of what a table's contract, query and attributes, and its source's where it reads one, say of its rows.

    Descriptions, comments, layout, owners and who may see what are not in it. 16 hexadecimal digits.
    """
    parts = {
        "attributes": _attributes(table),
        "columns": sorted((_column(column) for column in table.contract.columns), key=lambda column: str(column["name"])),
        "query": _tokens(table.query),
        # Gold's rules let a run fail and change no row; those of silver turn rows away, or lower their score.
        "rules": sorted(_rule(rule) for rule in table.contract.row_rules) if table.layer == "silver" else [],
        "salted": _classified(table) if table.refresh is Refresh.SCD2 else [],
        "source": _source(source) if source is not None else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _attributes(table: Table) -> Mapping[str, Any]:
    """An attribute that stands at its default is the same as one that is not given, also one that comes with a later release."""
    given = table.attributes.model_dump(mode="json", exclude_defaults=True, exclude=_WITHOUT_EFFECT)
    if table.attributes.unknown_fields != "reject":
        # To warn of fields, and to name them, leaves the rows as they are.
        given = {name: value for name, value in given.items() if name not in ("unknown_fields", "known_fields")}
    if "partitions" in given:
        given["partitions"] = given["partitions"][_GRAIN]
    return given


def _source(source: Source) -> Mapping[str, Any]:
    return {"format": source.attributes.files.format} | source.attributes.model_dump(
        mode="json", exclude_defaults=True, exclude=_SOURCE_WITHOUT_EFFECT
    )


def _column(column: Column) -> Mapping[str, Any]:
    return {
        "name": column.name,
        "type": str(column.type),
        "required": column.required,
        "key": column.key_position,
        "partitioned": column.partitioned,
        "formats": column.formats,
        "timezone": column.timezone,
        "empty_as_null": column.empty_as_null,
    }


def _rule(rule: RowRule) -> tuple[str, ...]:
    return (rule.id, str(rule.severity), rule.column or "", rule.failing)


def _classified(table: Table) -> list[str]:
    """Surrogate keys are salted where a tracked column is classified."""
    return [column.name for column in table.contract.columns if column.classification and column.classification.lower() != "public"]


def _tokens(query: Query) -> list[tuple[str, str]]:
    """The query word by word, so that neither comments, nor blanks, nor the case of its keywords count."""
    # A field may be named as a keyword is: `Date` and `date` are two fields of a record.
    names = {identifier.name for identifier in query.tree.find_all(exp.Identifier)}
    tokens = [(token.token_type, token.text) for token in SparkSql().tokenize(query.text)]
    return [(kind.name, text) if kind in _SPELT else ("", text if text in names else text.upper()) for kind, text in tokens]

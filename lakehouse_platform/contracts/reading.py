"""Reads an Open Data Contract Standard document (v3.1 and v3.2) into a Contract, or tells every mistake in it. Not here: the parts' own reading."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from open_data_contract_standard.model import CustomProperty, OpenDataContractStandard, SchemaObject, SchemaProperty, Team

from lakehouse_platform.contracts import properties as custom
from lakehouse_platform.contracts.columns import read_columns
from lakehouse_platform.contracts.constraints import constraint_rules
from lakehouse_platform.contracts.document import Document, Location, read_document
from lakehouse_platform.contracts.model import Bound, Column, Contract, Reference, RowRule, TableRule
from lakehouse_platform.contracts.quality_rules import QualityReader, duplicates
from lakehouse_platform.contracts.references import read_references

KEY_RULE = "key_unique"
_TABLE = ("schema", 0)
_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86400),
}


def read_contract(path: Path, text: str | None = None) -> Contract:
    """Read one contract, from its file or from the text given. Raises ProjectError with every mistake: the file, the line and what mends it."""
    document, model = read_document(path, text)
    _check_head(document, model)
    table = (model.schema_ or [SchemaObject()])[0]
    declared = table.properties or []
    columns = read_columns(document, (*_TABLE, "properties"), declared)
    rules = QualityReader(document, {(part.name or "").lower(): column for part, column in zip(declared, columns, strict=True)})
    described = list(_read_columns_rules(document, declared, columns, rules))
    notes = rules.read((*_TABLE, "quality"), table.quality or [], None)
    rules.table_rules.extend(_derived_rules(table, described))
    references = read_references(document, _TABLE, table, [column.name for column in described])
    _check_rule_names(document, [*rules.row_rules, *rules.table_rules, *references], described)
    freshness = _freshness_seconds(document, model)
    document.raise_problems()
    general = model.description.purpose if model.description else None
    return Contract(
        id=model.id or "",
        version=model.version or "",
        table=table.name or "",
        path=path,
        columns=tuple(described),
        row_rules=tuple(rules.row_rules),
        table_rules=tuple(rules.table_rules),
        references=tuple(references),
        owner=_owner(model),
        domain=model.domain,
        description="\n".join(text.strip() for text in (table.description or general, *notes) if text),
        status=model.status or "active",
        freshness_seconds=freshness,
        text=document.text,
        table_line=document.line((*_TABLE, "name")),
    )


def _check_head(document: Document, model: OpenDataContractStandard) -> None:
    if not re.fullmatch(r"v3\.[12]\.\d+", model.apiVersion or ""):
        document.mistake(("apiVersion",), f"apiVersion {model.apiVersion} is not read", "write apiVersion: v3.1.0 (v3.2.0 is read too)")
    if model.kind != "DataContract":
        document.mistake(("kind",), f"kind is {model.kind}", "write kind: DataContract")
    for name in ("id", "version"):
        if not getattr(model, name):
            document.mistake((name,), f"the contract has no {name}", f"add {name}: …")
    tables = model.schema_ or []
    if len(tables) != 1:
        message = f"the contract describes {len(tables)} tables" if tables else "the contract describes no table"
        document.mistake(("schema", 1) if tables else ("schema",), message, "describe one table under schema; each table has a folder of its own")
    _check_custom_properties(document, (), model.customProperties or [])
    for index, table in enumerate(tables):
        _check_custom_properties(document, ("schema", index), table.customProperties or [])
        if not table.name:
            document.mistake(("schema", index), "the table has no name", "add name: …")
        if not table.properties:
            document.mistake(("schema", index), "the table has no columns", "list them under properties")


def _check_custom_properties(document: Document, location: Location, entries: list[CustomProperty]) -> None:
    for index, entry in enumerate(entries):
        if (entry.property or "").startswith(custom.PREFIX):
            place = (*location, "customProperties", index)
            document.mistake(place, f"{entry.property} means nothing for a table", f"{', '.join(custom.COLUMN_PROPERTIES)} stand at a column")


def _read_columns_rules(document: Document, declared: list[SchemaProperty], columns: list[Column | None], rules: QualityReader) -> Iterator[Column]:
    """Read the rules of every column, and give the columns with what their documentation entries say."""
    for index, (part, column) in enumerate(zip(declared, columns, strict=True)):
        if column is None:
            continue
        location: Location = (*_TABLE, "properties", index)
        rules.row_rules.extend(constraint_rules(document, location, part, column))
        notes = rules.read((*location, "quality"), part.quality or [], column)
        position = 1 if column.key_position == -1 else column.key_position
        yield replace(column, key_position=position, description="\n".join(text.strip() for text in (column.description, *notes) if text))


def _derived_rules(table: SchemaObject, columns: list[Column]) -> Iterator[TableRule]:
    nothing = Bound("mustBe", (0.0,))
    keyed = sorted((column for column in columns if column.key_position is not None), key=lambda column: column.key_position or 0)
    if keyed:
        query = duplicates([column.name for column in keyed], with_nulls=True).count
        description = f"{', '.join(column.name for column in keyed)} together occur once"
        yield TableRule(KEY_RULE, query, nothing, dimension="uniqueness", description=description, line=keyed[0].line)
    unique = {part.name for part in table.properties or [] if part.unique}
    for column in columns:
        if column.name in unique:
            query = duplicates([column.name], with_nulls=False).count
            yield TableRule(f"{column.name}_unique", query, nothing, dimension="uniqueness", column=column.name, line=column.line)


def _check_rule_names(document: Document, rules: list[RowRule | TableRule | Reference], columns: list[Column]) -> None:
    # The platform's own checks of the table and of each column have names as well.
    own = (f"{column.name}_{check}".lower() for column in columns for check in ("type", "expression", "required"))
    counts = Counter([*(rule.id.lower() for rule in rules), "decoding", "pandera", *own])
    for rule in rules:
        if counts[rule.id.lower()] > 1:
            document.mistake_at(rule.line, f"two rules are called {rule.id}", "give each an id of its own")


def _freshness_seconds(document: Document, model: OpenDataContractStandard) -> int | None:
    found: list[int] = []
    for index, sla in enumerate(model.slaProperties or []):
        if sla.property not in ("freshness", "latency"):
            continue
        seconds = _UNITS.get((sla.unit or "d").lower())
        if seconds is None:
            document.mistake(("slaProperties", index, "unit"), f"{sla.unit!r} is no unit of {sla.property}", "use s, min, h, d or w")
        elif isinstance(sla.value, bool) or not isinstance(sla.value, int | float) or sla.value <= 0:
            document.mistake(("slaProperties", index, "value"), f"{sla.value!r} is no {sla.property}", "write a number above 0 and its unit")
        else:
            found.append(int(sla.value * seconds))
    return min(found, default=None)


def _owner(model: OpenDataContractStandard) -> str | None:
    """The team, as `team:name`, or the member whose role is owner."""
    members = (model.team.members if isinstance(model.team, Team) else model.team) or []
    if isinstance(model.team, Team) and model.team.name:
        return model.team.name if model.team.name.startswith("team:") else f"team:{model.team.name}"
    return next((member.username for member in members if (member.role or "").lower() == "owner"), None)

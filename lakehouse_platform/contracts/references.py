"""References to other tables from a contract's relationships: values that must stand there. Not here: which table is meant (tables/references.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from open_data_contract_standard.model import Relationship, SchemaObject

from lakehouse_platform.contracts import properties as custom
from lakehouse_platform.contracts.document import Document, Location
from lakehouse_platform.contracts.model import Reference, Severity

_FORM = "write them as table.column, such as dim_customer.customer_id"


def read_references(document: Document, location: Location, table: SchemaObject, columns: Collection[str]) -> list[Reference]:
    """The references of a schema object: those of single properties, and those over several columns at its own level."""
    found = []
    known = [f"{table.name}.{name}" for name in columns]
    for index, part in enumerate(table.properties or []):
        for number, relationship in enumerate(part.relationships or []):
            place = (*location, "properties", index, "relationships", number)
            found.append(_reference(document, place, relationship, [f"{table.name}.{part.name}"], known))
    for number, relationship in enumerate(table.relationships or []):
        place = (*location, "relationships", number)
        found.append(_reference(document, place, relationship, _listed(relationship.from_), known))
    return [reference for reference in found if reference is not None]


def _reference(document: Document, place: Location, relationship: Relationship, own: list[str], known: Collection[str]) -> Reference | None:
    others = _listed(relationship.to)
    mistakes = list(_mistakes(relationship, own, others, known))
    for message, mend in mistakes:
        document.mistake(place, message, mend)
    severity = _severity(document, place, relationship)
    if mistakes:
        return None
    names, targets = [name.split(".")[1] for name in own], [name.split(".")[1] for name in others]
    identity = relationship.id or f"{'_'.join(names)}_reference"
    return Reference(identity, tuple(names), others[0].split(".")[0], tuple(targets), severity, document.line(place))


def _mistakes(relationship: Relationship, own: list[str], others: list[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    if relationship.type not in (None, "foreignKey"):
        yield f"there is no relationship of type {relationship.type!r}", "leave the type out, or write foreignKey"
    if not own or len(own) != len(others):
        yield f"{len(own)} columns refer to {len(others)}", "name as many columns under to as under from"
    elif any(name.count(".") != 1 for name in [*own, *others]):
        yield f"{', '.join([*own, *others])} are not all columns of tables", _FORM
    elif len({name.split(".")[0] for name in others}) > 1:
        yield f"{', '.join(others)} stand in different tables", "refer to columns of one table"
    else:
        for name in own:
            if name not in known:
                yield f"{name} is no column here", f"use one of {', '.join(known)}"


def _severity(document: Document, place: Location, relationship: Relationship) -> Severity:
    # What a fact refers to may come after it, so a missing value warns unless the contract asks for more.
    severity = Severity.WARNING
    for index, entry in enumerate(relationship.customProperties or []):
        if not (entry.property or "").startswith(custom.PREFIX):
            continue
        location = (*place, "customProperties", index)
        if entry.property != custom.SEVERITY:
            known = ", ".join(custom.REFERENCE_PROPERTIES)
            document.mistake(location, f"{entry.property} means nothing for a relationship", f"known for relationships is {known}")
        elif entry.value not in set(Severity):
            document.mistake(location, f"there is no severity {entry.value!r}", custom.REFERENCE_PROPERTIES[custom.SEVERITY])
        else:
            severity = Severity(entry.value)
    return severity


def _listed(names: str | list[str] | None) -> list[str]:
    return [] if names is None else [names] if isinstance(names, str) else names

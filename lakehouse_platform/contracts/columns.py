"""Columns of a contract from the properties of its schema object: names, types, key, custom properties. Not here: rules over their values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from open_data_contract_standard.model import CustomProperty, SchemaProperty

from lakehouse_platform.contracts import properties as custom
from lakehouse_platform.contracts import types
from lakehouse_platform.contracts.document import Document, Location
from lakehouse_platform.contracts.model import Column
from lakehouse_platform.contracts.types import ColumnType, parse_type

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# The type of each logical type where nothing more precise is said, and the types that a physical one may be.
_LOGICAL_TYPES = {
    "string": (types.STRING, {"string", "binary"}),
    "date": (types.DATE, {"date"}),
    "timestamp": (types.TIMESTAMP, {"timestamp"}),
    "number": (types.DOUBLE, {"double", "decimal", "int", "bigint"}),
    "integer": (types.BIGINT, {"int", "bigint", "decimal"}),
    "boolean": (types.BOOLEAN, {"boolean"}),
    "object": (None, {"struct", "map"}),
    "array": (None, {"array"}),
    "map": (None, {"map"}),
}


def read_columns(document: Document, location: Location, declared: Sequence[SchemaProperty]) -> list[Column | None]:
    """One column for each property, None where it has a mistake that leaves no column."""
    columns = [_column(document, (*location, index), part) for index, part in enumerate(declared)]
    _check_names(document, location, declared)
    _check_key(document, location, declared)
    partitioned = [index for index, part in enumerate(declared) if part.partitioned]
    for index in partitioned[1:]:
        message = f"{declared[index].name} is a second partitioned column beside {declared[partitioned[0]].name}"
        document.mistake((*location, index, "partitioned"), message, "partition by one column; defs.yaml says by day or by month")
    return columns


def _column(document: Document, location: Location, declared: SchemaProperty) -> Column | None:
    column_type = _type(document, location, declared)
    settings = _custom_properties(document, (*location, "customProperties"), declared.customProperties or (), column_type)
    zone = _timezone(document, location, declared, settings)
    formats = settings.get(custom.FORMAT, ())
    if column_type is None or not declared.name:
        return None
    return Column(
        name=declared.name,
        type=column_type,
        required=bool(declared.required),
        key_position=_key_position(declared),
        partitioned=bool(declared.partitioned),
        classification=declared.classification,
        description=declared.description or "",
        formats=(formats,) if isinstance(formats, str) else tuple(formats),
        timezone=zone,
        empty_as_null=bool(settings.get(custom.EMPTY_AS_NULL, False)),
        line=document.line(location),
    )


def _type(document: Document, location: Location, declared: SchemaProperty) -> ColumnType | None:
    logical = declared.logicalType
    default, allowed = _LOGICAL_TYPES.get(logical or "", (None, set()))
    if logical is not None and logical not in _LOGICAL_TYPES:
        known = ", ".join(_LOGICAL_TYPES)
        document.mistake((*location, "logicalType"), f"columns of logical type {logical!r} are not kept", f"choose one of {known}")
        return None
    if declared.physicalType is not None:
        try:
            physical = parse_type(declared.physicalType)
        except ValueError as error:
            document.mistake((*location, "physicalType"), str(error), "spell the type as Spark does")
            return None
        if logical is not None and physical.name not in allowed:
            message = f"physicalType {physical} is no {logical}"
            document.mistake((*location, "physicalType"), message, f"leave out one of them, or choose one of {', '.join(sorted(allowed))}")
        return physical
    if logical == "integer" and (declared.logicalTypeOptions or {}).get("format") == "i32":
        return types.INT
    return default or _nested_type(document, location, declared)


def _nested_type(document: Document, location: Location, declared: SchemaProperty) -> ColumnType | None:
    parts: list[tuple[Location, SchemaProperty]] = []
    match declared.logicalType:
        case "object":
            parts = [((*location, "properties", index), part) for index, part in enumerate(declared.properties or ())]
        case "array" if declared.items:
            parts = [((*location, "items"), declared.items)]
        case "map" if declared.map and declared.map.key and declared.map.value:
            parts = [((*location, "map", "key"), declared.map.key), ((*location, "map", "value"), declared.map.value)]
    if not parts:
        document.mistake(location, f"{declared.name} has no type", "give logicalType, or physicalType in Spark's spelling such as DECIMAL(18,3)")
        return None
    for place, part in parts:
        if part.quality or part.enum or part.required or part.unique:
            message = f"rules inside {declared.name} are not judged"
            document.mistake(place, message, f"write an sql rule over {declared.name} at its own level")
    items = [_type(document, place, part) for place, part in parts]
    known = tuple(item for item in items if item is not None)
    if len(known) < len(items):
        return None
    names = tuple(part.name or "" for _, part in parts) if declared.logicalType == "object" else ()
    return ColumnType({"object": "struct"}.get(declared.logicalType or "", declared.logicalType or ""), items=known, names=names)


def _custom_properties(document: Document, location: Location, entries: Sequence[CustomProperty], column_type: ColumnType | None) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for index, entry in enumerate(entries):
        name, value = entry.property or "", entry.value
        if not name.startswith(custom.PREFIX):
            continue
        known = custom.COLUMN_PROPERTIES.get(name)
        if known is None:
            mend = f"known for columns are {', '.join(custom.COLUMN_PROPERTIES)}"
            document.mistake((*location, index, "property"), f"the platform knows no custom property {name!r}", mend)
        elif column_type is not None and column_type.name not in known.types:
            message = f"{name} says nothing of a {column_type}"
            document.mistake((*location, index, "property"), message, f"it is for {' and '.join(known.types)}")
        elif not _fits(name, value):
            document.mistake((*location, index, "value"), f"{value!r} is no value of {name}", known.meaning)
        else:
            settings[name] = value
    return settings


def _fits(name: str, value: object) -> bool:
    if name == custom.EMPTY_AS_NULL:
        return isinstance(value, bool)
    if name == custom.FORMAT and isinstance(value, list):
        return bool(value) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def _timezone(document: Document, location: Location, declared: SchemaProperty, settings: dict[str, Any]) -> str:
    options = declared.logicalTypeOptions or {}
    if options.get("timezone") is False:
        mend = "remove it; lakehouse.timezone says where text without a zone is at home"
        document.mistake((*location, "logicalTypeOptions", "timezone"), f"{declared.name}: timestamps are instants here, never without a zone", mend)
    zone = str(settings.get(custom.TIMEZONE) or options.get("defaultTimezone") or "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        document.mistake(location, f"{declared.name}: there is no time zone {zone!r}", "use a name of the IANA database such as Europe/London")
    return zone


def _key_position(declared: SchemaProperty) -> int | None:
    return (declared.primaryKeyPosition or -1) if declared.primaryKey else None


def _check_names(document: Document, location: Location, declared: Sequence[SchemaProperty]) -> None:
    seen: dict[str, str] = {}
    for index, part in enumerate(declared):
        name, place = part.name or "", (*location, index)
        if not _NAME.fullmatch(name):
            mend = "begin with a letter and go on with letters, digits and _; names that begin with _ are the platform's"
            document.mistake((*place, "name"), f"{name!r} is no name of a column", mend)
        elif name.lower() in seen:
            mend = "rename one; engines read names without regard to case"
            document.mistake((*place, "name"), f"the column {name} stands here twice, first as {seen[name.lower()]}", mend)
        if part.physicalName not in (None, name):
            document.mistake((*place, "physicalName"), f"{name} is called {part.physicalName} in the table", "remove physicalName and use that name")
        seen.setdefault(name.lower(), name)


def _check_key(document: Document, location: Location, declared: Sequence[SchemaProperty]) -> None:
    keyed = [(index, part.primaryKeyPosition or -1) for index, part in enumerate(declared) if part.primaryKey]
    for index, part in enumerate(declared):
        if not part.primaryKey and (part.primaryKeyPosition or -1) > 0:
            document.mistake((*location, index, "primaryKeyPosition"), f"{part.name} has a place in the key but is not in it", "add primaryKey: true")
    positions = sorted(position for _, position in keyed)
    if len(keyed) == 1 and positions == [-1]:
        return
    if positions != list(range(1, len(keyed) + 1)):
        given = ", ".join(str(position) if position > 0 else "none" for position in positions)
        message = f"the key's positions are {given}"
        document.mistake((*location, keyed[0][0], "primaryKeyPosition"), message, f"number its {len(keyed)} columns from 1 to {len(keyed)}")

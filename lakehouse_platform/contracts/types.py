"""Column types in Spark's spelling, parsed and printed. Not here: how an engine or Delta spells them."""

from __future__ import annotations

import re
from dataclasses import dataclass

PLAIN_TYPES = ("string", "boolean", "int", "bigint", "double", "date", "timestamp", "binary")
_ALIASES = {"integer": "int", "long": "bigint", "varchar": "string", "text": "string", "bool": "boolean"}


@dataclass(frozen=True)
class ColumnType:
    """A type: a plain one, `decimal` (precision, scale), `array` (items), `map` (items: key, value) or `struct` (names, items)."""

    name: str
    precision: int = 0
    scale: int = 0
    items: tuple[ColumnType, ...] = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.name:
            case "decimal":
                return f"DECIMAL({self.precision},{self.scale})"
            case "array" | "map":
                return f"{self.name.upper()}<{','.join(str(item) for item in self.items)}>"
            case "struct":
                return "STRUCT<" + ",".join(f"{name}:{item}" for name, item in zip(self.names, self.items, strict=True)) + ">"
            case _:
                return self.name.upper()

    @property
    def is_nested(self) -> bool:
        """Whether values are made of other values; such columns have no minimum and maximum."""
        return bool(self.items)


def decimal(precision: int, scale: int) -> ColumnType:
    """DECIMAL(precision, scale)."""
    return ColumnType("decimal", precision, scale)


STRING, BOOLEAN, INT, BIGINT, DOUBLE, DATE, TIMESTAMP, BINARY = (ColumnType(name) for name in PLAIN_TYPES)
# A date and a time of day that name no instant. Only tables that others wrote have it: no contract does, and nothing writes it.
TIMESTAMP_NTZ = ColumnType("timestamp_ntz")
STRING_MAP = ColumnType("map", items=(STRING, STRING))


def array(item: ColumnType) -> ColumnType:
    """ARRAY<item>."""
    return ColumnType("array", items=(item,))


def struct(**fields: ColumnType) -> ColumnType:
    """STRUCT<name:type,…> in the order given."""
    return ColumnType("struct", items=tuple(fields.values()), names=tuple(fields))


def parse_type(text: str) -> ColumnType:
    """Read Spark's spelling (`DECIMAL(18,3)`, `MAP<STRING,STRING>`, `STRUCT<a:INT>`). Raises ValueError that names the text."""
    folded = re.sub(r"\s+", "", text)
    name = _ALIASES.get(folded.lower(), folded.lower())
    if name in PLAIN_TYPES:
        return ColumnType(name)
    if match := re.fullmatch(r"(?:decimal|numeric)\((\d+)(?:,(\d+))?\)", name):
        precision, scale = int(match[1]), int(match[2] or 0)
        if not (1 <= precision <= 38 and scale <= precision):
            raise ValueError(f"{text!r}: a decimal has 1 to 38 digits, and no more of them behind the point")
        return decimal(precision, scale)
    if match := re.fullmatch(r"(?i)(array|map|struct)<(.*)>", folded):
        return _parse_nested(match[1].lower(), _split(match[2]), text)
    raise ValueError(f"{text!r} is no type; known are {', '.join(PLAIN_TYPES)}, decimal(p,s), array<…>, map<…,…> and struct<name:…>")


def _parse_nested(name: str, parts: list[str], text: str) -> ColumnType:
    if name == "struct":
        pairs = [part.split(":", 1) for part in parts]
        if all(len(pair) == 2 for pair in pairs):
            return ColumnType("struct", items=tuple(parse_type(pair[1]) for pair in pairs), names=tuple(pair[0] for pair in pairs))
    elif len(parts) == {"array": 1, "map": 2}[name]:
        return ColumnType(name, items=tuple(parse_type(part) for part in parts))
    raise ValueError(f"{text!r} has the wrong number of parts for {name}")


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "<(") - (character in ">)")
        if character == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]

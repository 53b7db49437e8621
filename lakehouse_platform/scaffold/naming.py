"""Names of columns from the names of a source's fields, and how a query spells them. Not here: which columns there are."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lakehouse_platform.engine.query import SparkSql

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset(word for keyword in SparkSql.Tokenizer.KEYWORDS for word in keyword.split())


def column_names(fields: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A column's name for each field: `InvoiceNo` and `Invoice No.` become `invoice_no`; a second one of a name gets a number."""
    used = set(taken)
    names: dict[str, str] = {}
    for position, field in enumerate(fields, start=1):
        base = snake_case(field) or f"field_{position}"
        name, number = base, 2
        while name in used:
            name, number = f"{base}_{number}", number + 1
        used.add(name)
        names[field] = name
    return names


def snake_case(text: str) -> str:
    """Words in lower case joined by `_`, beginning with a letter; empty where the text has no letter or digit of ASCII."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return f"n_{name}" if name[:1].isdigit() else name


def spelled(name: str) -> str:
    """A name as a query writes it: in backquotes where it is no plain word or has a meaning of its own in SQL."""
    is_plain = _PLAIN.fullmatch(name) is not None and name.upper() not in _WORDS
    return name if is_plain else "`" + name.replace("`", "``") + "`"

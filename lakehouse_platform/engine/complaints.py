"""DuckDB's words for what fails on a row, in the words of the query that was written. Not here: what is allowed to fail (row_query and the casts)."""

from __future__ import annotations

import re

_NO_FORM = re.compile(r"Could not convert string 'no (?P<type>[A-Z][A-Z0-9(), ]*?)(?P<pattern> of the pattern)?: (?P<text>.*?)' to ", re.DOTALL)
_PAST_TYPE = re.compile(r"Type \w+ with value (?P<value>\S+) can't be cast because the value is out of range for the destination type (?P<type>\w+)")
_DECIMAL_PAST_TYPE = re.compile(r"Failed to cast decimal value (?P<value>\S+) to type (?P<type>\w+)")
_OVERFLOW = re.compile(r"Overflow in (?P<operation>\w+) of (?P<type>\w+) \((?P<terms>[^)]*)\)")
# Where in the translated SQL it failed means nothing to who wrote the query.
_PLACE = re.compile(r"\n+LINE \d+:.*\Z", re.DOTALL)
_TYPES = {"INT32": "INT", "INT64": "BIGINT", "INT16": "INT", "INT8": "INT"}


def in_our_words(message: str) -> str:
    """What the message of a query that failed says to its author, with the mend where there is one."""
    if "Division by zero" in message:
        return "a division by zero: write try_divide(a, b), or a / nullif(b, 0), where null is meant"
    if found := _NO_FORM.search(message):
        form = " of the given pattern" if found["pattern"] else ""
        return f"CAST: {found['text']!r} is no {found['type']}{form}: write TRY_CAST where null is meant, or leave such rows out"
    if found := _PAST_TYPE.search(message) or _DECIMAL_PAST_TYPE.search(message):
        return f"{found['value']} is past the limits of {_TYPES.get(found['type'], found['type'])}: CAST to a wider type, or write TRY_CAST"
    if found := _OVERFLOW.search(message):
        kind = _TYPES.get(found["type"], found["type"])
        return f"{found['terms']} is past the limits of {kind}: CAST to a wider type before the {found['operation']}"
    return _PLACE.sub("", message)

"""Spark's datetime patterns (`dd/MM/yyyy HH:mm`) as DuckDB formats, and Java's regular expressions as RE2's.

Belongs here: translating patterns, and refusing what the other engine reads differently. Does not belong here: the functions that take them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse_platform.contracts.types import DATE, ColumnType
from lakehouse_platform.engine.spelling import literal

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_LONG_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
# Letter group -> (regular expression that Spark's parser accepts, DuckDB's parse format, DuckDB's print format).
_GROUPS: dict[str, tuple[str, str, str]] = {
    # There is no year 0000.
    "yyyy": (r"(\d{3}[1-9]|\d{2}[1-9]0|\d[1-9]00|[1-9]000)", "%Y", "%Y"),
    "yy": (r"\d{2}", "%y", "%y"),
    "MM": (r"\d{2}", "%m", "%m"),
    "M": (r"\d{1,2}", "%m", "%-m"),
    "MMM": (f"({_MONTHS})", "%b", "%b"),
    "MMMM": (f"({_LONG_MONTHS})", "%B", "%B"),
    "dd": (r"\d{2}", "%d", "%d"),
    "d": (r"\d{1,2}", "%d", "%-d"),
    "HH": (r"\d{2}", "%H", "%H"),
    "H": (r"\d{1,2}", "%H", "%-H"),
    "hh": (r"\d{2}", "%I", "%I"),
    "h": (r"\d{1,2}", "%I", "%-I"),
    "mm": (r"\d{2}", "%M", "%M"),
    "m": (r"\d{1,2}", "%M", "%-M"),
    "ss": (r"\d{2}", "%S", "%S"),
    "s": (r"\d{1,2}", "%S", "%-S"),
    "SSS": (r"\d{3}", "%f", "%g"),
    "SSSSSS": (r"\d{6}", "%f", "%f"),
    "a": ("(AM|PM)", "%p", "%p"),
    "XXX": (r"(Z|[+-]\d{2}:\d{2})", "%z", ""),
    "E": ("", "", "%a"),
    "EEE": ("", "", "%a"),
    "EEEE": ("", "", "%A"),
    "DDD": ("", "", "%j"),
}
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")
_UNSUPPORTED_REGEX = re.compile(r"\\[1-9kGZXR]|\(\?(?:[=!>]|<[=!])|[*+?}]\+|\[[^\]]*(?:&&|\[(?!:))")


@dataclass(frozen=True)
class Pattern:
    """A datetime pattern: the form that a text must have, and DuckDB's formats. Empty where one direction is not possible."""

    form: str
    parse_format: str
    print_format: str

    def parsed(self, text: str, target: ColumnType, timezone: str = "UTC") -> str:
        """DuckDB expression that reads text of this pattern, null where it has another form or names no day that exists."""
        # DuckDB's %z knows no Z.
        spelt = f"regexp_replace({text}, 'Z$', '+00:00')" if "%z" in self.parse_format else text
        read = f"CASE WHEN regexp_full_match({text}, {literal(self.form)}) THEN try_strptime({spelt}, {literal(self.parse_format)}) END"
        if "%y" in self.parse_format:
            # Spark's two digits are of the years 2000 to 2099, DuckDB's from 69 on of 1969 to 1999. Both have leap years at the same digits.
            read = f"list_transform([{read}], lambda moment: CASE WHEN year(moment) < 2000 THEN moment + INTERVAL 100 YEAR ELSE moment END)[1]"
        if target == DATE:
            return f"CAST({read} AS DATE)"
        if "%z" in self.parse_format or timezone == "UTC":
            return f"CAST({read} AS TIMESTAMPTZ)"
        return f"timezone({literal(timezone)}, {read})"


def read_pattern(pattern: str) -> Pattern:
    """Read Spark's pattern. Raises ValueError that names the letters that have no equal meaning on both engines."""
    form, parse_format, print_format = "", "", ""
    can_parse = can_print = True
    for match in _TOKEN.finditer(pattern):
        token, quoted = match[0], match[1]
        if match[2] is None:
            text = "'" if quoted == "" else (quoted or token).replace("''", "'")
            group = (re.escape(text), text.replace("%", "%%"), text.replace("%", "%%"))
        elif token in _GROUPS:
            group = _GROUPS[token]
        else:
            raise ValueError(f"{token!r} in the pattern {pattern!r} is not supported; known are {', '.join(_GROUPS)}")
        can_parse, can_print = can_parse and bool(group[1]), can_print and bool(group[2])
        form, parse_format, print_format = form + group[0], parse_format + group[1], print_format + group[2]
    if "%y" in parse_format and "%z" in parse_format:
        raise ValueError(f"the pattern {pattern!r} has a year of two digits beside a zone, by which the century's last hours would go to another")
    return Pattern(form if can_parse else "", parse_format if can_parse else "", print_format if can_print else "")


def regex(pattern: str) -> str:
    """Java's regular expression for RE2. Raises ValueError for what RE2 has not or reads differently."""
    if found := _UNSUPPORTED_REGEX.search(pattern):
        raise ValueError(f"{found[0]!r} in the regular expression {pattern!r} is not supported on both engines")
    return pattern


def replacement(text: str) -> str:
    r"""Java's replacement (`$1`, `\$`) for RE2 (`\1`, `$`)."""

    def one(match: re.Match[str]) -> str:
        if match[1] is not None:
            return "\\" + match[1]
        escaped: str = match[2] if match[2] is not None else match[0]
        return escaped.replace("\\", "\\\\")

    return re.sub(r"\$(\d)|\\(.)|\\", one, text)

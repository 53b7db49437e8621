"""Under which name a file from anywhere lands for a source: its own, in the folders that the source's path says. Not here: putting it there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from lakehouse_platform.ingest.content import PACKED
from lakehouse_platform.ingest.landed import regular_expression
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.problems import LakehouseError


class NoName(LakehouseError):
    """A file whose name among a source's files cannot be told; the text says what to give."""


def landing_name(source: Source, file_name: str, *, name: str | None = None, values: Mapping[str, str] | None = None) -> str:
    """The path below the landing folder for a file. `name` stands for its own name, or is that path; `values` are for `{name}`s in the path.

    Raises NoName where the source's path has no place for it, or leaves one open.
    """
    found = name if name is not None and "/" in name else _from_pattern(source, name or file_name, values or {})
    pattern = source.attributes.files.path
    path = PurePosixPath(found)
    match = re.fullmatch(regular_expression(pattern), found, re.DOTALL)
    if match is None or path.is_absolute() or ".." in path.parts or "." in found.split("/") or path.name.startswith("."):
        raise NoName(f"{found} is no name for files of {source.name}, which are {pattern}. Mend: --as {_example(pattern)}")
    other = {given: value for given, value in (values or {}).items() if given in source.path_columns and match[given] != value}
    if other:
        raise NoName(f"{found} says another {', '.join(sorted(other))} than --value. Mend: leave one of them out")
    if _packing(file_name) != _packing(found):
        raise NoName(f"{file_name} cannot land as {found}: by its ending a file is known as packed. Mend: give a name that ends alike")
    return found


def _from_pattern(source: Source, file_name: str, values: Mapping[str, str]) -> str:
    pattern = source.attributes.files.path
    if unknown := sorted(set(values) - set(source.path_columns)):
        raise NoName(f"{source.name} has no {', '.join(unknown)} in its path {pattern}. Mend: give values of its {{name}}s only")
    if bad := sorted(name for name, value in values.items() if not value or "/" in value or value in (".", "..")):
        raise NoName(f"the value of {', '.join(bad)} is no part of a path. Mend: give one without /")
    folder, _, last = "/".join(_filled(part, values) for part in pattern.split("/")).rpartition("/")
    if missing := re.findall(r"\{([^}]*)\}", folder):
        raise NoName(f"the path of {source.name}, {pattern}, needs {', '.join(missing)}. Mend: " + " ".join(f"--value {name}=…" for name in missing))
    if "*" in folder:
        raise NoName(f"the path of {source.name}, {pattern}, leaves its folder open. Mend: --as {_example(pattern)}")
    is_open = re.search(r"\*|\{", last)
    if is_open and re.fullmatch(regular_expression(last), file_name, re.DOTALL) is None:
        raise NoName(f"{file_name} does not match {last}, the names of files of {source.name}. Mend: --as {_example(last)}")
    return f"{folder}/{file_name if is_open else last}".removeprefix("/")


def _filled(part: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{([^}]*)\}", lambda match: values.get(match[1], match[0]), part)


def _example(pattern: str) -> str:
    return re.sub(r"\*|\{([^}]*)\}", lambda match: (match[1] or "name").upper(), pattern)


def _packing(name: str) -> str:
    return next((packing for packing in PACKED if name.endswith(packing)), "")

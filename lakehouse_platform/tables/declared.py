"""Tables and sources declared in Python: each call of `table` or `source` in a project's `tables.py` is a folder's worth of documents.

Not here: importing those files (python_files.py), and checking what they say, which is done as for folders (documents.py, checks.py).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from lakehouse_platform.problems import LakehouseError

FILE_NAME = "tables.py"


@dataclass(frozen=True)
class Declared:
    """One call. `line` is where it stands in `path`, `lines` where each of its arguments does; `contract` and `query` are given or files."""

    path: Path
    line: int
    lines: Mapping[str, int]
    attributes: Mapping[str, Any]
    contract: Path | Mapping[str, Any] | None = None
    query: Path | str | None = None

    def line_of(self, argument: str) -> int:
        """Where an argument stands, or the call where it has none of that name."""
        return self.lines.get(argument, self.line)


@dataclass(frozen=True)
class _Reading:
    """A file being run, its syntax tree, and what it has declared so far."""

    path: Path
    tree: ast.Module
    declared: list[Declared] = field(default_factory=list)


_reading: ContextVar[_Reading | None] = ContextVar("reading", default=None)


def table(name: str, *, contract: str | Path | Mapping[str, Any], query: str | Path, **attributes: Any) -> None:
    """Declare a table in a project's `tables.py`: the same table as a folder with defs.yaml, contract.yaml and transform.sql gives.

    Args:
        name: Layer and name, such as gold/daily_sales.
        contract: An Open Data Contract Standard document, or the path of one, relative to the file.
        query: One SELECT in Spark SQL, or the `Path` of a file that holds it, relative to the file.
        **attributes: What defs.yaml says: refresh, partitions, sequence_by and so on.

    Raises:
        LakehouseError: It is called outside a `tables.py`, where no project would know of the table.
    """
    given = Path(contract) if isinstance(contract, str) else contract
    _declare({"table": name, **attributes}, given, query)


def source(name: str, **attributes: Any) -> None:
    """Declare a source in a project's `tables.py`: a bronze table and the files that it is made from.

    Args:
        name: Layer and name, such as bronze/orders.
        **attributes: What defs.yaml says: files, owner, description and so on.

    Raises:
        LakehouseError: It is called outside a `tables.py`, where no project would know of the source.
    """
    _declare({"table": name, **attributes}, None, None)


@contextmanager
def reading(path: Path, text: str) -> Iterator[list[Declared]]:
    """Collect what is declared while a file runs. Raises SyntaxError where its text is no Python."""
    opened = _Reading(path, ast.parse(text, str(path)))
    token = _reading.set(opened)
    try:
        yield opened.declared
    finally:
        _reading.reset(token)


def _declare(attributes: dict[str, Any], contract: Path | Mapping[str, Any] | None, query: Path | str | None) -> None:
    opened = _reading.get()
    line = _calling_line(opened)
    # Dagster imports every Python file of a project as well: there the project has been read before.
    if opened is not None:
        declared = Declared(opened.path, line, _argument_lines(opened.tree, line, query), attributes, contract, query)
        opened.declared.append(declared)


def _calling_line(opened: _Reading | None) -> int:
    """The line of the file being read that led to the call, also through functions of other files."""
    frame: FrameType | None = sys._getframe(3)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path == opened.path if opened is not None else path.name == FILE_NAME:
            return frame.f_lineno
        frame = frame.f_back
    raise LakehouseError(f"table and source declare what a project has: call them in a file {FILE_NAME} below its folder defs")


def _argument_lines(tree: ast.Module, line: int, query: Path | str | None) -> dict[str, int]:
    lines: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.lineno == line:
            if node.args:
                lines.setdefault("table", node.args[0].lineno)
            for keyword in node.keywords:
                if keyword.arg is not None:
                    lines.setdefault("table" if keyword.arg == "name" else keyword.arg, keyword.value.lineno)
        # A query may stand in a name of its own above the call.
        elif isinstance(node, ast.Constant) and isinstance(query, str) and node.value == query:
            lines["query"] = node.lineno
    return lines

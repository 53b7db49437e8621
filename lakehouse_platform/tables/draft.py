"""A table as its documents say it, before its inputs are known. Not here: whether they fit together (checks.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp

from lakehouse_platform.contracts.model import Contract
from lakehouse_platform.contracts.reading import read_contract
from lakehouse_platform.engine.query import Query, parse_query
from lakehouse_platform.problems import Problem, ProjectError
from lakehouse_platform.tables.attributes import TableAttributes
from lakehouse_platform.tables.declared import Declared
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.documents import Document


@dataclass(frozen=True)
class Draft:
    """Attributes, contract and query of a table, each None where its mistakes leave nothing to go on with.

    `line` is where its attributes begin in `defs_path`, a defs.yaml or a Python file. `has_all_attributes` is false where some were left out
    as mistakes, so that nothing can be said of what they would have to be.
    """

    folder: Path
    defs_path: Path
    line: int
    name: str
    attributes: TableAttributes | None
    contract: Contract | None
    query: Query | None
    has_all_attributes: bool = True

    @property
    def table(self) -> Table | None:
        """The table before any check, without a query where that could not be read; None without attributes or contract."""
        if self.attributes is None or self.contract is None:
            return None
        query = self.query or Query("", self.folder / "transform.sql", exp.Select())
        return Table(self.attributes, self.folder, self.contract, query, query.inputs)


@dataclass(frozen=True)
class _Text:
    """A document's text where it is not the whole of its file: `line` is where it begins there. None: all of the file."""

    path: Path
    text: str | None = None
    line: int = 1


def read_draft(document: Document, attributes: TableAttributes | None) -> tuple[Draft, list[Problem]]:
    """What can be read of a table's folder, or of its call, and the mistakes of its contract and its query."""
    declared = document.declared
    contract_text = _Text(document.folder / "contract.yaml") if declared is None else _contract_text(declared)
    query_text = _Text(document.folder / "transform.sql") if declared is None else _query_text(declared)
    problems = [
        Problem(
            document.path,
            document.line if declared is None else declared.line_of(argument),
            f"{part.path.name} is missing{' beside it' if declared is None else ''}",
            f"add {part.path}",
        )
        for argument, part in (("contract", contract_text), ("query", query_text))
        if not part.path.is_file()
    ]
    contract, query = None, None
    if contract_text.path.is_file():
        try:
            contract = read_contract(contract_text.path, contract_text.text)
        except ProjectError as error:
            problems += error.problems
    if query_text.path.is_file():
        try:
            text = query_text.path.read_text(encoding="utf-8") if query_text.text is None else query_text.text
            query = parse_query(text, query_text.path, query_text.line)
        except UnicodeDecodeError as error:
            problems.append(Problem(query_text.path, 0, f"this is not UTF-8: {error.reason}", "save the file as UTF-8"))
        except ProjectError as error:
            problems += error.problems
    return Draft(document.folder, document.path, document.line, document.name, attributes, contract, query, document.is_whole), problems


def _contract_text(declared: Declared) -> _Text:
    if not isinstance(declared.contract, Mapping):
        return _Text(declared.path.parent / (declared.contract or ""))
    # JSON is YAML on one line: behind so many empty ones, each of its parts stands at the line of the call's argument.
    return _Text(declared.path, "\n" * (declared.line_of("contract") - 1) + json.dumps(declared.contract, ensure_ascii=False, default=_plain))


def _query_text(declared: Declared) -> _Text:
    if isinstance(declared.query, str):
        return _Text(declared.path, declared.query, declared.line_of("query"))
    return _Text(declared.path.parent / (declared.query or ""))


def _plain(value: Any) -> str:
    """Dates and such in a contract, as YAML has them."""
    return str(value)

"""A table as its documents say it, before its inputs are known. Not here: whether they fit together (checks.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse_platform.contracts.model import Contract
from lakehouse_platform.contracts.reading import read_contract
from lakehouse_platform.engine.query import Query, parse_query
from lakehouse_platform.problems import Problem, ProjectError
from lakehouse_platform.tables.attributes import TableAttributes
from lakehouse_platform.tables.declared import Declared
from lakehouse_platform.tables.documents import Document


@dataclass(frozen=True)
class Draft:
    """Attributes, contract and query of a table; `line` is where its attributes begin in `defs_path`, a defs.yaml or a Python file."""

    folder: Path
    defs_path: Path
    line: int
    attributes: TableAttributes
    contract: Contract
    query: Query

    @property
    def sql_path(self) -> Path:
        """The file that holds the query."""
        return self.query.path


@dataclass(frozen=True)
class _Text:
    """A document's text where it is not the whole of its file: `line` is where it begins there. None: all of the file."""

    path: Path
    text: str | None = None
    line: int = 1


def read_draft(document: Document, attributes: TableAttributes) -> Draft:
    """Contract and query of a table's folder, or of its call. Raises ProjectError with the mistakes of both."""
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
    if problems:
        raise ProjectError(problems)
    try:
        contract = read_contract(contract_text.path, contract_text.text)
    except ProjectError as error:
        problems += error.problems
    try:
        text = query_text.path.read_text(encoding="utf-8") if query_text.text is None else query_text.text
        query = parse_query(text, query_text.path, query_text.line)
    except ProjectError as error:
        problems += error.problems
    if problems:
        raise ProjectError(problems)
    return Draft(document.folder, document.path, document.line, attributes, contract, query)


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

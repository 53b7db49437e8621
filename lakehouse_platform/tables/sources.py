"""Builds a source from its attributes and checks the pattern of its files."""

from __future__ import annotations

import re
from pathlib import Path

from lakehouse_platform.ingest.bronze_columns import FILE_COLUMNS
from lakehouse_platform.ingest.source import Source, SourceAttributes
from lakehouse_platform.problems import Problem, ProjectError
from lakehouse_platform.tables.documents import Document

_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


def build_source(document: Document, attributes: SourceAttributes) -> Source:
    """The source that a document says. Raises ProjectError for a pattern that leaves the landing folder or names a column twice or badly."""
    names = tuple(_PLACEHOLDER.findall(attributes.files.path))
    taken = {field.name for field in FILE_COLUMNS}
    problems = [
        Problem(document.path, _line(document), f"files.path: {name!r} cannot be a column's name here", "use a new name of letters, digits and _")
        for position, name in enumerate(names)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in taken or name in names[:position]
    ]
    if Path(attributes.files.path).is_absolute() or ".." in Path(attributes.files.path).parts:
        problems.append(Problem(document.path, _line(document), "files.path leaves the landing folder", "give a path below it, such as retail/*.csv"))
    if attributes.changes is not None and attributes.files.on_change == "replace":
        message = "on_change: replace does not fit change events: an event that happened cannot be taken back"
        problems.append(Problem(document.path, _line(document), message, "use on_change: append, or fail"))
    if problems:
        raise ProjectError(problems)
    return Source(attributes, document.folder, names, None if document.declared is None else document.path)


def _line(document: Document) -> int:
    return 0 if document.declared is None else document.declared.line_of("files")

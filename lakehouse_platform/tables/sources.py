"""Builds a source from its attributes and checks the pattern of its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
    if attributes.has_events and attributes.files.on_change == "replace":
        message = "on_change: replace does not fit change events: an event that happened cannot be taken back"
        problems.append(Problem(document.path, _line(document), message, "use on_change: append, or fail"))
    problems += [Problem(document.path, _line(document), message, mend) for message, mend in _snapshot_mistakes(attributes, names)]
    if problems:
        raise ProjectError(problems)
    return Source(attributes, document.folder, names, None if document.declared is None else document.path)


def _snapshot_mistakes(attributes: SourceAttributes, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    time = attributes.snapshot_time
    if attributes.has_snapshots and time is None:
        yield "changes: snapshot needs the time of each", 'add snapshot_time: {name: …, format: "%Y-%m-%d"} with a {name} of files.path'
    if time is not None and not attributes.has_snapshots:
        yield "snapshot_time is for sources of snapshots", "add changes: snapshot, or leave it out"
    if time is not None and time.name not in names:
        yield f"snapshot_time: files.path has no {{{time.name}}}", f"name one of {', '.join(names) or 'its {name}s, such as {snapshot_date}'}"
    if time is not None and not time.tells_a_day:
        yield f"snapshot_time: {time.format!r} does not tell a day", 'use strftime codes, such as "%Y-%m-%d" or "%Y%m%dT%H%M%S"'
    if attributes.has_snapshots and attributes.files.on_change == "append":
        message = "on_change: append does not fit snapshots: rows that are gone from a file would stay"
        yield message, "use on_change: replace, or fail and land the correction under another name"


def _line(document: Document) -> int:
    return 0 if document.declared is None else document.declared.line_of("files")

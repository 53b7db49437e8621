"""All tables of a project together: loads every folder, resolves inputs and orders tables. Not here: the checks of one table (checks.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from lakehouse_platform.engine.duckdb import memory_session
from lakehouse_platform.ingest.source import Source, SourceAttributes
from lakehouse_platform.problems import Problem, ProjectError
from lakehouse_platform.tables.attributes import TableAttributes
from lakehouse_platform.tables.checks import Upstream, check_table
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.documents import Document, read_documents
from lakehouse_platform.tables.draft import Draft, read_draft
from lakehouse_platform.tables.references import reference_problems
from lakehouse_platform.tables.sources import build_source


@dataclass(frozen=True)
class Project:
    """The sources and tables below one defs folder; `tables` stand in an order in which every input comes before its readers.

    `declared` names those that Python files declare: no defs.yaml loads them.
    """

    root: Path
    sources: Mapping[str, Source]
    tables: Mapping[str, Table]
    declared: tuple[str, ...] = ()

    def downstream(self, name: str) -> tuple[str, ...]:
        """All tables that a source or table feeds, directly or not, each after its inputs."""
        reached = {name}
        for table in self.tables.values():
            if reached.intersection(table.inputs):
                reached.add(table.name)
        return tuple(table for table in self.tables if table in reached and table != name)

    def source_of(self, name: str) -> tuple[str, ...]:
        """The sources that a table is made from, directly or not."""
        if name in self.sources:
            return (name,)
        found = [source for source in self.sources if name in self.downstream(source)]
        return tuple(found)


def load_project(defs_root: Path) -> Project:
    """Load and check every table below a folder, before anything runs. Raises ProjectError with all mistakes at once."""
    documents, problems = read_documents(defs_root)
    problems += _double_names(documents)
    sources: dict[str, Source] = {}
    drafts: list[Draft] = []
    for document in documents:
        if document.is_source:
            _take_source(document, sources, problems)
        else:
            attributes = document.attributes if isinstance(document.attributes, TableAttributes) else None
            draft, mistakes = read_draft(document, attributes)
            drafts.append(draft)
            problems += mistakes
    # What a table gives to others is its contract's to say, so that a broken query hides no mistake further down.
    known = {draft.name: draft.table for draft in reversed(drafts)}
    readable = {name: table for name, table in known.items() if table is not None}
    unclear = frozenset(document.name for document in documents) - set(sources) - set(readable)
    order, circles = _ordered(readable)
    problems += circles
    tables = _checked(drafts, Upstream(sources, readable, unclear), problems)
    if not unclear:
        # The name that is referred to may be the one of a table that could not be read.
        problems += reference_problems(readable)
    if problems:
        raise ProjectError(sorted(set(problems), key=lambda problem: (str(problem.path), problem.line)))
    declared = tuple(document.name for document in documents if document.declared is not None)
    return Project(defs_root, sources, {name: tables[name] for name in order}, declared)


def _take_source(document: Document, sources: dict[str, Source], problems: list[Problem]) -> None:
    if isinstance(document.attributes, SourceAttributes) and document.is_whole:
        try:
            sources.setdefault(document.name, build_source(document, document.attributes))
        except ProjectError as error:
            problems += error.problems


def _checked(drafts: Iterable[Draft], upstream: Upstream, problems: list[Problem]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    with memory_session() as session:
        for draft in drafts:
            table, mistakes = check_table(session, draft, upstream)
            problems += mistakes
            if table is not None:
                tables[draft.name] = table
    return tables


def _double_names(documents: Iterable[Document]) -> list[Problem]:
    seen: dict[str, Path] = {}
    problems = []
    for document in documents:
        name = document.name
        if name and name in seen:
            problems.append(Problem(document.path, document.line, f"{name} is already defined in {seen[name]}", "give one of the two another name"))
        seen.setdefault(name, document.path)
    return problems


def _ordered(tables: Mapping[str, Table]) -> tuple[list[str], list[Problem]]:
    """The names so that every input comes before its readers, and each circle that stands against it."""
    graph = {name: [read for read in table.inputs if read in tables] for name, table in tables.items()}
    problems: list[Problem] = []
    while True:
        try:
            return list(TopologicalSorter(graph).static_order()), problems
        except CycleError as error:
            read, reader = error.args[1][:2]
            circle = " -> ".join(error.args[1])
            query = tables[reader].query
            line = query.line_of_input(read)
            problems.append(Problem(query.path, line, f"tables read each other in a circle: {circle}", "take one of these inputs out of its query"))
            # Without this step of it, other circles show.
            graph[reader].remove(read)

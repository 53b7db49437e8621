"""All tables of a project together: loads every folder, resolves inputs and orders tables. Not here: the checks of one table (checks.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from lakehouse_platform.engine.duckdb import Session, memory_session
from lakehouse_platform.ingest.source import Source, SourceAttributes
from lakehouse_platform.problems import Problem, ProjectError
from lakehouse_platform.tables.checks import Upstream, build_table
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
    sources = {}
    drafts: dict[str, Draft] = {}
    for document in documents:
        try:
            if isinstance(document.attributes, SourceAttributes):
                sources[document.attributes.table] = build_source(document, document.attributes)
            else:
                drafts[document.attributes.table] = read_draft(document, document.attributes)
        except ProjectError as error:
            problems += error.problems
    broken = {document.attributes.table for document in documents} - set(sources) - set(drafts)
    order, cycle_problems = _ordered(drafts)
    problems += cycle_problems
    with memory_session() as session:
        tables = _build_all(session, [drafts[name] for name in order], Upstream(sources, {}), broken, problems)
    if not broken:
        # What a broken table's columns are is not known, and its name may be what is referred to.
        problems += reference_problems(tables)
    if problems:
        raise ProjectError(sorted(set(problems), key=lambda problem: (str(problem.path), problem.line)))
    return Project(defs_root, sources, tables, tuple(document.attributes.table for document in documents if document.declared is not None))


def _build_all(session: Session, drafts: Iterable[Draft], upstream: Upstream, broken: set[str], problems: list[Problem]) -> dict[str, Table]:
    """Build tables whose inputs stand before them; one below a broken table is passed over, since its mistakes would not be its own."""
    tables = upstream.tables
    for draft in drafts:
        name = draft.attributes.table
        if broken.intersection(draft.query.inputs):
            broken.add(name)
            continue
        try:
            tables[name] = build_table(session, draft, upstream)
        except ProjectError as error:
            broken.add(name)
            problems += error.problems
    return tables


def _double_names(documents: Iterable[Document]) -> list[Problem]:
    seen: dict[str, Path] = {}
    problems = []
    for document in documents:
        name = document.attributes.table
        if name in seen:
            problems.append(Problem(document.path, document.line, f"{name} is already defined in {seen[name]}", "give one of the two another name"))
        seen.setdefault(name, document.path)
    return problems


def _ordered(drafts: Mapping[str, Draft]) -> tuple[list[str], list[Problem]]:
    graph = {name: [table for table in draft.query.inputs if table in drafts] for name, draft in drafts.items()}
    try:
        return list(TopologicalSorter(graph).static_order()), []
    except CycleError as error:
        circle = list(error.args[1])
        problem = Problem(
            drafts[circle[0]].sql_path, 0, f"tables read each other in a circle: {' -> '.join(circle)}", "take one of these inputs out of its query"
        )
        return [], [problem]

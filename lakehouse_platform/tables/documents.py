"""Reads the defs.yaml files below a folder, and what its Python files declare, into attributes, with the line of each mistake.

Not here: contracts and queries.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lakehouse_platform.ingest.source import SourceAttributes
from lakehouse_platform.problems import Problem
from lakehouse_platform.tables.attributes import Refresh, TableAttributes
from lakehouse_platform.tables.declared import Declared
from lakehouse_platform.tables.python_files import read_declared

TABLE_TYPE, SOURCE_TYPE = "lakehouse_platform.Table", "lakehouse_platform.Source"
_TABLE_FILES = ("contract.yaml", "transform.sql")
# What Dagster lets a defs.yaml say: of any other key, a run would tell as a traceback only.
KEYS = ("type", "attributes", "requirements", "template_vars_module", "post_processing")
_MODELS: dict[str, type[TableAttributes] | type[SourceAttributes]] = {TABLE_TYPE: TableAttributes, SOURCE_TYPE: SourceAttributes}


@dataclass(frozen=True)
class Document:
    """One defs.yaml of a table or a source, or one call in a Python file; `line` is where its attributes begin.

    With a mistake among its attributes it is not `is_whole`: `attributes` are those without the mistakes, None where these say too little.
    """

    path: Path
    line: int
    name: str
    attributes: TableAttributes | SourceAttributes | None
    declared: Declared | None = None
    is_whole: bool = True

    @property
    def is_source(self) -> bool:
        """Whether it says where records come from, as far as it can be told."""
        return isinstance(self.attributes, SourceAttributes) or (self.attributes is None and self.name.startswith("bronze/"))

    @property
    def folder(self) -> Path:
        """The table's folder; for one that Python declares, `<layer>_<table>` beside the file, which need not be there."""
        return self.path.parent if self.declared is None else self.path.parent / self.name.replace("/", "_")


def read_documents(defs_root: Path) -> tuple[list[Document], list[Problem]]:
    """Every table and source below a folder, and every mistake in what their attributes say; files of other component types are passed over."""
    documents: list[Document] = []
    problems: list[Problem] = []
    folders = sorted({path.parent for name in _TABLE_FILES for path in defs_root.rglob(name)})
    problems += [
        Problem(folder, 0, "this looks like a table's folder and has no defs.yaml", f"add one of type: {TABLE_TYPE}")
        for folder in folders
        if not (folder / "defs.yaml").exists()
    ]
    for path in sorted(defs_root.rglob("defs.yaml")):
        mistakes: list[Problem] = []
        found = [_document(path, node, mistakes) for node in _mappings(path, mistakes)]
        documents += [document for document in found if document is not None]
        if mistakes and not any(found):
            documents.append(Document(path, 0, _name_of_folder(path), None, is_whole=False))
        problems += mistakes
    calls, mistakes = read_declared(defs_root)
    problems += mistakes
    documents += [_called(declared, problems) for declared in calls]
    return documents, problems


def _called(declared: Declared, problems: list[Problem]) -> Document:
    kind = SOURCE_TYPE if declared.query is None else TABLE_TYPE
    try:
        attributes = _MODELS[kind].model_validate(declared.attributes)
    except ValidationError as error:
        for mistake in error.errors():
            location = [str(part) for part in mistake["loc"]]
            line = declared.line_of(location[0] if location else "")
            mend = _mend(kind, location, mistake["type"]).replace("under attributes", "to the call")
            problems.append(Problem(declared.path, line, f"{'.'.join(location)}: {mistake['msg']}", mend))
        name, kept = _without_mistakes(kind, declared.attributes, error)
        return Document(declared.path, declared.line, name, kept, declared, is_whole=False)
    return Document(declared.path, declared.line, attributes.table, attributes, declared)


def _without_mistakes(kind: str, values: Any, error: ValidationError) -> tuple[str, TableAttributes | SourceAttributes | None]:
    """The name, and the attributes without those that are mistakes (None where what is left says too little): the rest is judged all the same."""
    if not isinstance(values, Mapping):
        return "", None
    wrong = {mistake["loc"][0] for mistake in error.errors() if mistake["loc"]}
    kept = {name: value for name, value in values.items() if name not in wrong}
    if str(kept.get("table", "")).startswith("silver/"):
        # What a silver table's columns must be does not depend on how it refreshes.
        kept.setdefault("refresh", Refresh.UPSERT)
    try:
        return str(values.get("table", "")).lower(), _MODELS[kind].model_validate(kept)
    except ValidationError:
        return str(values.get("table", "")).lower(), None


def _mappings(path: Path, problems: list[Problem]) -> Iterator[yaml.MappingNode]:
    try:
        for node in yaml.compose_all(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader):
            if isinstance(node, yaml.MappingNode):
                yield node
    except UnicodeDecodeError as error:
        problems.append(Problem(path, 0, f"this is not UTF-8: {error.reason}", "save the file as UTF-8"))
    except yaml.MarkedYAMLError as error:
        problems.append(_no_yaml(path, error))


def _name_of_folder(path: Path) -> str:
    """The table that an unreadable defs.yaml is likely to define, so that whoever reads that one is not blamed."""
    name = path.parent.name.replace("_", "/", 1)
    return name if name.startswith(("bronze/", "silver/", "gold/")) else ""


def _no_yaml(path: Path, error: yaml.MarkedYAMLError) -> Problem:
    line = error.problem_mark.line + 1 if error.problem_mark else 0
    return Problem(path, line, f"this is not YAML: {error.problem}", "correct the indentation or the quotes at this line")


def _document(path: Path, node: yaml.MappingNode, problems: list[Problem]) -> Document | None:
    entries = {key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    if _kind(entries) in (None, *_MODELS):
        problems += _unknown_keys(path, entries)
    kind = _kind(entries)
    if kind not in _MODELS:
        if any((path.parent / name).exists() for name in _TABLE_FILES):
            line = entries["type"][0].start_mark.line + 1 if "type" in entries else 1
            problems.append(Problem(path, line, f"there is no component {kind} for a table", f"use type: {TABLE_TYPE}"))
        return None
    key, value = entries.get("attributes", (node, node))
    try:
        values = _plain(value) if "attributes" in entries else {}
    except yaml.MarkedYAMLError as error:
        problems.append(_no_yaml(path, error))
        return None
    line = key.start_mark.line + 1
    try:
        attributes = _MODELS[kind].model_validate(values)
    except ValidationError as error:
        for mistake in error.errors():
            location = [str(part) for part in mistake["loc"]]
            message = f"{'.'.join(location) or 'attributes'}: {mistake['msg']}"
            problems.append(Problem(path, _line(value, location), message, _mend(kind, location, mistake["type"])))
        name, kept = _without_mistakes(kind, values, error)
        return Document(path, line, name or _name_of_folder(path), kept, is_whole=False)
    return Document(path, line, attributes.table, attributes)


def _kind(entries: Mapping[str, tuple[yaml.ScalarNode, yaml.Node]]) -> str | None:
    return str(entries["type"][1].value) if "type" in entries else None


def _unknown_keys(path: Path, entries: dict[str, tuple[yaml.ScalarNode, yaml.Node]]) -> list[Problem]:
    """Keys that no defs.yaml has; what stands below a misspelled one is then found under its right name, so that its own mistakes are told too."""
    problems = []
    for name in [name for name in entries if name not in KEYS]:
        nearest = next((known for known in difflib.get_close_matches(name, KEYS, n=1) if known not in entries), None)
        mend = f"write {nearest}" if nearest else f"remove it, or write it under attributes; known here are {', '.join(KEYS)}"
        problems.append(Problem(path, entries[name][0].start_mark.line + 1, f"a defs.yaml has no {name}", mend))
        if nearest is not None:
            entries[nearest] = entries.pop(name)
    return problems


def _plain(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _line(node: yaml.Node, location: list[str]) -> int:
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
    return line


def _mend(kind: str, location: list[str], mistake: str) -> str:
    known = ", ".join(_MODELS[kind].model_fields)
    if mistake == "extra_forbidden":
        return f"remove it or correct its name; known attributes are {known}"
    if mistake == "missing":
        return f"add {location[-1]} under attributes"
    if location == ["table"]:
        layers = "bronze/" if kind == SOURCE_TYPE else "silver/ or gold/"
        return f"write {layers} and a name of lower-case letters, digits and _, such as {'bronze' if kind == SOURCE_TYPE else 'silver'}/order_lines"
    return "correct the value; docs/defs.md lists what each attribute takes"

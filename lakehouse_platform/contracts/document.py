"""A contract's YAML with the line of every part, and the mistakes found in it. Not here: what the parts mean."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import BaseModel, ValidationError

from lakehouse_platform.problems import Problem, ProjectError

Location = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Leaves dates as text, as the standard's JSON schema wants them."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass
class Document:
    """A document being read: its nodes, and the mistakes found so far. A location is the path of keys and indexes from the root."""

    path: Path
    text: str
    root: yaml.Node
    problems: list[Problem] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """The line of the part, or of the nearest part around it that exists."""
        node, line = self.root, self.root.start_mark.line + 1
        for step in location:
            if isinstance(node, yaml.MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == step), None)
                if pair is None:
                    continue  # pydantic names the branch of a union within its locations
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node = node.value[step]
                line = node.start_mark.line + 1
        return line

    def mistake(self, location: Location, message: str, mend: str) -> None:
        """Note a mistake at that part."""
        self.mistake_at(self.line(location), message, mend)

    def mistake_at(self, line: int, message: str, mend: str) -> None:
        """Note a mistake at that line."""
        self.problems.append(Problem(self.path, line, message, mend))

    def raise_problems(self) -> None:
        """Raise all mistakes found, in the order of their lines, if there are any."""
        if self.problems:
            raise ProjectError(sorted(self.problems, key=lambda problem: problem.line))


def read_document(path: Path, text: str | None = None) -> tuple[Document, OpenDataContractStandard]:
    """Read a file, or the text that stands for it, into the standard's model.

    Parts that the model refuses are noted as mistakes and left out, so that the rest can be judged.
    """
    document, values = _open(path, text)
    _note_unknown_names(document, OpenDataContractStandard, values, ())
    try:
        return document, OpenDataContractStandard.model_validate(values)
    except ValidationError as error:
        for mistake in error.errors():
            if mistake["type"] != "extra_forbidden":  # noted above, with the nearest known name
                message = f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}"
                document.mistake(mistake["loc"], message, "write it as the Open Data Contract Standard says")
            _leave_out(values, mistake["loc"])
    try:
        return document, OpenDataContractStandard.model_validate(values)
    except ValidationError:
        document.raise_problems()
        raise


def _open(path: Path, text: str | None) -> tuple[Document, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8") if text is None else text
        root = yaml.compose(text, Loader=_Loader)
        repeated = list(_repeated_keys(root)) if root else []
        values: dict[str, Any] = _Loader("").construct_document(root) if root else {}
    except FileNotFoundError:
        raise ProjectError([Problem(path, 0, "there is no contract", "write an Open Data Contract Standard document of that name")]) from None
    except UnicodeDecodeError as error:
        raise ProjectError([Problem(path, 0, f"this is not UTF-8: {error.reason}", "save the file as UTF-8")]) from error
    except RecursionError:
        raise ProjectError([Problem(path, 0, "a part of this contains itself by its alias", "write the part out")]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        mend = "correct the indentation or the quotes at this line"
        raise ProjectError([Problem(path, line, f"this is not YAML: {error.problem}", mend)]) from error
    if not isinstance(root, yaml.MappingNode):
        raise ProjectError([Problem(path, 1, "this is no contract", "begin with apiVersion, kind, id, version and schema")])
    document = Document(path, text, root)
    for key in repeated:
        document.mistake_at(key.start_mark.line + 1, f"{key.value!r} stands here twice", "keep one of them")
    return document, values


def _repeated_keys(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


def _note_unknown_names(document: Document, annotation: Any, value: Any, location: Location) -> None:
    # The standard's models pass over names that they don't know, so a misspelt `required` would be no demand at all.
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    for option in options:
        if isinstance(value, list) and get_origin(option) is list:
            for index, item in enumerate(value):
                _note_unknown_names(document, get_args(option)[0], item, (*location, index))
        elif isinstance(value, dict) and isinstance(option, type) and issubclass(option, BaseModel):
            known = {field.alias or name: field.annotation for name, field in option.model_fields.items()}
            for name, part in value.items():
                if name in known:
                    _note_unknown_names(document, known[name], part, (*location, name))
                    continue
                nearest = difflib.get_close_matches(str(name), known, n=1)
                mend = f"write {nearest[0]}" if nearest else f"remove it; known here are {', '.join(known)}"
                document.mistake((*location, name), f"the standard has no {name!r} in {option.__name__}", mend)


def _leave_out(values: Any, location: Location) -> None:
    steps: list[tuple[Any, str | int]] = []
    for step in location:
        inner = values if not steps else steps[-1][0][steps[-1][1]]
        if (isinstance(inner, dict) and step in inner) or (isinstance(inner, list) and isinstance(step, int)):
            steps.append((inner, step))
    if not steps:
        return
    holder, last = steps[-1]
    if isinstance(holder, dict):
        del holder[last]
    else:
        holder[last] = {}  # the place stays, so that the others keep their index

"""Writes docs/reference.md from what there is: attributes, custom properties, settings, commands. `python -m lakehouse_platform.cli.reference FILE`.

Not here: what any of it means beyond its own description; the other pages of docs/ explain.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.models import ArgumentInfo, ParameterInfo

from lakehouse_platform.cli.app import app
from lakehouse_platform.contracts.properties import COLUMN_PROPERTIES, REFERENCE_PROPERTIES
from lakehouse_platform.ingest.source import SourceAttributes
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.attributes import TableAttributes

_HEAD = """# Reference

Written by `make docs` from the code: change a description there, not here.

"""
_SPELLED = {str: "text", int: "number", float: "number", bool: "true or false"}


def reference_text() -> str:
    """The whole page."""
    sections = {
        "`defs.yaml` of a table": [
            "`type: lakehouse_platform.Table`; what each way to refresh means is in [defs.md](defs.md).",
            _fields(TableAttributes),
        ],
        "`defs.yaml` of a source": ["`type: lakehouse_platform.Source`.", _fields(SourceAttributes)],
        "Custom properties of a contract": ["At a column, or at a relationship where it says so.", _properties()],
        "Settings": ["Variables of the environment.", _settings()],
        "Commands": [*_commands()],
    }
    return _HEAD + "\n\n".join(f"## {title}\n\n" + "\n\n".join(parts) for title, parts in sections.items()) + "\n"


def _fields(model: type[BaseModel]) -> str:
    rows = [(f"`{name}`", _kind(field.annotation), _default(field), field.description or "") for name, field in _flat(model, "")]
    return _table(("attribute", "takes", "default", "meaning"), rows)


def _flat(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a model, each followed by those of the models that it may hold."""
    for name, field in model.model_fields.items():
        yield prefix + name, field
        for inner in _models(field.annotation):
            yield from _flat(inner, f"{prefix}{name}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _kind(annotation: Any) -> str:
    """What a value looks like, in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(part) for part in parts if part is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts if part is not False)
    if origin in (tuple, list):
        return f"list of {_kind(parts[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping of " + ", ".join(f"`{name}`" for name in annotation.model_fields)
    return _SPELLED.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return _spelled(field.get_default(call_default_factory=True, validated_data={}))


def _spelled(value: Any) -> str:
    match value:
        case None | () | "":
            return ""
        case BaseModel():
            return "`{" + ", ".join(f"{name}: {part}" for name, part in value.model_dump().items()) + "}`"
        case bool():
            return f"`{str(value).lower()}`"
        case Enum():
            return f"`{value.value}`"
        case _:
            return f"`{value}`"


def _properties() -> str:
    rows = [(f"`{name}`", ", ".join(column.types), column.meaning) for name, column in COLUMN_PROPERTIES.items()]
    rows += [(f"`{name}`", "relationship", meaning) for name, meaning in REFERENCE_PROPERTIES.items()]
    return _table(("property", "of", "meaning"), rows)


def _settings() -> str:
    fields = Settings.model_fields.items()
    rows = [(f"`LAKEHOUSE_{name.upper()}`", _kind(field.annotation), _default(field), field.description or "") for name, field in fields]
    return _table(("setting", "takes", "default", "meaning"), rows)


def _commands() -> Iterator[str]:
    if app.registered_callback is not None and app.registered_callback.callback is not None:
        yield _command("lakehouse", app.registered_callback.callback)
    yield from _below("lakehouse", app)


def _below(name: str, group: typer.Typer) -> Iterator[str]:
    """A section for each command, by name, those of a group in its place."""
    commands = {(each.name or each.callback.__name__): each.callback for each in group.registered_commands if each.callback and not each.hidden}
    groups = {each.name: each.typer_instance for each in group.registered_groups if each.name and each.typer_instance}
    for each in sorted([*commands, *groups]):
        if each in groups:
            yield from _below(f"{name} {each}", groups[each])
        else:
            yield _command(f"{name} {each}", commands[each])


def _command(name: str, function: Callable[..., Any]) -> str:
    """What a function's signature says, which is all that Typer reads of it."""
    hints = get_type_hints(function, include_extras=True)
    rows = []
    for parameter in inspect.signature(function).parameters.values():
        annotation, info = get_args(hints[parameter.name])[:2]
        default = "required" if parameter.default is inspect.Parameter.empty else _spelled(parameter.default)
        takes, default = ("flag", "") if annotation is bool else (_kind(annotation), default)
        rows.append((_parameter_name(parameter.name, info), takes, default, info.help or ""))
    text = " ".join((inspect.getdoc(function) or "").split())
    return f"### `{name}`\n\n{text}" + (f"\n\n{_table(('argument or option', 'takes', 'default', 'meaning'), rows)}" if rows else "")


def _parameter_name(name: str, info: ParameterInfo) -> str:
    if isinstance(info, ArgumentInfo):
        return f"`{info.metavar or name.upper()}`"
    # The first name given stands where Typer's older form has the default.
    given = [option for option in (info.default, *(info.param_decls or ())) if isinstance(option, str)]
    return ", ".join(f"`{option}`" for option in given or [f"--{name.replace('_', '-')}"])


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(columns)
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_text(), encoding="utf-8")

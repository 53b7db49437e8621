"""Begins a project of the user's own from the templates beside this file. Not here: the tables that are added to it (new_table.py)."""

from __future__ import annotations

from pathlib import Path

from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.scaffold.naming import snake_case

TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".template"
# A name that begins with a dot is left out of packages by some tools.
_DOT = "dot_"


def new_project(folder: Path) -> list[Path]:
    """Write a project with one example product into a folder that holds nothing yet, hidden files such as .git and .venv aside.

    Raises LakehouseError where something is there that it might mix with.
    """
    there = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.exists() else []
    written = {folder / _name(path): path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.rglob(f"*{_SUFFIX}"))}
    there += [path.name for path in written if path.exists() and path.name not in there]
    if there:
        raise LakehouseError(f"{folder} holds {', '.join(there[:5])} already. Mend: choose a new or an empty folder; nothing was written")
    name = snake_case(folder.absolute().name) or "lakehouse"
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{{name}}", name), encoding="utf-8")
    return list(written)


def _name(template: Path) -> Path:
    parts = template.relative_to(TEMPLATES).parts
    return Path(*(f".{part.removeprefix(_DOT)}" if part.startswith(_DOT) else part for part in parts)).with_suffix("")

"""Runs a project's `tables.py` files, so that what they declare is known. Not here: what a declaration says (declared.py).

The files are modules of one package that is made anew for each load: they may import each other, and a changed one counts at the next load.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from lakehouse_platform.problems import LakehouseError, Problem
from lakehouse_platform.tables.declared import FILE_NAME, Declared, reading

PACKAGE = "lakehouse_project_defs"
# What a mistake in a user's file raises; an error of their own class is theirs to see in full.
_MISTAKES = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LakehouseError, LookupError, NameError, OSError, RuntimeError, SyntaxError,
    TypeError, ValueError,
)  # fmt: skip


def defs_package(defs_root: Path) -> ModuleType:
    """A project's defs as a package that needs no installation, so that Python files in it load and may import each other."""
    spec = spec_from_loader(PACKAGE, loader=None, is_package=True)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"{defs_root} cannot be made a package")
    spec.submodule_search_locations.append(str(defs_root))
    module = module_from_spec(spec)
    for name in [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]
    sys.modules[PACKAGE] = module
    return module


def read_declared(defs_root: Path) -> tuple[list[Declared], list[Problem]]:
    """Everything that the `tables.py` files below a folder declare, and the mistakes that stopped one of them."""
    found: list[Declared] = []
    problems: list[Problem] = []
    paths = sorted(defs_root.rglob(FILE_NAME))
    if paths:
        defs_package(defs_root)
        invalidate_caches()
    for path in paths:
        try:
            with reading(path, path.read_text(encoding="utf-8")) as declared:
                import_module(".".join((PACKAGE, *path.relative_to(defs_root).with_suffix("").parts)))
            found += declared
        except _MISTAKES as error:
            problems.append(Problem(path, _line(error, path), f"{type(error).__name__}: {error}", "correct the Python at this line"))
    return found, problems


def _line(error: BaseException, path: Path) -> int:
    """The last line of the file that the error went through."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 0
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return (lines[-1] or 0) if lines else 0

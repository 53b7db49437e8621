"""Mistakes in what a user wrote: each names the file, the line and the mend, and all are told at once.

Belongs here: the shape of a mistake and of the error that carries many. Does not belong here: finding them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, what is wrong, and what mends it. `line` counts from 1; 0 means the whole file."""

    path: Path
    line: int
    message: str
    mend: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return f"{place}: {self.message}. Mend: {self.mend}"


class ProjectError(Exception):
    """A project that cannot work; carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class LakehouseError(Exception):
    """A failure at run time whose text names what failed and what mends it."""


class TransientFault(LakehouseError):
    """A failure of storage, or a race that was lost: the same may work when it is tried again. All others are of data or contract."""

"""Reads a page of docs/ that is a whole project: its files by the names above them, and its commands with what they print. Not here: running it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# `a name` alone on a line and a block, or a block of commands. A closing fence stands alone.
_PART = re.compile(r"(?:^`(?P<name>[^`\n]+)`\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Written:
    """A file that the page tells to write."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of the page, and the lines that it prints there; none are shown where they are of no interest.

    `exit_code` is what a comment behind it says (`# exit code 1`), 0 without one. `$BATCH` among the arguments is the batch that waits.
    """

    arguments: tuple[str, ...]
    shown: tuple[str, ...]
    exit_code: int = 0


def parts_of(page: Path) -> Iterator[Written | Command]:
    """The files and commands of a page, in order. Other blocks only explain."""
    for found in _PART.finditer(page.read_text(encoding="utf-8")):
        if found["name"] is not None:
            yield Written(found["name"], found["text"])
        elif found["kind"] == "console":
            yield from _commands(found["text"])


def _commands(text: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *shown = part.rstrip("\n").split("\n")
        code = re.search(r"# exit code (\d)$", command)
        yield Command(tuple(shlex.split(command, comments=True)), tuple(shown), int(code[1]) if code else 0)

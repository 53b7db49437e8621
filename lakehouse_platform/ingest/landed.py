"""Which files have landed for a source, and what their paths say. Not here: what is in them (content.py)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lakehouse_platform.ingest.source import Source

_PART = re.compile(r"\*|\{([^}]*)\}")


@dataclass(frozen=True)
class LandedFile:
    """A file that matches a source's path. `source_file` is its path below the landing folder, `path_values` are its `{name}`s in order.

    `is_named`: under another name it is another file, whatever it holds.
    """

    path: Path
    source_file: str
    path_values: tuple[str, ...] = ()
    is_named: bool = False

    @property
    def identity_values(self) -> tuple[str, ...]:
        """What goes into its identity beside its content."""
        return (*self.path_values, self.source_file) if self.is_named else self.path_values


def landed_files(landing: Path, source: Source) -> list[LandedFile]:
    """All files of a source, by path. Names that start with a dot are files still being written, and left alone."""
    found = []
    for path in landing.glob(_glob(source.attributes.files.path)):
        file = landed_as(path, path.relative_to(landing).as_posix(), source)
        if file is not None and path.is_file():
            found.append(file)
    return sorted(found, key=lambda file: file.source_file)


def landed_as(path: Path, name: str, source: Source) -> LandedFile | None:
    """A file as one of a source that lies at `name` below the landing folder; None where that is no name of the source's files."""
    match = re.fullmatch(regular_expression(source.attributes.files.path), name, re.DOTALL)
    if match is None or name.rsplit("/", 1)[-1].startswith("."):
        return None
    values = tuple(match[column] for column in source.path_columns)
    # Of snapshots the names decide which correction counts: where one takes back another, its content was there before.
    return LandedFile(path, name, values, is_named=source.attributes.has_snapshots)


def _glob(pattern: str) -> str:
    """The pattern for a glob, in which nothing but our own * means many."""
    return re.sub(r"[?\[]", r"[\g<0>]", _PART.sub("*", pattern))


def regular_expression(pattern: str) -> str:
    """A pattern of paths, or a part of one, as a regular expression with a group for each `{name}`."""
    parts, start = [], 0
    for match in _PART.finditer(pattern):
        parts.append(re.escape(pattern[start : match.start()]))
        parts.append(f"(?P<{match[1]}>[^/]+)" if match[1] else "[^/]*")
        start = match.end()
    return "".join([*parts, re.escape(pattern[start:])])

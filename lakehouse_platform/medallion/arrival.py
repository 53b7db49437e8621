"""Puts a file from anywhere among a source's landed files: whole or not at all, and only where it would be taken. Not here: taking it (bronze.py)."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from lakehouse_platform.ingest.content import examine
from lakehouse_platform.ingest.landed import LandedFile, landed_as
from lakehouse_platform.ingest.landing_name import landing_name
from lakehouse_platform.ingest.ledger import ContentChanged, Take, next_take, was_taken
from lakehouse_platform.ingest.records import RecordStream
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError


@dataclass(frozen=True)
class Arrival:
    """What became of a file: the name that it has, or would have, below the landing folder, and in words what was done."""

    source_file: str
    what: str


def put(lakehouse: Lakehouse, source_name: str, path: Path, *, name: str | None = None, values: Mapping[str, str] | None = None) -> Arrival:
    """Land a file under its own name, or another. Nothing is done where its content was landed before or taken already, or where it holds no record.

    Raises NoName where its name cannot be told, LakehouseError where its name is taken by other content, FileRefused where it is broken.
    """
    source = lakehouse.project.sources[source_name]
    found = landing_name(source, path.name, name=name, values=values)
    target = lakehouse.settings.landing / found
    try:
        if target.exists() and target.samefile(path):
            return Arrival(found, "was landed before")
        target.parent.mkdir(parents=True, exist_ok=True)
        # A name that starts with a dot is left alone by all that look for landed files; its ending says how it is packed.
        aside = target.with_name(f".{uuid4().hex}{target.suffix}")
        try:
            _copy(path, aside, lakehouse.settings.settle_seconds)
            return Arrival(found, _landed(lakehouse, source, aside, found, target))
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise LakehouseError(f"{path} cannot be landed as {target} ({error.strerror or error}); nothing was done") from error


def _landed(lakehouse: Lakehouse, source: Source, aside: Path, name: str, target: Path) -> str:
    file = landed_as(aside, name, source)
    assert file is not None
    if target.exists():
        return _there(file, target)
    if (what := _why_not(lakehouse, source, file)) is not None:
        return what
    try:
        _move(aside, target)
    except FileExistsError:
        return _there(file, target)
    return "landed"


def _copy(path: Path, aside: Path, settle_seconds: float) -> None:
    with path.open("rb") as given, aside.open("xb") as copy:
        shutil.copyfileobj(given, copy, 1 << 20)
        copy.flush()
        os.fsync(copy.fileno())
    # It is complete, so nobody needs to wait until it rests.
    modified = min(path.stat().st_mtime, time.time() - settle_seconds - 1)
    os.utime(aside, (modified, modified))


def _there(file: LandedFile, target: Path) -> str:
    if _digest(file) != _digest(LandedFile(target, file.source_file, file.path_values, file.is_named)):
        raise _taken(file)
    return "was landed before"


def _digest(file: LandedFile) -> str:
    return examine(file, has_quotes=False, has_lines=False).digest


def _why_not(lakehouse: Lakehouse, source: Source, file: LandedFile) -> str | None:
    """Why a file would not be taken; None where all of it would."""
    snapshot = lakehouse.snapshot(source.name)
    try:
        take = next_take(file, source, snapshot, 0)
    except ContentChanged as error:
        raise _taken(file) from error
    if take is None:
        return "was taken already" if was_taken(file, snapshot) else "holds no record"
    if take.start or take.supersedes:
        raise _taken(file)
    return None if _has_record(source, take) else "holds no record" + (" after its header" if source.attributes.files.format == "csv" else "")


def _has_record(source: Source, take: Take) -> bool:
    return any(batch.num_rows for batch in RecordStream(source, [take]).reader())


def _taken(file: LandedFile) -> LakehouseError:
    return LakehouseError(f"{file.source_file}: another content has that name; nothing was done. Mend: give this one another name by --as")


def _move(aside: Path, target: Path) -> None:
    """Give the file its name, durably. Raises FileExistsError where another has it by now."""
    try:
        os.link(aside, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links; two commands at once could only be told apart by one.
        aside.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

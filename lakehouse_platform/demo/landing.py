"""Puts the demo's files into the landing folder, each whole or not at all, and none twice. Not here: what is in them."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from lakehouse_platform.demo import activity, airports, retail, sensors
from lakehouse_platform.demo.real_data import KNOWN, real_files
from lakehouse_platform.problems import LakehouseError

logger = logging.getLogger(__name__)
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).timestamp()

# A file's path below the landing folder, and its bytes.
DemoFile = tuple[str, bytes]


def land(landing: Path, data: Path | None, *, seed: int = 20101201) -> dict[str, int]:
    """Land the real files of a folder, or generated ones without a folder; gives back how many files each domain now has of them.

    Raises LakehouseError for a folder with nothing known in it; names in the log what of a folder it does not know.
    """
    return generate(landing, seed=seed) if data is None else unpack(data, landing)


def unpack(data: Path, landing: Path) -> dict[str, int]:
    """Land the known data sets of a folder."""
    known = [data / name for name in KNOWN]
    missing = [path.name for path in known if not path.exists()]
    if len(missing) == len(known):
        raise LakehouseError(f"{data} holds none of {', '.join(KNOWN)}. Mend: give the folder that holds them, or none for generated data")
    if missing:
        logger.warning("%s lacks %s; their products stay empty", data, ", ".join(missing))
    unknown = sorted(path.name for path in data.iterdir() if path not in known)
    logger.info("left where it is, as no product reads it: %s", ", ".join(unknown) or "nothing")
    return _write_all(landing, real_files(data))


def generate(landing: Path, *, seed: int) -> dict[str, int]:
    """Land generated files, the same for the same seed."""

    def files() -> Iterator[DemoFile]:
        for product in (retail, activity, airports, sensors):
            yield from product.generated(seed)

    return _write_all(landing, files())


def _write_all(landing: Path, files: Iterable[DemoFile]) -> dict[str, int]:
    domains: Counter[str] = Counter()
    for name, content in files:
        _write_once(landing / name, content)
        domains[name.split("/")[0]] += 1
    return dict(domains)


def _write_once(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, so that whoever reads it, or kills us, never sees half of it."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_bytes(content)
    # It is whole: ingest need not wait for it to rest before it takes a last record without a line end.
    os.utime(aside, (_LONG_AGO, _LONG_AGO))
    aside.replace(path)

"""Options of object stores that Python code gave, by the place that they are for. Not here: what the environment says (options.py)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from lakehouse_platform.problems import LakehouseError

_given: dict[str, dict[str, str]] = {}


def give(location: str, options: Mapping[str, str]) -> None:
    """Let every client of this process reach the bucket of a URL with these options, in the clients' own words.

    Raises LakehouseError where it was given others: two users of one bucket would take each other's.
    """
    bucket = _bucket(location)
    known = _given.setdefault(bucket, dict(options))
    if known != dict(options):
        other = sorted(name for name in known.keys() | options.keys() if known.get(name) != options.get(name))
        raise LakehouseError(f"{bucket} is reached with another {', '.join(other)} already; give all that use it the same storage options")


def given_options(location: str) -> Mapping[str, str]:
    """What was given for the bucket of a URL."""
    return _given.get(_bucket(location), {})


def _bucket(location: str) -> str:
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}"

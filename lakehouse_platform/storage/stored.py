"""What there is to know of a stored file, and which places are remote. Not here: reading and writing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

# Amazon S3 and what speaks like it, Google Cloud Storage, Azure.
SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "adl")
# Spark spells a file of this machine with one slash or three.
_LOCAL = re.compile(r"^file:(?://)?(?=/)")
_OTHER_S3 = re.compile(r"^s3[an]://")


@dataclass(frozen=True)
class StoredFile:
    """A file below a folder. `path` is relative to that folder, with `/`, as it stands in storage; `modified` is an instant in UTC."""

    path: str
    size_bytes: int
    modified: datetime


def is_remote(location: str) -> bool:
    """Whether a location is in an object store (`s3://…`) rather than a path of this machine."""
    return "://" in location


def joined(folder: str, path: str) -> str:
    """The name of a file below a folder."""
    return f"{folder.rstrip('/')}/{path}"


def unwrapped(url: str) -> str:
    """A location for Spark's spelling of one: a path for a file's URL, s3 for its s3a; any other text as it is."""
    return _OTHER_S3.sub("s3://", _LOCAL.sub("", url, count=1), count=1)


def located(typed: str) -> str:
    """The location that a person means by a path, relative to the working folder, or by a URL."""
    location = unwrapped(typed)
    return location if is_remote(location) else str(Path(location).expanduser().absolute())

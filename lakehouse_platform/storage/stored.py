"""What there is to know of a stored file, and which places are remote. Not here: reading and writing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

# Amazon S3 and what speaks like it, Google Cloud Storage, Azure.
SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "adl")


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

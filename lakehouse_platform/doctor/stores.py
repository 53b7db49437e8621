"""Whether the object stores that tables lie in can be reached, and keep what commits need of them. Not here: the tables in them (data.py)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

from lakehouse_platform.findings import Finding, Status
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined


def store_findings(settings: Settings) -> Iterator[Finding]:
    """A finding for each root in an object store: a file is put there, not put a second time, read, and removed."""
    for root in settings.remote_roots:
        try:
            yield _store(root)
        except LakehouseError as error:
            mend = "set the variables of the store's client: docs/storage.md has them"
            yield Finding("store", root, Status.FAILED, str(error), mend)


def _store(root: str) -> Finding:
    probe = joined(root, f"_doctor/{uuid4().hex}")
    storage.put(probe, b"first", if_absent=True)
    try:
        is_overwritten = storage.put(probe, b"second", if_absent=True)
        content = storage.read(probe)
    finally:
        storage.delete([probe])
    if is_overwritten or content != b"first":
        message = "takes a conditional put (If-None-Match) of a name that is taken: two writers would overwrite each other's commits"
        return Finding("store", root, Status.FAILED, message, "use a store, or a newer version of it, that refuses such a put")
    return Finding("store", root, Status.OK, "can be written, read and cleared, and refuses a second commit of one version")

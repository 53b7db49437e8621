"""What became of a commit that storage answered with an error: it may stand in the log all the same. Not here: making commits."""

from __future__ import annotations

import json
from uuid import uuid4

from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined

COMMIT_ID = "commit_id"


class CommitUnknown(TransientFault):
    """Whether a commit was made cannot be told for now: not that it was, and not that it was not."""


def new_commit_id() -> str:
    """A name for one commit, to know it by in the log."""
    return uuid4().hex


def commit_path(location: str, version: int) -> str:
    """Where the log of a table keeps a version."""
    return joined(location, f"_delta_log/{version:020d}.json")


def stands_in_log(location: str, version: int, commit_id: str, error: Exception) -> bool:
    """Whether a version is the commit of that id, after `error` left it open.

    Raises CommitUnknown where the log cannot be read either: then nobody knows yet.
    """
    try:
        content = storage.read(commit_path(location, version))
    except (LakehouseError, OSError) as unread:
        raise CommitUnknown(
            f"{location}: it is unknown whether version {version} was committed ({error}), since the log cannot be read either ({unread}). "
            "Mend: run it again once storage answers; what was committed is found there and not written twice"
        ) from error
    return content is not None and _commit_id(content) == commit_id


def _commit_id(content: bytes) -> str | None:
    # Another's commit may be damaged or spelt in any way: then it is not ours.
    for line in content.decode(errors="replace").split("\n"):
        if '"commitInfo"' in line:
            try:
                found = json.loads(line)["commitInfo"].get(COMMIT_ID)
            except (ValueError, KeyError, AttributeError, TypeError):
                return None
            return found if isinstance(found, str) else None
    return None

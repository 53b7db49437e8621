"""Names for versions of a table that are to stay readable, kept beside its log. Not here: what vacuum and log clean-up do with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined

# Begins with a letter: neither a version nor a timestamp does, so that one argument can be any of the three.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_SUFFIX = ".json"


@dataclass(frozen=True)
class Tag:
    """A name for a version; `made` is when it was given, in UTC."""

    name: str
    version: int
    made: datetime


def is_tag_name(text: str) -> bool:
    """Whether a text can be a tag: a letter, then letters, digits, `_`, `-` and `.`, 100 at most."""
    return _NAME.fullmatch(text) is not None


def add_tag(location: str, name: str, version: int) -> Tag:
    """Name a version of the table. Raises LakehouseError for what is no name, or names another version already."""
    if not is_tag_name(name):
        raise LakehouseError(f"{name!r} is no name for a tag: begin with a letter, then letters, digits, _, - and ., 100 at most")
    tag = Tag(name, version, datetime.now(UTC))
    content = json.dumps({"version": version, "made": tag.made.isoformat()}).encode()
    if storage.put(_path(location, name), content, if_absent=True):
        return tag
    known = find_tag(location, name)
    if known is not None and known.version == version:
        return known
    stands = f"is version {known.version}" if known is not None else "was just removed"
    raise LakehouseError(f"{location}: the tag {name} {stands} already; untag it first, or choose another name")


def find_tag(location: str, name: str) -> Tag | None:
    """A tag by its name; None where there is none. Raises LakehouseError where its file is no tag."""
    if not is_tag_name(name):
        return None
    path = _path(location, name)
    content = storage.read(path)
    if content is None:
        return None
    try:
        said = json.loads(content)
        return Tag(name, int(said["version"]), datetime.fromisoformat(said["made"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LakehouseError(f'{path} is no tag: write {{"version": N, "made": "2026-01-31T12:00:00+00:00"}}, or remove it') from error


def remove_tag(location: str, name: str) -> Tag | None:
    """Take a tag away, and give back what it named; None where there is none."""
    known = find_tag(location, name)
    if known is not None:
        storage.delete([_path(location, name)])
    return known


def tags_of(location: str) -> list[Tag]:
    """All tags of the table, the oldest version first."""
    return sorted(_tags(location), key=lambda tag: (tag.version, tag.name))


def pinned_versions(location: str) -> frozenset[int]:
    """The versions that tags name: no clean-up may take away what reading them needs."""
    return frozenset(tag.version for tag in _tags(location))


def _tags(location: str) -> Iterator[Tag]:
    for file in storage.listed(joined(location, "_tags")):
        name = file.path.removesuffix(_SUFFIX)
        # What is no name is no tag, such as the draft of one that is being written.
        if file.path.endswith(_SUFFIX) and (tag := find_tag(location, name)) is not None:
            yield tag


def _path(location: str, name: str) -> str:
    return joined(location, f"_tags/{name}{_SUFFIX}")

"""Files in an object store, through obstore: the same Rust client as delta-rs, with the same options. Not here: the local disk (local.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import ObjectStore, from_url

from lakehouse_platform.settings import client_variables
from lakehouse_platform.storage.complaints import told
from lakehouse_platform.storage.options import client_options, of_requests, of_store, retries
from lakehouse_platform.storage.stored import StoredFile

T = TypeVar("T")
_DELETED_AT_ONCE = 1000


def walk(folder: str) -> Iterator[StoredFile]:
    """Every file below a folder."""
    store, prefix = _store_and_prefix(folder)
    pages = obstore.list(store, prefix)
    while (page := _asked(folder, lambda: next(pages, None))) is not None:
        for entry in page:
            yield StoredFile(entry["path"].removeprefix(prefix), entry["size"], entry["last_modified"])


def listed(folder: str) -> list[StoredFile]:
    """The files that lie directly in a folder."""
    store, prefix = _store_and_prefix(folder)
    found = _asked(folder, lambda: obstore.list_with_delimiter(store, prefix))
    return [StoredFile(entry["path"].removeprefix(prefix), entry["size"], entry["last_modified"]) for entry in found["objects"]]


def folders(folder: str) -> list[str]:
    """The names of what stands before a `/` in the names of files below a folder, in order."""
    store, prefix = _store_and_prefix(folder)
    found = _asked(folder, lambda: obstore.list_with_delimiter(store, prefix))
    return sorted(each.removeprefix(prefix).strip("/") for each in found["common_prefixes"])


def stat(url: str) -> StoredFile | None:
    """A file's size and age; None where there is none."""
    store, path = _store_and_path(url)
    found = _asked(url, lambda: _unless_missing(lambda: obstore.head(store, path)))
    return None if found is None else StoredFile(url, found["size"], found["last_modified"])


def read(url: str) -> bytes | None:
    """A file's bytes; None where there is none."""
    store, path = _store_and_path(url)
    return _asked(url, lambda: _unless_missing(lambda: bytes(obstore.get(store, path).bytes())))


def put(url: str, content: bytes, *, if_absent: bool) -> bool:
    """Write a file; with `if_absent` False where there is one already (a conditional put)."""
    store, path = _store_and_path(url)

    def write() -> bool:
        try:
            obstore.put(store, path, content, mode="create" if if_absent else "overwrite")
        except AlreadyExistsError:
            return False
        return True

    return _asked(url, write)


def delete(urls: Iterable[str]) -> None:
    """Remove files; those that are gone already are no error."""
    by_root: dict[str, list[str]] = {}
    for url in urls:
        by_root.setdefault(_root(url), []).append(_store_and_path(url)[1])
    for root, paths in by_root.items():
        for start in range(0, len(paths), _DELETED_AT_ONCE):
            _delete(root, paths[start : start + _DELETED_AT_ONCE])


def store_arguments(url: str) -> dict[str, Any]:
    """What obstore's constructors are given for the store of a URL."""
    options = client_options(url) or {}
    requests = of_requests(options)
    return {"config": of_store(options), "retry_config": {"max_retries": retries(options)}, **({"client_options": requests} if requests else {})}


def _delete(root: str, paths: list[str]) -> None:
    _asked(root, lambda: _unless_missing(lambda: obstore.delete(_store(root), paths)))


def _unless_missing(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except (NotFoundError, FileNotFoundError) as error:
        # Where there is no bucket, every file is missing from it.
        if "NoSuchBucket" in str(error):
            raise
        return None


def _asked(url: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except (BaseError, OSError) as error:
        raise told(url, error) from error


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _store_and_path(url: str) -> tuple[ObjectStore, str]:
    root = _root(url)
    return _store(root), url.removeprefix(root).lstrip("/")


def _store_and_prefix(folder: str) -> tuple[ObjectStore, str]:
    store, path = _store_and_path(folder)
    return store, f"{path.rstrip('/')}/" if path else ""


def _store(root: str) -> ObjectStore:
    arguments = store_arguments(root)
    return _made(root, json.dumps([arguments, sorted(client_variables().items())]))


@cache
def _made(root: str, said: str) -> ObjectStore:
    """One for all that is said the same of it: connections are kept, and a variable that changed counts."""
    arguments, _ = json.loads(said)
    return from_url(root, **arguments)

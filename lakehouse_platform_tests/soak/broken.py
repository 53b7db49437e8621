"""A writer that skips the conflict check, for the checker to catch. Not here: the checker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

# How long it waits for another to commit between its read and its put, so that a short run meets the fault, too.
_MEETING_SECONDS = 1.0


@contextmanager
def writer(*, is_broken: bool) -> Iterator[None]:
    """Let every commit of this process lay what it derived from an older version on top of the newest."""
    if not is_broken:
        yield
        return
    with patch.object(DeltaTable, "create_write_transaction", _without_check(DeltaTable.create_write_transaction)):
        yield


def _without_check(put: Callable[..., Any]) -> Callable[..., Any]:
    def call(table: DeltaTable, *arguments: Any, **options: Any) -> Any:
        until = time.monotonic() + _MEETING_SECONDS
        while time.monotonic() < until and DeltaTable(table.table_uri).version() == table.version():
            time.sleep(0.01)
        while True:
            try:
                return put(DeltaTable(table.table_uri), *arguments, **options)
            except CommitFailedError:
                continue

    return call

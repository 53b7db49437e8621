"""Errors and kills at the call that puts a commit into the log, made inside a worker's process. Not here: a store that fails (store.py)."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any, Literal
from unittest.mock import patch

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from lakehouse_platform.storage import local

# before: nothing was put; after: it was put; instead: nothing was put, and storage says that another took the version; blind: it was put, and
# then the log cannot be read; kill: the process ends before or after the put.
Fault = Literal["before", "after", "instead", "blind", "kill_before", "kill_after"]
ALL: tuple[Fault, ...] = ("before", "after", "instead", "blind", "kill_before", "kill_after")
KILLS: tuple[Fault, ...] = ("kill_before", "kill_after")
_AFTER: tuple[Fault, ...] = ("after", "blind", "kill_after")

# delta-rs's calls that end in that put. What they do after it (a checkpoint, now and then) is part of the call.
_PUTS = ("create_write_transaction", "restore")
# How storage's errors have come out of delta-rs.
_ERRORS = (OSError, DeltaError, CommitFailedError)


def drawn(random: Random, share: float, kinds: tuple[Fault, ...]) -> Fault | None:
    """The fault that is to befall an operation, if it comes to a put."""
    return random.choice(kinds) if kinds and random.random() < share else None


@contextmanager
def at_a_put(fault: Fault | None, error: type[Exception] = OSError) -> Iterator[list[Fault]]:
    """Let the first put of a commit meet the fault, or the first that storage takes where the fault comes after it. Gives the faults met so far."""
    armed, met = [fault] if fault is not None else [], list[Fault]()

    def faulty(put: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if not armed:
                return put(*arguments, **options)
            if armed[0] in _AFTER:
                # A race that is lost is no fault: then the next put meets it.
                put(*arguments, **options)
            met.append(armed.pop())
            _happen(met[-1], error)

        return call

    with ExitStack() as patched:
        for name in _PUTS:
            patched.enter_context(patch.object(DeltaTable, name, faulty(getattr(DeltaTable, name))))
        patched.enter_context(patch.object(local, "read", _reader(local.read)))
        patched.callback(_is_blind.clear)
        yield met


def error_of(random: Random) -> type[Exception]:
    """The class of the error that a fault shows itself by."""
    return random.choice(_ERRORS)


_is_blind: list[bool] = []


def _happen(fault: Fault, error: type[Exception]) -> None:
    if fault in KILLS:
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "instead":
        raise CommitFailedError("the version exists already (a fault of this test: it does not)")
    if fault == "blind":
        _is_blind.append(True)
    raise error("storage did not answer (a fault of this test)")


def _reader(read: Callable[[str], bytes | None]) -> Callable[[str], bytes | None]:
    def read_unless_blind(path: str) -> bytes | None:
        if _is_blind:
            raise OSError(errno.EIO, "the log cannot be read (a fault of this test)", path)
        return read(path)

    return read_unless_blind

"""What each worker was about to do and what it was told: lines on disk that outlive kill -9. Not here: what is to be thought of it (checker.py)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lakehouse_platform_tests.soak.operations import Operation

# What a caller may take for granted: ok: it is done; failed: it is not, and will not be; unknown: it is done once or not at all.
Outcome = Literal["ok", "failed", "unknown"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "failed", "unknown")


class Begun(BaseModel):
    """A worker is about to try an operation. Seconds are of the machine's monotonic clock, the same for all processes."""

    model_config = ConfigDict(frozen=True)
    event: Literal["begun"] = "begun"
    invocation: str
    attempt: int = 1
    table: str
    operation: Operation
    at_seconds: float


class Ended(BaseModel):
    """What it was told; a worker that was killed says nothing.

    `version` is the one that the product named, `is_known` that its transaction had been committed before, `digest` of a read stands for its rows;
    `is_ours` is false for an error that is none of the platform's own; `faults` are those that were made in it.
    """

    model_config = ConfigDict(frozen=True)
    event: Literal["ended"] = "ended"
    invocation: str
    attempt: int
    at_seconds: float
    outcome: Outcome
    version: int | None = None
    is_known: bool = False
    digest: str | None = None
    detail: str = ""
    is_ours: bool = True
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One try; `ended` is None where the worker was killed in it."""

    begun: Begun
    ended: Ended | None

    @property
    def outcome(self) -> Outcome:
        return "unknown" if self.ended is None else self.ended.outcome


@dataclass(frozen=True)
class Invocation:
    """One operation of one worker with all tries."""

    name: str
    table: str
    operation: Operation
    attempts: tuple[Attempt, ...]

    @property
    def outcome(self) -> Outcome:
        """Acknowledged once is done; failed is only what no try left open."""
        outcomes = {attempt.outcome for attempt in self.attempts}
        return "ok" if "ok" in outcomes else "unknown" if "unknown" in outcomes else "failed"

    @property
    def acknowledged(self) -> Attempt | None:
        """The try that was acknowledged."""
        return next((attempt for attempt in self.attempts if attempt.outcome == "ok"), None)


@dataclass
class Journal:
    """A worker's own lines. One process writes it at a time; each line is one write, so that a kill tears at most the last."""

    path: Path
    _descriptor: int = field(init=False)

    def __post_init__(self) -> None:
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if self.path.stat().st_size and not self.path.read_bytes().endswith(b"\n"):
            os.write(self._descriptor, b"\n")

    def write(self, record: Begun | Ended) -> None:
        """Keep a record."""
        os.write(self._descriptor, record.model_dump_json().encode() + b"\n")


def invocations(path: Path) -> list[Invocation]:
    """What a worker did, in order."""
    begun: dict[tuple[str, int], Begun] = {}
    ended: dict[tuple[str, int], Ended] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        if (record := _record(line)) is not None:
            if isinstance(record, Begun):
                begun[record.invocation, record.attempt] = record
            else:
                ended[record.invocation, record.attempt] = record
    return _invocations(Attempt(record, ended.get(place)) for place, record in begun.items())


def _invocations(attempts: Iterable[Attempt]) -> list[Invocation]:
    found: dict[str, Invocation] = {}
    for attempt in attempts:
        first = attempt.begun
        tries = (*found[first.invocation].attempts, attempt) if first.invocation in found else (attempt,)
        found[first.invocation] = Invocation(first.invocation, first.table, first.operation, tries)
    return list(found.values())


def _record(line: str) -> Begun | Ended | None:
    """A line's record; None for the line that a kill tore."""
    kind = Begun if '"event":"begun"' in line else Ended
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        return None

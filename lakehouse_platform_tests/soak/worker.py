"""One process: draws operations, carries them out, writes down what it was told; killed, it goes on in its next life. Not here: run.py's kills."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakehouse_platform.delta.ambiguous import CommitUnknown
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.settings import Settings
from lakehouse_platform_tests.soak import broken, faults
from lakehouse_platform_tests.soak.history import Attempt, Begun, Ended, Invocation, Journal, Outcome, invocations
from lakehouse_platform_tests.soak.operations import WEIGHTS, drawn
from lakehouse_platform_tests.soak.plan import Plan
from lakehouse_platform_tests.soak.product import newest_version, perform

_READS: Mapping[str, int] = {"read": 1}
_READER_PAUSE_SECONDS = 0.2
# Tries of a transaction whose outcome stays unknown.
_MOST_ATTEMPTS = 5
_MEMORY_BYTES = 200_000_000


def journal_path(plan: Plan, worker: int) -> Path:
    """Where a worker keeps its history."""
    return plan.folder / f"history-{worker}.jsonl"


def stop_path(plan: Plan) -> Path:
    """The file that tells readers to end."""
    return plan.folder / "stop"


def write(plan: Plan, number: int) -> None:
    """A writer's life, from where its journal ends to its last operation."""
    with _born(plan, number) as worker, broken.writer(is_broken=plan.is_broken):
        worker.settle()
        for operation in range(worker.done, plan.operations):
            worker.operate(operation, WEIGHTS)


def read(plan: Plan, number: int) -> None:
    """A reader's life: random versions, until it is told to end."""
    with _born(plan, number) as worker:
        for operation in range(worker.done, plan.operations * plan.writers):
            if stop_path(plan).exists():
                return
            worker.operate(operation, _READS)
            time.sleep(_READER_PAUSE_SECONDS)


@dataclass(frozen=True)
class _Worker:
    plan: Plan
    number: int
    session: Session
    journal: Journal
    known: tuple[Invocation, ...]

    @property
    def done(self) -> int:
        """Operations that were begun."""
        return len(self.known)

    def settle(self) -> None:
        """Try again what the last process of this worker left open."""
        if self.known:
            self._settle(self.known[-1])

    def operate(self, number: int, kinds: Mapping[str, int]) -> None:
        """Draw the operation of this number and carry it out."""
        table = self.plan.random("table", self.number, number).choice(self.plan.tables)
        operation = drawn(self.plan.random("operation", self.number, number), self.number, number, lambda: self._newest_version(table), kinds)
        chance = self.plan.random("fault", self.number, number)
        fault = faults.drawn(chance, self.plan.fault_share, self.plan.faults)
        name = f"w{self.number}-{number}"
        with faults.at_a_put(fault, faults.error_of(chance)) as met:
            attempt = self._attempt(Begun(invocation=name, table=table, operation=operation, at_seconds=time.monotonic()), met)
        self._settle(Invocation(name, table, operation, (attempt,)))

    def _settle(self, invocation: Invocation) -> None:
        """A transaction of unknown outcome is tried again: it must not be written twice."""
        if getattr(invocation.operation, "transaction", None) is None:
            return
        last = invocation.attempts[-1].begun
        for number in range(last.attempt + 1, _MOST_ATTEMPTS + 1):
            if invocation.outcome != "unknown":
                return
            begun = last.model_copy(update={"attempt": number, "at_seconds": time.monotonic()})
            invocation = Invocation(invocation.name, invocation.table, invocation.operation, (*invocation.attempts, self._attempt(begun)))

    def _newest_version(self, table: str) -> int:
        """What the operation is drawn from is asked until storage answers; it is no part of the operation."""
        while True:
            try:
                return newest_version(self.plan.location(table))
            except TransientFault:
                time.sleep(_READER_PAUSE_SECONDS)

    def _attempt(self, begun: Begun, met: Sequence[faults.Fault] = ()) -> Attempt:
        self.journal.write(begun)
        ended = self._ended(begun).model_copy(update={"faults": tuple(met)})
        self.journal.write(ended)
        return Attempt(begun, ended)

    def _ended(self, begun: Begun) -> Ended:
        try:
            answer = perform(self.session, self.plan.location(begun.table), begun.invocation, begun.operation, self.plan.retention_seconds)
        except CommitUnknown as error:
            return _told(begun, "unknown", error)
        except LakehouseError as error:
            return _told(begun, "failed", error)
        except Exception as error:  # noqa: BLE001 -- whatever else comes out is a finding, and the run goes on to the others
            return _told(begun, "unknown", error).model_copy(update={"is_ours": False})
        return Ended(
            invocation=begun.invocation,
            attempt=begun.attempt,
            at_seconds=time.monotonic(),
            outcome="ok",
            version=answer.version,
            is_known=answer.is_known,
            digest=answer.digest,
        )


def _told(begun: Begun, outcome: Outcome, error: Exception) -> Ended:
    detail = f"{type(error).__name__}: {error}"
    return Ended(invocation=begun.invocation, attempt=begun.attempt, at_seconds=time.monotonic(), outcome=outcome, detail=detail[:500])


@contextmanager
def _born(plan: Plan, number: int) -> Iterator[_Worker]:
    os.environ.update(plan.environment)
    settings = Settings(home=plan.folder / "home", tables=plan.root, memory_limit_bytes=_MEMORY_BYTES, threads=1)
    path = journal_path(plan, number)
    known = tuple(invocations(path))
    with open_session(settings) as session:
        # DuckDB takes a process that was forked so for a person's, and shows its progress.
        session.execute("SET enable_progress_bar = false")
        yield _Worker(plan, number, session, Journal(path), known)

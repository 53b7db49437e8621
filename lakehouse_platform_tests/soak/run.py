"""One run from beginning to end: tables made, workers started, killed, started again, all of it checked. Not here: the single steps."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from random import Random

from lakehouse_platform_tests.soak import worker
from lakehouse_platform_tests.soak.checker import check
from lakehouse_platform_tests.soak.history import OUTCOMES, Invocation, invocations
from lakehouse_platform_tests.soak.plan import Plan
from lakehouse_platform_tests.soak.product import make_table
from lakehouse_platform_tests.soak.witness import Seen, Witness

_READERS = 1
_LOOK_SECONDS = 0.05
# Of kinds that came up so seldom, less than half may be acknowledged by chance.
_FEW = 8


class WorkerBroke(Exception):
    """A worker ended by an error of this test's own."""


@dataclass(frozen=True)
class Report:
    """What came of a run: `findings` in words (none: all is well), how many operations by kind and outcome, and how much happened."""

    findings: tuple[str, ...]
    outcomes: Mapping[tuple[str, str], int]
    faults: Mapping[str, int]
    kills: int
    versions: Mapping[str, int]
    files_vacuumed: int
    seconds: float


def run(plan: Plan) -> Report:
    """Carry out a plan."""
    began = time.monotonic()
    plan.folder.mkdir(parents=True, exist_ok=True)
    witnesses = {table: Witness(plan.location(table)) for table in plan.tables}
    for witness in witnesses.values():
        make_table(witness.location)
    kills = _carried_out(plan, witnesses)
    done = [each for number in range(plan.writers + _READERS) for each in invocations(worker.journal_path(plan, number))]
    tables = {table: witness.seen() for table, witness in witnesses.items()}
    findings = [finding for table, seen in tables.items() for finding in _checked(plan, table, seen, done)]
    outcomes: Counter[tuple[str, str]] = Counter((each.operation.kind, each.outcome) for each in done)
    return Report(
        findings=(*findings, *_seldom_acknowledged(outcomes)),
        outcomes=outcomes,
        kills=kills,
        faults=Counter(fault for each in done for attempt in each.attempts if attempt.ended for fault in attempt.ended.faults),
        versions={table: len(seen.commits) for table, seen in tables.items()},
        files_vacuumed=sum(len(seen.paths_gone) for seen in tables.values()),
        seconds=time.monotonic() - began,
    )


def _carried_out(plan: Plan, witnesses: Mapping[str, Witness]) -> int:
    """Let all workers do their operations, and say how many were killed on the way."""
    fleet = _Fleet(plan)
    chance = plan.random("kills")
    commits, next_kill = 0, _commits_before_kill(plan, chance)
    with _ended_at_last(fleet):
        while fleet.tend():
            commits += _follow(witnesses)
            # By commits, not by the clock: a slow machine would else kill more than it lets be done.
            if commits >= next_kill:
                fleet.kill_one(chance)
                next_kill = commits + _commits_before_kill(plan, chance)
            time.sleep(_LOOK_SECONDS)
    _follow(witnesses)
    return fleet.kills


class _Fleet:
    """The processes of a run: each writer until it is done, readers until all writers are."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # Forked from a process that has imported all: a new life costs milliseconds, not the second that imports take.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([worker.__name__])
        self.kills = 0
        self.living = {number: self._born(number) for number in range(plan.writers + _READERS)}

    def tend(self) -> bool:
        """Start those again that were killed, and say whether there is a writer still."""
        for number, process in list(self.living.items()):
            if process.is_alive():
                continue
            process.join()
            del self.living[number]
            assert process.exitcode is not None
            if process.exitcode > 0:
                raise WorkerBroke(f"worker {number} ended with {process.exitcode}; its error is above")
            if process.exitcode < 0:
                self.kills += 1
                self.living[number] = self._born(number)
        return any(number < self._plan.writers for number in self.living)

    def kill_one(self, chance: Random) -> None:
        """Kill a worker wherever it is."""
        chance.choice(list(self.living.values())).kill()

    def stop(self) -> None:
        """Let the readers end, and end what does not."""
        worker.stop_path(self._plan).touch()
        for process in self.living.values():
            process.join(timeout=10)
            process.kill()
            process.join()

    def _born(self, number: int) -> BaseProcess:
        life: Callable[[Plan, int], None] = worker.write if number < self._plan.writers else worker.read
        process = self._context.Process(target=life, args=(self._plan, number), daemon=True)
        process.start()
        return process


@contextmanager
def _ended_at_last(fleet: _Fleet) -> Iterator[None]:
    try:
        yield
    finally:
        fleet.stop()


def _commits_before_kill(plan: Plan, chance: Random) -> float:
    return float("inf") if plan.commits_between_kills is None else chance.expovariate(1 / plan.commits_between_kills)


def _follow(witnesses: Mapping[str, Witness]) -> int:
    """Take in what is new of all tables, and say how many commits that was."""
    return sum(witness.follow() for witness in witnesses.values())


def _checked(plan: Plan, table: str, seen: Seen, done: list[Invocation]) -> Iterator[str]:
    kept_from = seen.version_at(time.time() - plan.retention_seconds)
    for finding in check(seen, [each for each in done if each.table == table], kept_from):
        yield f"{table}: {finding}"


def _seldom_acknowledged(outcomes: Mapping[tuple[str, str], int]) -> Iterator[str]:
    for kind in sorted({kind for kind, _ in outcomes}):
        counts = {outcome: outcomes.get((kind, outcome), 0) for outcome in OUTCOMES}
        if sum(counts.values()) > _FEW and counts["ok"] * 2 < sum(counts.values()):
            yield f"of {sum(counts.values())} operations of the kind {kind} only {counts['ok']} were acknowledged"

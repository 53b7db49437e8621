"""The checker itself: a history that holds gives no findings, and each way of breaking it gives its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lakehouse_platform_tests.soak.checker import check, digest
from lakehouse_platform_tests.soak.history import Attempt, Begun, Ended, Invocation
from lakehouse_platform_tests.soak.operations import Append, Operation, Read, Restore, Row, Upsert
from lakehouse_platform_tests.soak.witness import Logged, Seen

FIRST, SECOND, CHANGED = Row(1, "plain", 10, "w0-0"), Row(2, "plain", 20, "w1-0"), Row(1, "a=b/c", 11, "w0-1")
ROWS = {"one": (FIRST,), "two": (SECOND,), "three": (CHANGED,), "four": (SECOND, CHANGED)}


def logged(version: int, invocation: str | None, added: tuple[str, ...] = (), removed: tuple[str, ...] = (), **other: Any) -> Logged:
    given = {"operation": "WRITE", "maintains": False, "rearranges": False, "transactions": {}, **other}
    return Logged(version, version * 1000, invocation, added={path: len(ROWS[path]) for path in added}, removed=removed, **given)


def told(name: str, operation: Operation, began: float, version: int | None, outcome: str = "ok", **other: Any) -> Invocation:
    begun = Begun(invocation=name, table="sales", operation=operation, at_seconds=began)
    ended = Ended.model_validate(
        {"invocation": name, "attempt": 1, "at_seconds": began + 1, "outcome": outcome, "version": version, "detail": "it was said so", **other}
    )
    return Invocation(name, "sales", operation, (Attempt(begun, ended),))


def killed(name: str, operation: Operation, began: float) -> Invocation:
    return Invocation(name, "sales", operation, (Attempt(Begun(invocation=name, table="sales", operation=operation, at_seconds=began), None),))


@dataclass(frozen=True)
class History:
    """Two appends, an upsert of the first one's row, an optimisation, a read of it, and a failed append."""

    commits: tuple[Logged, ...] = (
        logged(0, None),
        logged(1, "w0-0", ("one",), transactions={"soak-w0": 0}),
        logged(2, "w1-0", ("two",)),
        logged(3, "w0-1", ("three",), ("one",)),
        logged(4, None, ("four",), ("two", "three"), maintains=True, rearranges=True),
    )
    invocations: tuple[Invocation, ...] = (
        told("w0-0", Append(rows=(FIRST,), transaction=("soak-w0", 0)), 0, 1),
        told("w1-0", Append(rows=(SECOND,)), 2, 2),
        told("w0-1", Upsert(rows=(CHANGED,)), 4, 3),
        told("w1-1", Read(version=None), 6, 4, digest=digest([SECOND, CHANGED])),
        told("w1-2", Append(rows=(Row(3, "plain", 30, "w1-2"),)), 8, None, "failed"),
    )
    versions_in_log: tuple[int, ...] = (0, 1, 2, 3, 4)
    paths_stored: frozenset[str] = frozenset(ROWS)
    kept_from: int = 0

    def findings(self) -> list[str]:
        return check(Seen(self.commits, ROWS, list(self.versions_in_log), self.paths_stored), self.invocations, self.kept_from)

    def with_commit(self, version: int, commit: Logged) -> History:
        return replace(self, commits=(*self.commits[:version], commit, *self.commits[version + 1 :]))

    def with_invocation(self, place: int, invocation: Invocation) -> History:
        return replace(self, invocations=(*self.invocations[:place], invocation, *self.invocations[place + 1 :]))


GOOD = History()


def test_a_history_that_holds_gives_no_findings() -> None:
    assert GOOD.findings() == []


@pytest.mark.parametrize("found", ["in the log", "not in the log"])
def test_what_a_killed_worker_left_open_may_be_there_or_not(found: str) -> None:
    if found == "in the log":
        assert GOOD.with_invocation(2, killed("w0-1", Upsert(rows=(CHANGED,)), 4)).findings() == []
    else:
        assert GOOD.with_invocation(4, killed("w1-2", Append(rows=(Row(3, "plain", 30, "w1-2"),)), 8)).findings() == []


def test_files_of_versions_that_retention_lets_go_may_be_gone() -> None:
    assert replace(GOOD, paths_stored=frozenset({"four"}), kept_from=4).findings() == []


BROKEN: dict[str, tuple[Callable[[History], History], str]] = {
    "an acknowledged write is nowhere": (
        lambda history: history.with_invocation(4, told("w1-2", Append(rows=(Row(3, "plain", 30, "w1-2"),)), 8, 4)),
        "append w1-2 was acknowledged as if version 4 had left it nothing to do, and it had",
    ),
    "a failed write is there": (
        lambda history: history.with_invocation(1, told("w1-0", Append(rows=(SECOND,)), 2, None, "failed")),
        r"append w1-0 failed \(it was said so\), and is version 2",
    ),
    "a write is there twice": (
        lambda history: history.with_commit(2, logged(2, "w0-0", ("two",))),
        r"append w0-0 is in the log 2 times: versions \[1, 2\]",
    ),
    "a write of unknown outcome is there twice": (
        lambda history: history.with_invocation(0, killed("w0-0", Append(rows=(FIRST,)), 0)).with_commit(2, logged(2, "w0-0", ("two",))),
        "append w0-0 is in the log 2 times",
    ),
    "a write was told another version": (
        lambda history: history.with_invocation(1, told("w1-0", Append(rows=(SECOND,)), 2, 1)),
        "append w1-0 was told version 1, and is version 2",
    ),
    "a transaction is there twice": (
        lambda history: history.with_commit(2, logged(2, "w1-0", ("two",), transactions={"soak-w0": 0})),
        "transaction soak-w0 0 is in versions 1 and 2",
    ),
    "a version is of nobody": (lambda history: history.with_commit(2, logged(2, "w9-9", ("two",))), "version 2 .* is of no invocation: w9-9"),
    "a version is missing": (lambda history: replace(history, versions_in_log=(0, 1, 3, 4)), "versions are not gapless"),
    "a kept version is cleaned out of the log": (
        lambda history: replace(history, versions_in_log=(2, 3, 4), kept_from=1),
        "version 1 is kept, and the log begins at 2",
    ),
    "an upsert leaves the old row": (
        lambda history: history.with_commit(3, logged(3, "w0-1", ("three",))),
        r"version 3 \(upsert w0-1\) is not what its operation makes of version 2: 1 rows too many, such as \[\(1, 'plain', 10, 'w0-0'\)\]",
    ),
    "an upsert takes away another's row": (
        lambda history: history.with_commit(3, logged(3, "w0-1", ("three",), ("one", "two"))),
        "1 rows lacking, such as",
    ),
    "an optimisation loses rows": (
        lambda history: history.with_commit(4, logged(4, None, (), ("two",), maintains=True, rearranges=True)),
        r"version 4 \(maintenance\) is not what its operation makes of version 3: 1 rows lacking",
    ),
    "an optimisation says that it changes rows": (
        lambda history: history.with_commit(4, logged(4, None, ("four",), ("two", "three"), maintains=True)),
        "version 4 is maintenance and says that it changes rows",
    ),
    "a file is removed that is not there": (
        lambda history: history.with_commit(4, logged(4, None, ("four",), ("one", "two", "three"), maintains=True, rearranges=True)),
        "version 4 removes one, which the version before does not hold",
    ),
    "the statistics miscount": (
        lambda history: history.with_commit(2, replace(logged(2, "w1-0", ("two",)), added={"two": 7})),
        "version 2 says that two holds 7 rows; it holds 1",
    ),
    "a read saw other rows": (
        lambda history: history.with_invocation(3, told("w1-1", Read(version=None), 6, 4, digest=digest([SECOND]))),
        "read w1-1 read other rows than version 4 holds",
    ),
    "a read of the newest is behind what was acknowledged": (
        lambda history: history.with_invocation(3, told("w1-1", Read(version=None), 6, 2, digest=digest([FIRST, SECOND]))),
        "read w1-1 is of version 2, though version 3 had been acknowledged before it began",
    ),
    "a write comes before one that was acknowledged before it began": (
        lambda history: history.with_invocation(0, told("w0-0", Append(rows=(FIRST,), transaction=("soak-w0", 0)), 10, 1)),
        "append w0-0 is of version 1, though version 3 had been acknowledged before it began",
    ),
    "a file of a kept version is gone": (
        lambda history: replace(history, paths_stored=frozenset({"one", "three", "four"}), kept_from=2),
        "version 2 is kept, and its file two is gone",
    ),
    "an error is none of the platform's": (
        lambda history: history.with_invocation(4, told("w1-2", Append(rows=()), 8, None, "unknown", is_ours=False)),
        "append w1-2 was told an error that is none of the platform's: it was said so",
    ),
    "a restore brings other rows": (
        lambda history: history.with_commit(3, logged(3, "w0-1", ("three",), ("one",))).with_invocation(2, told("w0-1", Restore(version=1), 4, 3)),
        r"version 3 \(restore to version 1 w0-1\) is not what its operation makes of version 2",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_history_that_does_not_hold_is_told(name: str) -> None:
    breaking, message = BROKEN[name]
    findings = breaking(GOOD).findings()
    assert any(re.search(message, finding) for finding in findings), findings

"""Small runs of the history checker, and a writer that it must catch. Not here: the long runs (`make soak`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse_platform_tests.soak.operations import KINDS, WEIGHTS, drawn
from lakehouse_platform_tests.soak.plan import Plan
from lakehouse_platform_tests.soak.run import run
from lakehouse_platform_tests.soak.store import place


def small(folder: Path) -> Plan:
    # This seed draws each kind of operation at least four times.
    return Plan(seed=38, writers=3, operations=30, root=str(folder / "tables"), folder=folder, fault_share=0.2, commits_between_kills=8)


def test_a_short_run_with_kills_and_faults_holds(tmp_path: Path) -> None:
    report = run(small(tmp_path))
    assert report.findings == ()
    assert report.kills
    assert report.faults
    assert {kind for kind, outcome in report.outcomes if outcome == "ok"} == set(KINDS)


def test_a_writer_that_skips_the_conflict_check_is_caught(tmp_path: Path) -> None:
    report = run(replace(small(tmp_path), operations=12, commits_between_kills=None, fault_share=0, is_broken=True))
    assert any("is not what its operation makes of version" in finding for finding in report.findings), report.findings


@pytest.mark.s3
def test_a_short_run_on_an_object_store_that_fails_holds(tmp_path: Path) -> None:
    with place("s3", tmp_path, 38) as there:
        plan = replace(small(tmp_path), writers=2, operations=8, root=there.root, faults=there.faults, environment=there.environment)
        report = run(plan)
    assert report.findings == ()
    assert sum(count for (_, outcome), count in report.outcomes.items() if outcome == "ok")


def test_a_seed_gives_the_same_decisions(tmp_path: Path) -> None:
    plan = small(tmp_path)
    some, same, others = (
        [drawn(each.random("operation", worker, number), worker, number, lambda: 100, WEIGHTS) for worker in range(3) for number in range(30)]
        for each in (plan, plan, replace(plan, seed=39))
    )
    assert some == same
    assert some != others
    assert {operation.kind for operation in some} == set(KINDS)

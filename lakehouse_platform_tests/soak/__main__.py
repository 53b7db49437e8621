"""The command: `python -m lakehouse_platform_tests.soak`; exit code 1 where the history does not hold. Not here: the run (run.py)."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from tempfile import mkdtemp

from lakehouse_platform_tests.soak.history import OUTCOMES
from lakehouse_platform_tests.soak.plan import Plan
from lakehouse_platform_tests.soak.run import Report, run
from lakehouse_platform_tests.soak.store import Place, place


def main(arguments: Sequence[str]) -> int:
    """Run it as the arguments say, and print the counts. The files of a run that does not hold are kept."""
    given = _parsed(arguments)
    folder = Path(mkdtemp(prefix="lakehouse-soak-"))
    with place(given.store, folder, given.seed) as there:
        plan = Plan(
            seed=given.seed,
            writers=given.writers,
            operations=given.operations,
            root=there.root,
            folder=folder,
            fault_share=there.fault_share,
            faults=there.faults,
            environment=there.environment,
            commits_between_kills=given.commits_between_kills,
            retention_seconds=given.retention_seconds or there.retention_seconds,
            is_broken=given.broken,
        )
        report = run(plan)
        sys.stdout.write(shown(plan, there, report))
    if report.findings:
        sys.stdout.write(f"histories{' and tables' if given.store == 'local' else ''} are kept in {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


def shown(plan: Plan, there: Place, report: Report) -> str:
    """The report as text."""
    lines = [f"seed {plan.seed}: {plan.writers} writers of {plan.operations} operations each in {report.seconds:.0f} s"]
    lines += [f"{'operation':<12}{'acknowledged':>14}{'failed':>10}{'unknown':>10}"]
    for kind in sorted({kind for kind, _ in report.outcomes}):
        counts = [report.outcomes.get((kind, outcome), 0) for outcome in OUTCOMES]
        lines += [f"{kind:<12}{counts[0]:>14}{counts[1]:>10}{counts[2]:>10}"]
    made = [f"{count} {fault}" for fault, count in sorted(report.faults.items())]
    made += [f"{fault.hit} {fault.when} {fault.method}{f' {fault.status}' if fault.status else ' without an answer'}" for fault in there.store_faults]
    lines += [f"faults of storage: {', '.join(made) or 'none'}; processes killed: {report.kills}"]
    versions = ", ".join(f"{table} {count}" for table, count in report.versions.items())
    lines += [f"versions: {versions}; files that vacuum took: {report.files_vacuumed}"]
    lines += [f"NOT RIGHT: {finding}" for finding in report.findings] or ["Every acknowledged write is there once, every read is one version's rows."]
    return "\n".join(lines) + "\n"


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="Random writers on shared tables, killed and faulted; then their history is checked.")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000), help="reproduces the decisions of each worker")
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--operations", type=int, default=500, help="of each writer")
    parser.add_argument("--store", choices=("local", "s3"), default="local")
    parser.add_argument("--commits-between-kills", type=float, default=15.0)
    parser.add_argument("--retention-seconds", type=float, help="what vacuum and log clean-up keep: 25 on local disk, 60 on S3")
    parser.add_argument("--broken", action="store_true", help="let writers skip the conflict check: it must be noticed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

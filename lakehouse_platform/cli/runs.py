"""Commands that start runs: materialize and check. Runs go through Dagster in this process and show in its UI. Not here: what a run does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.cli.opening import open_lakehouse, read_settings, table_name
from lakehouse_platform.cli.output import Format, FormatOption, show, tell, working
from lakehouse_platform.cli.partitions import Named, recompute

if TYPE_CHECKING:
    from lakehouse_platform.contracts.model import Severity
    from lakehouse_platform.medallion.lakehouse import Lakehouse
    from lakehouse_platform.medallion.result import StepResult
    from lakehouse_platform.orchestration.checks import Outcome
    from lakehouse_platform.orchestration.runs import Run, Runner
    from lakehouse_platform.tables.definition import Table

EVERYTHING = "*"


def materialize(
    selection: Annotated[str, typer.Argument(help=f"Tables, separated by commas; '{EVERYTHING}' for all (with partitions: all that have some)")],
    *,
    partition: Annotated[
        list[str] | None, typer.Option(help="Recompute this partition (YYYY-MM-DD, any day of it; YYYY-MM-DD-HH:00 for an hour); may be repeated")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="Recompute the partitions from this one on; by default the table's first")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Recompute the partitions up to and with this one; by default the last with rows")] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Of these partitions (of all, where none are named), those that are not there")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Of these partitions (of all, where none are named), those whose last try failed")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Bring tables up to date with what is new in their sources, or recompute partitions of them.

    Without partitions this is an increment: each source that feeds a selected table is read on, and everything downstream of it follows.
    Tables that are manual, or have times of their own, are refreshed where they are named.
    """
    named = Named(tuple(partition or ()), first, last, missing, failed)
    lakehouse = open_lakehouse()
    names = _selected(lakehouse, selection, only_partitioned=named.is_some)
    with open_runs() as runner:
        before = versions(lakehouse)
        by_name = selection != EVERYTHING
        runs = recompute(runner, lakehouse, names, named) if named.is_some else increments(runner, lakehouse, names, by_name=by_name)
    show_changes(changes(lakehouse, before), runs, output)
    tell_unmet(runs)
    fail_with(runs)


def check(table: Annotated[str | None, typer.Argument(help="A table; all of them by default")] = None, output: FormatOption = Format.TABLE) -> None:
    """Load the project and judge the tables as they are committed: exit code 4 for mistakes in it, 3 when a check of severity error fails."""
    from lakehouse_platform.medallion.verification import VALIDATION
    from lakehouse_platform.orchestration.checks import CODE_VERSION

    lakehouse = open_lakehouse()
    names = [table_name(lakehouse, table)] if table is not None else list(lakehouse.project.tables)
    rows: list[tuple[Any, ...]] = []
    told: list[str] = []
    blocked: list[str] = []
    for name in names:
        known = lakehouse.project.tables.get(name)
        if known is not None and lakehouse.snapshot(name) is not None:
            with working(f"Checking {name}"):
                outcomes = list(_outcomes(lakehouse, known))
            rows += [(name, *_judged(outcome)) for outcome in outcomes]
            told += [f"{name}: {text}" for outcome in outcomes if outcome.check.name == VALIDATION for text in _failed_conditions(outcome)]
            blocked += [str(outcome.metadata["why"]) for outcome in outcomes if "blocked_since" in outcome.metadata]
    sound = f"The project has no mistakes: {len(lakehouse.project.sources)} sources, {len(lakehouse.project.tables)} tables."
    sound += f" None has data yet below {' and '.join(lakehouse.settings.table_roots)}."
    show(("table", "check", "severity", "status", "failing_rows"), rows, output, empty=sound)
    for why in (*told, *blocked):
        tell(why)
    for name in (row[0] for row in rows if row[1] == CODE_VERSION and row[3] != "passed"):
        tell(f"{name} holds rows that another contract or query made: `lakehouse rebuild {name} --dry-run` shows what the present one would change.")
    if any(row[3] == "failed" for row in rows):
        raise typer.Exit(ExitCode.CHECKS)


@contextmanager
def open_runs() -> Iterator[Runner]:
    """A runner that tells of each table as it is done."""
    with working("Starting Dagster") as status:
        from lakehouse_platform.orchestration.runs import open_runner

        def heard(table: str, result: StepResult | None) -> None:
            if result is None:
                status.update(f"Refreshing {table}")
            else:
                tell(f"  {table}: {_told(result)}")

        with open_runner(read_settings(), heard) as runner:
            yield runner


def increments(runner: Runner, lakehouse: Lakehouse, names: Collection[str], *, by_name: bool = False) -> list[Run]:
    """An increment of every source that feeds one of the tables; tables that no source feeds are computed where they are missing.

    Increments pass over tables whose turn it is not; `by_name` refreshes those of `names` after them.
    """
    project = lakehouse.project
    unfed = [name for name in names if not project.source_of(name) and lakehouse.snapshot(name) is None]
    runs = runner.partitions(unfed) if unfed else []
    sources = [source for source in project.sources if any(source in project.source_of(name) for name in names)]
    runs += [runner.increment(source) for source in sources]
    passed_over = [name for name, table in project.tables.items() if by_name and name in names and table.attributes.automation != "on_change"]
    return runs + [runner.refresh(name) for name in passed_over]


def versions(lakehouse: Lakehouse) -> dict[str, int]:
    """The version of every table now, -1 where there is none."""
    names = (*lakehouse.project.sources, *lakehouse.project.tables)
    return {name: -1 if (snapshot := lakehouse.snapshot(name)) is None else snapshot.version for name in names}


def changes(lakehouse: Lakehouse, before: dict[str, int]) -> list[tuple[Any, ...]]:
    """What was committed to each table since its version in `before`."""
    from lakehouse_platform.medallion.history import versions_since

    return [
        (name, record.step, entry.version, record.rows, len(record.partitions), record.run_id, record.rebuilt)
        for name, version in before.items()
        for entry in versions_since(lakehouse, name, version)
        if (record := entry.record) is not None
    ]


def show_changes(rows: Sequence[tuple[Any, ...]], runs: Sequence[Run], output: Format, *, empty: str = "Nothing is new.") -> None:
    """Print what `changes` found. That nothing is new is only true where the runs succeeded: of none that failed people read the error alone."""
    columns = ("table", "step", "version", "rows", "partitions", "run_id", "rebuilt_because")
    show(columns, rows, output, only_filled=("rebuilt_because",), empty=empty if all(run.success for run in runs) else "")


def tell_unmet(runs: Sequence[Run]) -> None:
    """Name the checks of the tables touched that did not pass."""
    from lakehouse_platform.orchestration.runs import BLOCKED

    unmet = {(each.table, each.check): each for run in runs for each in run.unmet}
    if unmet:
        tell("Checks that did not pass (`lakehouse check TABLE` shows all, `lakehouse quarantine show TABLE` the rows turned away):")
    for each in unmet.values():
        counted = f": {each.failing_rows:,}" if each.failing_rows is not None else ""
        if each.status == BLOCKED:
            counted = ": `lakehouse quarantine blocked` shows why, and the batch to release or reject"
        tell(f"  {each.table} {each.check} {each.status}{counted}")


def fail_with(runs: Sequence[Run]) -> None:
    """End with the errors of the runs that failed, if any did."""
    from lakehouse_platform.orchestration.names import table_of

    for run in runs:
        for step, message in run.failures.items():
            table = table_of(step)
            text = message if message.startswith(table) else f"{table}: {message}"
            for part in ("Look at them:", "Mend:"):
                text = text.replace(f" {part}", f"\n  {part}")
            tell(f"Failed: {text}")
    if not all(run.success for run in runs):
        raise typer.Exit(ExitCode.FAILED)


def _selected(lakehouse: Lakehouse, selection: str, *, only_partitioned: bool) -> list[str]:
    if selection == EVERYTHING and only_partitioned:
        return [name for name, table in lakehouse.project.tables.items() if table.partition_column is not None]
    if selection == EVERYTHING:
        return [*lakehouse.project.sources, *lakehouse.project.tables]
    return [table_name(lakehouse, name.strip()) for name in selection.split(",")]


def _told(result: StepResult) -> str:
    record = result.record
    if result.passed_over is not None:
        return f"passed over, {result.passed_over}"
    if record is None:
        return "nothing new"
    touched = f", {len(record.partitions):,} partitions touched" if record.partitions else ""
    return f"{record.step}, {result.rows_read:,} rows read{touched}, {record.rows:,} rows now"


def _outcomes(lakehouse: Lakehouse, table: Table) -> Iterator[Outcome]:
    from lakehouse_platform.medallion.history import Past, standing, versions_since
    from lakehouse_platform.orchestration.checks import GATE, committed_outcomes, counted_outcomes, gate_outcome

    made = [(entry.version, entry.record) for entry in versions_since(lakehouse, table.name) if entry.record is not None]
    records = [record for _, record in made]
    past = [Past(version, record.step, record.restored_version) for version, record in made]
    if records:
        rules: dict[str, int] = {}
        for record in (records[place] for place in standing(past)):
            for rule, count in record.rules.items():
                rules[rule] = rules.get(rule, 0) + count
        counted = counted_outcomes(table, records[-1].model_copy(update={"rules": rules}))
        yield from (outcome for outcome in counted if outcome.check.name != GATE)
    if table.layer == "silver":
        yield gate_outcome(lakehouse, table)
    yield from committed_outcomes(lakehouse, table, None)


def _failed_conditions(outcome: Outcome) -> list[str]:
    """What of the contract a validation found broken, where one check judges many conditions."""
    found = {name.removeprefix("failing_rows "): count for name, count in outcome.metadata.items() if name.startswith("failing_rows ")}
    return [f"{outcome.check.name} finds {count:,} rows that break {condition}" for condition, count in found.items() if count]


def _judged(outcome: Outcome) -> tuple[str, Severity, str, int | None]:
    check = outcome.check
    if outcome.passed:
        status = "passed"
    elif check.blocks:
        status = "failed"
    else:
        # Rows that broke a rule of severity error are in quarantine, not in the table.
        status = "rejected rows" if check.severity == "error" else "warned"
    return check.name, check.severity, status, outcome.metadata.get("failing_rows")

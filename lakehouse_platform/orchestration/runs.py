"""Runs in this process on the lakehouse's Dagster instance, for the command line and scripts: they show in the UI like any other. Not here: steps."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import dagster as dg

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import Ruling
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.upkeep import Upkeep
from lakehouse_platform.orchestration.backfills import Only, Wanted, chosen
from lakehouse_platform.orchestration.build import build_definitions, project_of
from lakehouse_platform.orchestration.instance import open_instance
from lakehouse_platform.orchestration.maintenance import maintain_tags
from lakehouse_platform.orchestration.names import DAILY_JOB, MAINTAIN_JOB, asset_key, increment_job_name, refresh_job_name, step_name
from lakehouse_platform.orchestration.orders import rebuild_tags, replay_tags, restore_tags
from lakehouse_platform.orchestration.partitions import blocks, partitions_definition
from lakehouse_platform.orchestration.resources import Listener, running_folder
from lakehouse_platform.orchestration.rulings import ruling_tags
from lakehouse_platform.orchestration.running import end_dead_runs
from lakehouse_platform.orchestration.sensors import landing_tags
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.project import Project

BLOCKED = "blocked"


@dataclass(frozen=True)
class Unmet:
    """A check that did not pass in a run: `rejected rows` (which are in quarantine, not in the table), `blocked` (a batch waits), `failed`, `warned`.

    `failing_rows` is None where the table as a whole was judged.
    """

    table: str
    check: str
    status: str
    failing_rows: int | None


@dataclass(frozen=True)
class Run:
    """How a run went: what each table's step gave (increments only), the errors of those that failed, and the checks that did not pass."""

    run_id: str
    success: bool
    results: Mapping[str, StepResult] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    unmet: tuple[Unmet, ...] = ()


@dataclass(frozen=True)
class Runner:
    """A project's definitions and the instance that its runs are kept on. `results` hears of every step, then passes it on."""

    settings: Settings
    project: Project
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    results: dict[str, StepResult]

    def increment(self, source: str) -> Run:
        """Ingest a source and refresh everything downstream with what is new. A table that fails leaves those beside it alone."""
        self.results.clear()
        tags = landing_tags(Lakehouse(self.settings, self.project), source)
        return self._execute(self.definitions.resolve_job_def(increment_job_name(source)), tags)

    def refresh(self, table: str) -> Run:
        """Refresh by name a table that increments pass over, and what is downstream of it."""
        self.results.clear()
        return self._execute(self.definitions.resolve_job_def(refresh_job_name(table)), {})

    def maintain(self, tables: Collection[str] | None, upkeep: Upkeep) -> Run:
        """Maintain tables, those beside them included; without a selection all, and the platform's own."""
        self.results.clear()
        steps = [step_name(name) for name in tables] if tables is not None else None
        return self._execute(self.definitions.resolve_job_def(MAINTAIN_JOB), maintain_tags(upkeep), steps=steps)

    def settle(self, table: str, ruling: Ruling) -> Run:
        """Settle a blocked batch of a table as a person rules, and refresh what is downstream of it with what that brings."""
        return self._order(table, ruling_tags(table, ruling))

    def rebuild(self, table: str) -> Run:
        """Compute a table anew and swap it in one commit, and refresh what is downstream of it with what that changes."""
        return self._order(table, rebuild_tags(table))

    def replay(self, table: str, where: str | None = None) -> Run:
        """Replay rows of a table's quarantine, and refresh what is downstream of it with what that brings."""
        return self._order(table, replay_tags(table, where))

    def restore(self, table: str, version: int) -> Run:
        """Take a table back to a version, and refresh what is downstream of it with what that changes."""
        return self._order(table, restore_tags(table, version))

    def _order(self, table: str, tags: Mapping[str, str]) -> Run:
        """Run the step of one table, which the tags tell what to do, and those downstream of it. A table that no source feeds is in the daily job."""
        self.results.clear()
        sources = self.project.source_of(table)
        job = self.definitions.resolve_job_def(increment_job_name(sources[0]) if sources else DAILY_JOB)
        return self._execute(job, tags, steps=[f"{step_name(table)}*"])

    def partitions(
        self,
        tables: Collection[str],
        keys: Collection[str] | None = None,
        first: str | None = None,
        last: str | None = None,
        only: Only | None = None,
    ) -> list[Run]:
        """Recompute partitions of tables: those of `keys`, or all from first to last (backfills.Wanted says what they stand for).

        One run a block of adjacent partitions, of at most the setting's number; tables whose partitions differ have runs of their own.
        Stops after a run that failed.
        """
        runs: list[Run] = []
        wanted = Wanted(keys, first, last, only)
        job = self.definitions.resolve_implicit_global_asset_job_def()
        # What is missing or failed is another set for each table.
        for group in _groups([table for name, table in self.project.tables.items() if name in tables], apart=only is not None):
            for tags in self._range_tags(group, wanted):
                runs.append(self._execute(job, tags, [asset_key(table.name) for table in group]))
                if not runs[-1].success:
                    return runs
        return runs

    def _range_tags(self, group: Sequence[Table], wanted: Wanted) -> list[dict[str, str]]:
        table = next((table for table in group if table.attributes.partitions is not None), None)
        definition = partitions_definition(table) if table is not None else None
        if table is None or definition is None:
            return [{}]
        keys = chosen(self.instance, Lakehouse(self.settings, self.project), table, wanted)
        found = blocks(definition, keys, self.settings.backfill_partitions)
        return [{"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": end} for start, end in found]

    def _execute(
        self, job: dg.JobDefinition, tags: Mapping[str, str], selection: Sequence[dg.AssetKey] | None = None, steps: Sequence[str] | None = None
    ) -> Run:
        result = job.execute_in_process(
            # What goes wrong is given back; the steps' own log lines are in the UI and need not run through the terminal.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=self.instance,
            raise_on_error=False,
            asset_selection=selection,
            op_selection=steps,
            tags=tags,
        )
        failures = {event.step_key or "": _error_text(event) for event in result.all_events if event.is_step_failure}
        return Run(result.run_id, result.success, dict(self.results), failures, tuple(self._unmet(result.run_id)))

    def _unmet(self, run_id: str) -> Iterator[Unmet]:
        for entry in self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            evaluation = entry.get_dagster_event().asset_check_evaluation_data
            if not evaluation.passed:
                failing = evaluation.metadata.get("failing_rows")
                rows = int(failing.value) if isinstance(failing, dg.IntMetadataValue) and failing.value is not None else None
                is_counted = "batch_id" in evaluation.metadata
                is_error = evaluation.severity is dg.AssetCheckSeverity.ERROR
                status = "warned" if not is_error else "rejected rows" if is_counted else "failed"
                if "blocked_since" in evaluation.metadata:
                    # Its failing rows are held, and so is all that is fine in the batch: a count would say that the rest came in.
                    status, rows = BLOCKED, None
                yield Unmet("/".join(evaluation.asset_key.path), evaluation.check_name, status, rows)


@contextmanager
def open_runner(settings: Settings, listener: Listener | None = None, instance: dg.DagsterInstance | None = None) -> Iterator[Runner]:
    """Load the project once for any number of runs, kept on the lakehouse's own instance or the one given. Raises ProjectError with every mistake."""
    results: dict[str, StepResult] = {}

    def heard(table: str, result: StepResult | None) -> None:
        if result is not None:
            results[table] = result
        if listener is not None:
            listener(table, result)

    definitions = build_definitions(settings, heard)
    with open_instance(settings) if instance is None else nullcontext(instance) as opened:
        end_dead_runs(opened, running_folder(settings))
        yield Runner(settings, project_of(settings), definitions, opened, results)


def run_increment(settings: Settings, source: str, listener: Listener | None = None) -> Run:
    """One increment of a source."""
    with open_runner(settings, listener) as runner:
        return runner.increment(source)


def _groups(tables: Sequence[Table], *, apart: bool = False) -> list[list[Table]]:
    """Tables that one run can take: those that follow each other and have the same partitions, or none; each by itself where `apart`."""
    groups: list[list[Table]] = []
    for table in tables:
        mine = partitions_definition(table)
        theirs = [definition for each in (groups[-1] if groups else []) if (definition := partitions_definition(each)) is not None]
        if groups and not apart and (mine is None or not theirs or theirs[0] == mine):
            groups[-1].append(table)
        else:
            groups.append([table])
    return groups


def _error_text(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    if error is None:
        return "failed"
    origin = error.cause or error
    # Our own errors are texts for people; the class of any other is the first thing that is asked of it.
    return re.sub(r"^lakehouse_platform\.[\w.]+: ", "", origin.message.strip())

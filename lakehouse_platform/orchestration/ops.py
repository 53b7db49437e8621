"""The ops that jobs are made of: a table's step, the end of a run that left something behind, a table's checks. Not here: their order (jobs.py)."""

# Annotations are not postponed here: Dagster looks at that of an op's context itself.

from collections.abc import Collection, Iterator

import dagster as dg

from lakehouse_platform.medallion.blocks import BatchBlocked
from lakehouse_platform.medallion.bronze import FilesRefused
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.orchestration.automation import why_passed_over
from lakehouse_platform.orchestration.checks import blocked_outcome, check_evaluation, committed_outcomes
from lakehouse_platform.orchestration.faults import faults_judged
from lakehouse_platform.orchestration.names import op_name, pool, step_name
from lakehouse_platform.orchestration.orders import Order, order_in
from lakehouse_platform.orchestration.reporting import report
from lakehouse_platform.orchestration.resources import LAKEHOUSE, LISTENER, Listener
from lakehouse_platform.problems import LakehouseError

DONE, REFUSED, BLOCKED = "done", "refused", "blocked"
# What only looks comes after all that moves data: a step that is ready goes first.
_LAST = {"dagster/priority": "-1"}


def ingest_op(job: str, source: str) -> dg.OpDefinition:
    """Takes in a source's files. Those that it refuses do not hold up the others: what is downstream goes on, and the run fails at its end."""

    @dg.op(
        name=op_name(job, source),
        out={DONE: dg.Out(dg.Nothing), REFUSED: dg.Out(str, is_required=False)},
        pool=pool(source),
        required_resource_keys={LAKEHOUSE, LISTENER},
        tags={"table": source},
    )
    def ingest(context: dg.OpExecutionContext) -> Iterator[dg.Output[str | None]]:
        refused = None
        try:
            _refresh(context, source)
        except FilesRefused as error:
            refused = str(error)
            context.log.warning(refused)
            report(context.instance, context.resources.lakehouse, source, context.log_event)
        yield dg.Output(None, DONE)
        if refused is not None:
            yield dg.Output(refused, REFUSED)

    return ingest


def fault_op(job: str, table: str, fault: str) -> dg.OpDefinition:
    """Fails the run of which a step told of a fault (REFUSED, BLOCKED) and let what is downstream go on; skipped where it told of none."""

    @dg.op(
        name=f"{op_name(job, table)}__{fault}",
        ins={"text": dg.In(str)},
        out=dg.Out(dg.Nothing),
        required_resource_keys={LAKEHOUSE},
        tags=_LAST,
    )
    def fail(context: dg.OpExecutionContext, text: str) -> None:
        with faults_judged(context, context.resources.lakehouse.settings):
            raise LakehouseError(text)

    return fail


def step_op(job: str, table: str, inputs: Collection[str], *, is_named: bool) -> dg.OpDefinition:
    """Refreshes a table with what is new. A table that is not its turn is passed over, unless the job is for it by name.

    Where a batch of it waits for a decision, what is downstream goes on with what the table has, and the run fails at its end.
    """

    @dg.op(
        name=op_name(job, table),
        ins={step_name(each): dg.In(dg.Nothing) for each in inputs},
        out={DONE: dg.Out(dg.Nothing), BLOCKED: dg.Out(str, is_required=False)},
        pool=pool(table),
        required_resource_keys={LAKEHOUSE, LISTENER},
        tags={"table": table},
    )
    def step(context: dg.OpExecutionContext) -> Iterator[dg.Output[str | None]]:
        lakehouse: Lakehouse = context.resources.lakehouse
        order = order_in(context.run.tags, table)
        with faults_judged(context, lakehouse.settings):
            why = None if is_named or order is not None else why_passed_over(lakehouse, lakehouse.project.tables[table])
        blocked = None
        if why is not None:
            _pass_over(context, table, why)
        else:
            try:
                _refresh(context, table, order)
            except BatchBlocked as block:
                blocked = str(block)
                context.log.warning(blocked)
                report(context.instance, lakehouse, table, context.log_event)
                _log_check(context, check_evaluation(table, blocked_outcome(block.block)))
        yield dg.Output(None, DONE)
        if blocked is not None:
            yield dg.Output(blocked, BLOCKED)

    return step


def checks_op(job: str, table: str) -> dg.OpDefinition:
    """Judges a table as it is committed, whole, and fails where what blocks in Dagster fails: a check of severity error over committed rows."""

    @dg.op(
        name=f"{op_name(job, table)}__checks",
        ins={step_name(table): dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
        required_resource_keys={LAKEHOUSE},
        tags={"table": table, **_LAST},
    )
    def checks(context: dg.OpExecutionContext) -> None:
        lakehouse: Lakehouse = context.resources.lakehouse
        with faults_judged(context, lakehouse.settings):
            if lakehouse.snapshot(table) is None:
                context.log.info(f"{table} does not exist yet")
                return
            failed = []
            for outcome in committed_outcomes(lakehouse, lakehouse.project.tables[table], None):
                _log_check(context, check_evaluation(table, outcome))
                if not outcome.passed and outcome.check.blocks:
                    failed.append(outcome.check.name)
            if failed:
                raise LakehouseError(f"{table} failed {', '.join(failed)}. `lakehouse check {table}` shows each check")

    return checks


def _log_check(context: dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    # Dagster logs checks like other events; its annotation has not heard of them.
    context.log_event(evaluation)  # type: ignore[arg-type]


def _refresh(context: dg.OpExecutionContext, table: str, order: Order | None = None) -> None:
    lakehouse: Lakehouse = context.resources.lakehouse
    listener: Listener = context.resources.listener
    listener(table, None)
    with faults_judged(context, lakehouse.settings):
        run_id = context.run.run_id
        result = run_step(lakehouse, table, run_id=run_id) if order is None else order(lakehouse, run_id)
        report(context.instance, lakehouse, table, context.log_event)
    listener(table, result)


def _pass_over(context: dg.OpExecutionContext, table: str, why: str) -> None:
    lakehouse: Lakehouse = context.resources.lakehouse
    listener: Listener = context.resources.listener
    context.log.info(f"{table} is passed over: {why}")
    context.add_output_metadata({"passed_over": why}, output_name=DONE)
    with faults_judged(context, lakehouse.settings):
        # What others committed to it, a killed run among them, is told all the same.
        report(context.instance, lakehouse, table, context.log_event)
        snapshot = lakehouse.snapshot(table)
    listener(table, StepResult(table, snapshot.version if snapshot is not None else None, passed_over=why))

"""Commands about blocked batches: which wait for a decision, and how one is settled. Not here: the rows of one (quarantine.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lakehouse_platform.cli.opening import open_lakehouse, silver_tables
from lakehouse_platform.cli.output import Format, FormatOption, show, tell, working
from lakehouse_platform.cli.runs import changes, fail_with, open_runs, show_changes, tell_unmet, versions

if TYPE_CHECKING:
    from lakehouse_platform.medallion.decisions import Decision

_COLUMNS = ("table", "batch", "state", "blocked_since", "decided", "read", "rejected", "late", "filtered", "share", "reason", "input", "versions")
_ONLY_JSON = ("bronze_batches", "run_id")

BatchArgument = Annotated[str, typer.Argument(help="The batch by its id, or as much of it as tells it from others")]
ReasonOption = Annotated[str, typer.Option(help="Why, for those who come after; kept with the batch")]


def blocked(
    everything: Annotated[bool, typer.Option("--all", help="Also those that were settled, and how")] = False, output: FormatOption = Format.TABLE
) -> None:
    """Show the batches that wait for a decision: what is in them, why they were blocked, and since when."""
    from lakehouse_platform.medallion.blocks import blocks_of

    lakehouse = open_lakehouse()
    with working("Reading the decisions"), lakehouse.session() as session:
        found = [block for name in silver_tables(lakehouse) for block in blocks_of(lakehouse, session, name)]
    rows = [
        (*_row(block.decision, block.since), list(block.decision.bronze_batches), block.decision.run_id)
        for block in found
        if everything or block.decision.is_open
    ]
    left_out = () if everything else ("state", "decided")
    show((*_COLUMNS, *_ONLY_JSON), rows, output, empty="No batch waits for a decision.", only_json=(*_ONLY_JSON, *left_out))


def release(batch: BatchArgument, reason: ReasonOption, output: FormatOption = Format.TABLE) -> None:
    """Take the valid rows of a blocked batch into its table as they are, and carry them on to what is downstream."""
    _settle(batch, "released", reason, output)


def reject(batch: BatchArgument, reason: ReasonOption, output: FormatOption = Format.TABLE) -> None:
    """Turn a blocked batch away as a whole: all of its rows go to quarantine, now and whenever the table is computed anew."""
    _settle(batch, "rejected", reason, output)


def _settle(batch: str, state: Literal["released", "rejected"], reason: str, output: Format) -> None:
    from lakehouse_platform.medallion.record import Ruling

    if not reason.strip():
        raise typer.BadParameter("say why: who reads the books later cannot ask you", param_hint="--reason")
    lakehouse = open_lakehouse()
    decision = _found(batch)
    with open_runs() as runner:
        before = versions(lakehouse)
        runs = [runner.settle(decision.table_name, Ruling(batch_id=decision.batch_id, state=state, reason=reason))]
        if runs[0].success:
            # What came to the table's source after the batch has waited for this.
            runs.append(runner.increment(decision.input))
    rows = changes(lakehouse, before)
    show_changes(rows, runs, output, empty=f"Batch {decision.batch_id[:12]} was {state} before; nothing is new.")
    if runs[0].success and rows:
        tell(f"Batch {decision.batch_id[:12]} of {decision.table_name} is {state}.")
    tell_unmet(runs)
    fail_with(runs)


def _found(batch: str) -> Decision:
    """The one batch whose id begins so."""
    from lakehouse_platform.medallion.blocks import blocks_of

    lakehouse = open_lakehouse()
    with lakehouse.session() as session:
        blocks = [block for name in silver_tables(lakehouse) for block in blocks_of(lakehouse, session, name)]
    # A table made anew may have blocked the same batch again; the later one counts.
    decisions = list({block.decision.batch_id: block.decision for block in blocks}.values())
    found = [decision for decision in decisions if batch and decision.batch_id.startswith(batch)]
    if len(found) == 1:
        return found[0]
    if found:
        raise typer.BadParameter(f"{batch} begins the ids of {', '.join(decision.batch_id for decision in found)}; give more of it")
    waiting = ", ".join(f"{decision.batch_id[:12]} of {decision.table_name}" for decision in decisions if decision.is_open)
    raise typer.BadParameter(f"no batch {batch} was ever blocked; {f'waiting are {waiting}' if waiting else 'none waits for a decision'}")


def _row(decision: Decision, since: object) -> tuple[object, ...]:
    counts = (decision.read, decision.rejected, decision.late, decision.filtered)
    span = f"{decision.from_version + 1} to {decision.to_version}"
    decided = None if decision.is_open else decision.decided_timestamp
    return (
        decision.table_name,
        decision.batch_id,
        decision.state.value,
        since,
        decided,
        *counts,
        decision.share,
        decision.reason,
        decision.input,
        span,
    )

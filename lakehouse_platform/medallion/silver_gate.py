"""How a batch of a silver table passes its gate: what identifies it, what its verdict is, and that it is held where it is blocked (PROTOCOLS 2).

Not here: the judging itself (quality/gate.py), what an open block means for later runs (blocks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.medallion.blocks import SHOWN_DIGITS, BatchBlocked, Block, open_block
from lakehouse_platform.medallion.changes import InputChange, batch_identity
from lakehouse_platform.medallion.record import Ruling
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.gate import Judgement, Verdict, judge
from lakehouse_platform.quality.quarantine import quarantined_rows, replace_batch


def identity(batch: SilverBatch, inputs: Sequence[InputChange]) -> str:
    """The id of a batch: what decides its rows, and what decides whether they pass."""
    decided = [f"rejected {batch_id}" for batch_id in batch.decided.rejected] + [f"released {batch_id}" for batch_id in batch.decided.released]
    limits = [f"gate {batch.table.attributes.gate_limits}"]
    if batch.source.attributes.has_snapshots:
        limits.append(f"smallest_snapshot {batch.table.attributes.smallest_snapshot}")
    return batch_identity(batch.table, inputs, [*limits, *decided])


def ruled(batch: SilverBatch, batch_id: str, waiting: Block | None, ruling: Ruling) -> SilverBatch:
    """The batch as a ruling has it. Raises LakehouseError where the one that was blocked waits no more, or would be another by now."""
    table, shown = batch.table.name, ruling.batch_id[:SHOWN_DIGITS]
    if waiting is None or waiting.decision.batch_id != ruling.batch_id:
        raise LakehouseError(f"{table}: batch {shown} does not wait for a decision any more; nothing was changed. See lakehouse quarantine blocked")
    if batch_id != ruling.batch_id:
        raise LakehouseError(
            f"{table}: the contract, the query, the gate or what it looks up has changed since batch {shown} was judged; nothing was changed. "
            f"Mend: lakehouse materialize {table} judges it again"
        )
    return batch if ruling.state == "released" else replace(batch, decided=batch.decided.rejecting(waiting.decision, ruling.reason))


def let_through(run: SilverRun, batch: SilverBatch, accounts: Accounts, judged: str, doubt: Judgement | None = None) -> Verdict | None:
    """The verdict on a batch of which `judged` are the rows that are not valid, or all; None where nobody asks for one.

    A `doubt` is a verdict against a part of the batch, which does not pass then, whatever the share of its valid rows.
    Raises BatchBlocked, once the failing rows are held and the block is logged. A rebuild is not judged: it stands on decisions made before.
    """
    limits = run.table.attributes.gate_limits
    if run.ruling is not None or run.change.reason is not None:
        return None
    judgement = judge(accounts - _decided(run, batch, judged), limits) if limits is not None else None
    if judgement is None or judgement.verdict is not Verdict.BLOCK:
        judgement = doubt or judgement
    elif doubt is not None:
        judgement = replace(judgement, reason=f"{judgement.reason}; {doubt.reason}")
    if judgement is None:
        return None
    if judgement.verdict is Verdict.BLOCK:
        raise BatchBlocked(hold(run, batch, accounts, judgement, judged))
    return judgement.verdict


def hold(run: SilverRun, batch: SilverBatch, accounts: Accounts, judgement: Judgement, judged: str) -> Block:
    """Keep a batch for a person to review: its failing rows in quarantine, where they do not show as the table's, and its block in the log."""
    replace_batch(run.session, run.quarantine, run.batch_id, quarantined_rows(judged, run.run_id, run.batch_id, batch.now))
    return open_block(run, accounts, judgement)


def _decided(run: SilverRun, batch: SilverBatch, judged: str) -> Accounts:
    """The rows of batches that a person decided about before, which come again where the table was made anew or put back."""
    if not batch.decided.batches:
        return Accounts()
    batches = ", ".join(literal(batch_id) for batch_id in sorted(batch.decided.batches))
    (read,) = run.session.row(f"SELECT count(*) FROM bronze_rows WHERE batch_id IN ({batches})")
    if not read:
        return Accounts()
    ends = dict(run.session.rows(f"SELECT _outcome, count(*) FROM ({judged}) WHERE _batch_id IN ({batches}) GROUP BY ALL"))
    return Accounts(read, rejected=ends.get("rejected", 0), late=ends.get("late", 0), filtered=ends.get("filtered", 0))

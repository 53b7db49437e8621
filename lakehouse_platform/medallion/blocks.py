"""Blocked batches: how one is opened, which one a table waits on, and how the table's own commit closes it (PROTOCOLS 2).

Not here: the log of decisions (decisions.py), what judges a batch (quality/gate.py), the commit that settles it (silver.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lakehouse_platform.delta.commit import CommitConflict
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.log import identity_of
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.medallion.decisions import DECISIONS, Decision, State, append, logged, open_log, standing
from lakehouse_platform.medallion.history import records_backwards
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import Ruling
from lakehouse_platform.medallion.silver_batch import SilverRun
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.gate import Judgement
from lakehouse_platform.quality.quarantine import drop_batches, quarantine_name

# So much of a batch's id tells it from the others of a lakehouse.
SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Block:
    """A batch that waits for a person's decision; `since` is when its rows were first blocked, also where they were judged again after that."""

    decision: Decision
    since: datetime

    @property
    def text(self) -> str:
        """What is blocked, why, since when, and what settles it."""
        batch, told = self.decision, self.decision.batch_id[:SHOWN_DIGITS]
        return (
            f"{batch.table_name}: batch {told} is blocked since {self.since:%Y-%m-%d %H:%M} UTC: {batch.reason}. "
            f"It is versions {batch.from_version + 1} to {batch.to_version} of {batch.input}: {batch.read:,} rows read, {batch.rejected:,} rejected, "
            f"{batch.late:,} late, {batch.filtered:,} filtered; none of them is in the table, nor is what came after. "
            f"Look at them: lakehouse quarantine show {batch.table_name} --batch {told}. "
            "Mend: correct the contract or the query and materialize again, or settle the batch as it is: "
            f'lakehouse quarantine release {told} --reason "…" takes its valid rows, lakehouse quarantine reject {told} --reason "…" takes none'
        )


class BatchBlocked(LakehouseError):
    """A batch of the table waits for a person's decision; nothing was committed."""

    def __init__(self, block: Block) -> None:
        self.block = block
        super().__init__(block.text)


def open_block(run: SilverRun, accounts: Accounts, judgement: Judgement) -> Block:
    """Log that the batch in view `bronze_rows` is blocked; one that stood open over the same rows is superseded by it.

    Its failing rows must be in quarantine by then. Raises CommitConflict where another worker took the table on, or blocked other rows of it.
    """
    opened = with_retries(lambda: _open_once(run, accounts, judgement), run.lakehouse.settings.commit_tries)
    if opened is None:
        raise CommitConflict(f"{run.table.name} or what is decided about it is not what this batch was judged by any more")
    return opened


def waiting(lakehouse: Lakehouse, session: Session, table: str, target: Snapshot | None) -> Block | None:
    """The batch that a table, as of a snapshot of it, waits on; None where it waits on none."""
    rows = logged(session, lakehouse.snapshot(DECISIONS), table)
    for decision in reversed(standing(rows)):
        if decision.is_open and target is not None and _why_void(lakehouse, target, decision) is None:
            return _block(rows, decision)
    return None


def blocks_of(lakehouse: Lakehouse, session: Session, table: str) -> list[Block]:
    """Every batch of a table that was ever blocked as it stands now, also where nobody has logged yet how it was settled."""
    rows = logged(session, lakehouse.snapshot(DECISIONS), table)
    target = lakehouse.snapshot(table) if rows else None
    return [_block(rows, (_settled(lakehouse, target, row) if row.is_open else None) or row) for row in standing(rows)]


def close_settled(lakehouse: Lakehouse, session: Session, table: str) -> None:
    """Log how each open batch of a table was settled, and clear its held rows; called before and after each refresh.

    The table's own commit decides; a row here is derived from it, so that closing may be done again at any time.
    """
    with_retries(lambda: _close_once(lakehouse, session, table), lakehouse.settings.commit_tries)


def is_settled(lakehouse: Lakehouse, session: Session, table: str, ruling: Ruling) -> bool:
    """Whether a batch was settled as a ruling says. Raises LakehouseError where it was settled otherwise, or never blocked."""
    rows = [row for row in standing(logged(session, lakehouse.snapshot(DECISIONS), table)) if row.batch_id == ruling.batch_id]
    if not rows:
        raise LakehouseError(f"{table}: no batch {ruling.batch_id[:SHOWN_DIGITS]} was ever blocked. See lakehouse quarantine blocked")
    last = rows[-1]
    if not last.is_open and last.state != ruling.state:
        raise LakehouseError(
            f"{table}: batch {ruling.batch_id[:SHOWN_DIGITS]} was {last.state} at {last.decided_timestamp:%Y-%m-%d %H:%M} UTC ({last.reason}); "
            "nothing was changed"
        )
    return not last.is_open


def _open_once(run: SilverRun, accounts: Accounts, judgement: Judgement) -> Block | None:
    log = open_log(run.lakehouse)
    rows = logged(run.session, log, run.table.name)
    decision = _opened(run, accounts, judgement)
    target = run.lakehouse.snapshot(run.table.name)
    if target is None or (target.table_id, target.version) != (run.target.table_id, run.target.version):
        return None
    standing_open = [row for row in standing(rows) if row.is_open and _why_void(run.lakehouse, target, row) is None]
    if (known := next((row for row in standing_open if row.batch_id == run.batch_id), None)) is not None:
        return _block(rows, known)
    if not all(row.is_of_range(decision) for row in standing_open):
        return None
    why = f"judged again as batch {run.batch_id[:SHOWN_DIGITS]}"
    append(run.session, log, [*(_closed(row, State.SUPERSEDED, why, run.run_id) for row in standing_open), decision])
    return _block([*rows, decision], decision)


def _opened(run: SilverRun, accounts: Accounts, judgement: Judgement) -> Decision:
    upstream = run.change.upstream
    assert upstream is not None
    return Decision(
        table_name=run.table.name,
        table_id=run.target.table_id,
        input=run.change.input,
        input_id=upstream.table_id,
        batch_id=run.batch_id,
        code_version=run.table.code_version,
        state=State.OPEN,
        reason=judgement.reason,
        run_id=run.run_id,
        from_version=run.change.from_version,
        to_version=run.change.to_version,
        read=accounts.read,
        rejected=accounts.rejected,
        late=accounts.late,
        filtered=accounts.filtered,
        share=judgement.share,
        bronze_batches=judgement.batches or _all_batches(run),
        decided_timestamp=datetime.now(UTC),
    )


def _all_batches(run: SilverRun) -> tuple[str, ...]:
    return tuple(str(batch) for (batch,) in run.session.rows("SELECT DISTINCT batch_id FROM bronze_rows ORDER BY ALL"))


def _block(rows: list[Decision], decision: Decision) -> Block:
    """A decision with when its rows were first blocked; `decision` itself may not be logged yet."""
    blocked = [row.decided_timestamp for row in [*rows, decision] if row.is_open and row.is_of_range(decision)]
    return Block(decision, min(blocked, default=decision.decided_timestamp))


def _close_once(lakehouse: Lakehouse, session: Session, table: str) -> None:
    log = lakehouse.snapshot(DECISIONS)
    last = standing(logged(session, log, table))
    if log is None or not last:
        return
    target = lakehouse.snapshot(table)
    closed = [settled for row in last if row.is_open and (settled := _settled(lakehouse, target, row)) is not None]
    after = {row.batch_id: row for row in [*last, *closed]}.values()
    drop_batches(lakehouse.snapshot(quarantine_name(table)), {batch for row in after if not row.is_open for batch in _dropped(target, row)})
    if closed:
        append(session, log, closed)


def _settled(lakehouse: Lakehouse, target: Snapshot | None, decision: Decision) -> Decision | None:
    """How an open batch was settled; None while it is not."""
    why = f"{decision.table_name} is gone" if target is None else _why_void(lakehouse, target, decision)
    if why is None:
        return None
    for record in records_backwards(lakehouse, decision.table_name) if target is not None else ():
        if record.ruling is not None and record.ruling.batch_id == decision.batch_id:
            return _closed(decision, State(record.ruling.state), record.ruling.reason, record.run_id)
    return _closed(decision, State.SUPERSEDED, why, decision.run_id)


def _dropped(target: Snapshot | None, decision: Decision) -> Iterator[str]:
    """The ids of a closed batch's rows that will never be the table's: the held ones, and those of a ruling that lost to another."""
    yield decision.batch_id
    if target is None or _cursor(target, decision) >= decision.to_version:
        # Before that, a ruling by a worker that does not know of a newer contract may still win.
        for state in ("released", "rejected"):
            if state != decision.state:
                yield Ruling(batch_id=decision.batch_id, state=state, reason="").committed_id


def _why_void(lakehouse: Lakehouse, target: Snapshot, decision: Decision) -> str | None:
    """Why nobody need decide about an open batch any more; None where somebody must."""
    if target.table_id != decision.table_id:
        return f"{decision.table_name} was made anew"
    if identity_of(lakehouse.location(decision.input)) != decision.input_id:
        return f"{decision.input} was made anew"
    cursor = _cursor(target, decision)
    if cursor != decision.from_version:
        return f"{decision.table_name} stands at version {cursor} of {decision.input} by now"
    try:
        lakehouse.snapshot(decision.input, decision.to_version)
    except VersionGone:
        return f"version {decision.to_version} of {decision.input} is gone"
    return None


def _cursor(target: Snapshot, decision: Decision) -> int:
    """The version of the batch's input up to which the table has read it, -1 for none of it."""
    version = target.transaction_version(decision.cursor_id)
    return -1 if version is None else version


def _closed(decision: Decision, state: State, reason: str, run_id: str) -> Decision:
    return replace(decision, state=state, reason=reason, run_id=run_id, decided_timestamp=datetime.now(UTC))

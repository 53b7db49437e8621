"""The log of decisions about blocked batches, `system/decisions`: a row each time that one is opened or closed (PROTOCOLS 2).

Not here: when a batch is blocked, and what closes it (blocks.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lakehouse_platform.contracts.types import BIGINT, DOUBLE, STRING, TIMESTAMP, array
from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.creation import open_or_create
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.log import identity_of
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import duckdb_type, literal
from lakehouse_platform.medallion.changes import cursor_name
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.tables.definition import Table

DECISIONS = "system/decisions"
_TEXTS = ("table_name", "table_id", "input", "input_id", "batch_id", "code_version", "state", "reason", "run_id")
_NUMBERS = ("from_version", "to_version", "read", "rejected", "late", "filtered")
_COLUMNS = (
    *(Field(name, STRING) for name in _TEXTS),
    *(Field(name, BIGINT) for name in _NUMBERS),
    Field("share", DOUBLE),
    Field("bronze_batches", array(STRING)),
    Field("decided_timestamp", TIMESTAMP),
    # The version of this log that a row came with: the last row of a batch is its state, whatever the clocks say.
    Field("version", BIGINT),
)


class State(StrEnum):
    """Open batches wait for a decision; superseded ones are judged otherwise by now, or were committed without one."""

    OPEN = "open"
    RELEASED = "released"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Decision:
    """What was decided about a batch of a table: the rows that `input` had after `from_version` (-1: the start) up to `to_version`.

    The ids tell a table from one made anew under its name. `bronze_batches` are the `batch_id`s of the batch's rows in bronze;
    `reason` says why it was blocked or, once it is closed, why it was settled so.
    """

    table_name: str
    table_id: str
    input: str
    input_id: str
    batch_id: str
    code_version: str
    state: State
    reason: str
    run_id: str
    from_version: int
    to_version: int
    read: int
    rejected: int
    late: int
    filtered: int
    share: float | None
    bronze_batches: tuple[str, ...]
    decided_timestamp: datetime

    @property
    def cursor_id(self) -> str:
        """The application id of the table's cursor over the very input that the batch is of."""
        return cursor_name(self.input, self.input_id)

    @property
    def is_open(self) -> bool:
        """Whether it waits for a decision, as far as this log says."""
        return self.state is State.OPEN

    def is_of_range(self, other: Decision) -> bool:
        """Whether another decision is about the very same rows."""
        return (self.table_id, self.cursor_id, self.from_version, self.to_version) == (
            other.table_id,
            other.cursor_id,
            other.from_version,
            other.to_version,
        )


@dataclass(frozen=True)
class Decided:
    """What holds for rows of bronze as whole batches: ids of rejected ones with why, and of released ones."""

    rejected: Mapping[str, str] = field(default_factory=dict)
    released: frozenset[str] = frozenset()

    @property
    def batches(self) -> frozenset[str]:
        """All that a person has decided about, which no gate judges again."""
        return self.released.union(self.rejected)

    def rejecting(self, decision: Decision, reason: str) -> Decided:
        """The same once a batch is rejected."""
        return Decided({**self.rejected, **dict.fromkeys(decision.bronze_batches, reason)}, self.released)


def decided(lakehouse: Lakehouse, session: Session, table: Table) -> Decided:
    """What was decided about the rows of a table's bronze table as it is, also where the table itself was made anew since."""
    found = [row for row in standing(logged(session, lakehouse.snapshot(DECISIONS), table.name)) if row.state in (State.RELEASED, State.REJECTED)]
    if not found:
        return Decided()
    input_id = identity_of(lakehouse.location(table.inputs[0]))
    outcome: dict[str, Decision] = {batch: row for row in found if row.input_id == input_id for batch in row.bronze_batches}
    return Decided(
        {batch: row.reason for batch, row in outcome.items() if row.state is State.REJECTED},
        frozenset(batch for batch, row in outcome.items() if row.state is State.RELEASED),
    )


def open_log(lakehouse: Lakehouse) -> Snapshot:
    """The log as it is, created empty where there is none."""
    return open_or_create(lakehouse.location(DECISIONS), _COLUMNS, (), configuration={"delta.appendOnly": "true"})


def logged(session: Session, log: Snapshot | None, table: str) -> list[Decision]:
    """Every row about a table, oldest first; none where nothing was ever blocked."""
    if log is None or not log.files:
        return []
    names = (*_TEXTS, *_NUMBERS, "share", "bronze_batches", "decided_timestamp")
    rows = session.rows(
        f"SELECT {', '.join(names)} FROM ({snapshot_scan(log)}) WHERE table_name = {literal(table)} ORDER BY version, decided_timestamp"
    )
    return [_decision(dict(zip(names, row, strict=True))) for row in rows]


def standing(rows: Sequence[Decision]) -> list[Decision]:
    """The last row of each batch, which is its state, in the order in which these came."""
    last = {(row.table_id, row.batch_id): place for place, row in enumerate(rows)}
    return [rows[place] for place in sorted(last.values())]


def append(session: Session, log: Snapshot, decisions: Sequence[Decision]) -> None:
    """Add rows in one commit that follows the snapshot. Raises CommitConflict."""
    rows = " UNION ALL ".join(_row_sql(decision, log.version + 1) for decision in decisions)
    commit(log, added=session.write(rows, log.location, ()))


def _decision(values: dict[str, object]) -> Decision:
    batches, state = values.pop("bronze_batches"), values.pop("state")
    assert isinstance(batches, list)
    return Decision(**values, state=State(str(state)), bronze_batches=tuple(batches))  # type: ignore[arg-type]  # by the columns' types


def _row_sql(decision: Decision, version: int) -> str:
    values = {**vars(decision), "version": version}
    return "SELECT " + ", ".join(f"CAST({literal(values[field.name])} AS {duckdb_type(field.type)}) AS {field.name}" for field in _COLUMNS)

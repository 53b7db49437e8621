"""Refreshes a gold table: only the partitions or keys that changed input affects are recomputed, in one commit (PROTOCOLS 3).

Not here: what is affected (affected.py), the SQL of a recompute (recompute.py), dimensions (dimension.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.affected import find_affected, given_partitions, why_all
from lakehouse_platform.medallion.changes import batch_identity
from lakehouse_platform.medallion.checked import counted_rules
from lakehouse_platform.medallion.difference import DIFFERENCE, difference
from lakehouse_platform.medallion.gold_inputs import GoldInputs, open_inputs
from lakehouse_platform.medallion.history import last_record
from lakehouse_platform.medallion.keys import plan_keyed
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.planned import Planned, commit_planned
from lakehouse_platform.medallion.recompute import driving_files, recomputed
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.stale import ASKED, CODE_CHANGED, is_stale
from lakehouse_platform.medallion.target import ensure_table, refuse_other_columns, written_rows
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.writes.keyed import KeyedRows


@dataclass(frozen=True)
class _Run:
    """One attempt: its inputs, the table as it was found, the record begun for its commit; without `everything`, only `affected` is recomputed."""

    inputs: GoldInputs
    target: Snapshot
    record: CommitRecord
    everything: bool

    @property
    def transactions(self) -> dict[str, int]:
        """The cursors that the commit moves."""
        if self.record.step == "backfill":
            return {}
        return {change.cursor_id: change.to_version for change in self.inputs.changes.values() if change.kind != "none"}


def refresh(lakehouse: Lakehouse, table_name: str, *, run_id: str, partitions: Collection[str] | None = None) -> StepResult:
    """Bring a gold table up to its inputs, or recompute exactly some of its partitions from its inputs as they are, moving no cursor."""
    table = lakehouse.project.tables[table_name]
    if partitions is not None and table.partition_column is None:
        raise LakehouseError(f"{table_name} has no partitions; refresh it without naming any")
    if partitions is not None and not partitions:
        raise LakehouseError(f"{table_name}: no partition was named; name some, or refresh it without naming any")
    with lakehouse.session() as session:
        return with_retries(lambda: _attempt(lakehouse, session, table, run_id, partitions), lakehouse.settings.commit_tries)


def plan_rebuild(lakehouse: Lakehouse, session: Session, table: Table, run_id: str) -> Planned:
    """The commit that computes all of a gold table from its inputs as they are now, with what it changes as a note."""
    target = ensure_table(lakehouse, table)
    inputs = open_inputs(lakehouse, session, table, target)
    if table.driving is not None and inputs.driving is None:
        raise LakehouseError(f"{table.driving} does not exist yet, so there is nothing to compute {table.name} from")
    why = CODE_CHANGED if is_stale(lakehouse, table) else ASKED
    planned = _plan(_Run(inputs, target, _record(inputs, run_id, None, why, {}), everything=True), ())
    rows = "SELECT * FROM rows_wanted" if table.refresh is Refresh.REPLACE_KEYS else written_rows(table, target.location, planned.added)
    notes = {**planned.record.notes, DIFFERENCE: difference(session, table, target, rows)}
    return replace(planned, record=planned.record.model_copy(update={"notes": notes}))


def _attempt(lakehouse: Lakehouse, session: Session, table: Table, run_id: str, partitions: Collection[str] | None) -> StepResult:
    target = ensure_table(lakehouse, table)
    inputs = open_inputs(lakehouse, session, table, target)
    if partitions is not None:
        refuse_other_columns(table, target)
        given_partitions(inputs, partitions)
        run = _Run(inputs, target, _record(inputs, run_id, partitions, None, {}), everything=False)
    else:
        # Rows that two queries made would be neither's: whatever little changed in the input, all is recomputed.
        changed = CODE_CHANGED if is_stale(lakehouse, table) else None
        if _is_current(lakehouse, inputs, changed):
            return StepResult(table.name, target.version)
        why = changed or ("" if table.refresh is Refresh.REPLACE else why_all(inputs))
        named = find_affected(inputs, inputs.grain) if why is None and inputs.grain is not None else {}
        run = _Run(inputs, target, _record(inputs, run_id, None, why, named), everything=why is not None)
    return commit_planned(_plan(run, partitions or ()))


def _plan(run: _Run, partitions: Collection[str]) -> Planned:
    driving = driving_files(run.inputs, restricted=not run.everything)
    rows = recomputed(run.inputs, driving, restricted=not run.everything)
    if run.inputs.table.refresh is Refresh.REPLACE_KEYS:
        return _plan_keys(run, rows, driving)
    return _plan_partitions(run, rows, driving, partitions)


def _is_current(lakehouse: Lakehouse, inputs: GoldInputs, code_changed: str | None) -> bool:
    table = inputs.table
    if table.driving is not None and inputs.driving is None:
        return True
    if code_changed is not None or any(change.kind != "none" for change in inputs.changes.values()):
        return False
    return table.refresh is not Refresh.REPLACE or last_record(lakehouse, table.name) is not None


def _record(inputs: GoldInputs, run_id: str, partitions: Collection[str] | None, why: str | None, named: Mapping[str, Sequence[str]]) -> CommitRecord:
    is_backfill = partitions is not None
    changes = {name: change for name, change in inputs.changes.items() if change.upstream is not None and (is_backfill or change.kind != "none")}
    return CommitRecord(
        table=inputs.table.name,
        step="backfill" if is_backfill else "rebuild" if why else "increment",
        run_id=run_id,
        batch_id=batch_identity(inputs.table, list(inputs.changes.values()), partitions or ()),
        code_version=inputs.table.code_version,
        inputs={name: (change.to_version if is_backfill else change.from_version, change.to_version) for name, change in changes.items()},
        rebuilt=why or None,
        notes={"affected_by_lookup": named} if named else {},
    )


def _plan_keys(run: _Run, rows: str, driving: Sequence[DataFile]) -> Planned:
    table = run.inputs.table
    wanted = KeyedRows(table.contract.key, None if run.everything else "SELECT * FROM affected", rows)
    return plan_keyed(run.inputs.session, table, run.target, wanted, record=run.record, transactions=run.transactions, read=_files_read(run, driving))


def _plan_partitions(run: _Run, rows: str, driving: Sequence[DataFile], partitions: Collection[str]) -> Planned:
    session, table, target = run.inputs.session, run.inputs.table, run.target
    affected = None if run.everything else _affected_keys(run)
    removed = tuple(file for file in target.files if affected is None or _partition(table, file) in affected)
    added = tuple(session.write(rows, target.location, target.partition_columns)) if affected is None or affected else ()
    if affected is not None:
        _refuse_others(table, affected, [*added, *removed])
    read = tuple(_files_read(run, driving))
    planned = Planned(table, target, run.record, added, removed, run.transactions, read, is_anew=run.everything)
    touched = dict.fromkeys(sorted(partitions), 0) | planned.partitions
    return planned.filled(partitions=touched, rules=counted_rules(session, table, written_rows(table, target.location, added)))


def _affected_keys(run: _Run) -> set[str]:
    column = quote(str(run.inputs.table.partition_column))
    keys = [key for (key,) in run.inputs.session.rows(f"SELECT CAST({column} AS VARCHAR) FROM affected")]
    return {str(key) for key in keys if key is not None}


def _refuse_others(table: Table, affected: Collection[str], files: Sequence[WrittenFile | DataFile]) -> None:
    """The promise that no other partition is touched, held at the last moment before the commit."""
    others = sorted({_partition(table, file) for file in files} - set(affected))
    if others:
        raise LakehouseError(
            f"{table.name}: recomputing {len(affected)} partitions gave rows of others, {', '.join(others[:3])}; nothing was committed. "
            f"Compute {table.contract.partition_column} from a row of {table.driving} alone"
        )


def _partition(table: Table, file: WrittenFile | DataFile) -> str:
    return str(file.partition_values[str(table.partition_column)])


def _files_read(run: _Run, driving: Sequence[DataFile]) -> list[DataFile]:
    """Every input file that was read whole, once; of others a changed lookup may have read the columns that it is joined by."""
    changes = run.inputs.changes
    changed = [file for change in changes.values() if change.kind == "files" for file in change.files]
    joined = [file for name, change in changes.items() if name != run.inputs.table.driving and change.upstream for file in change.upstream.files]
    return list({file.uri: file for file in [*driving, *changed, *joined]}.values())

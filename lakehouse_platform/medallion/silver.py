"""Refreshes a silver table from its bronze table: validate, then deduplicate, then commit (PROTOCOLS 1).

Not here: change events (silver_changes.py), the recompute of single partitions (silver_backfill.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lakehouse_platform.delta.commit import commit
from lakehouse_platform.delta.files import DataFile, WrittenFile
from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.changes import InputChange, batch_identity, increment_of
from lakehouse_platform.medallion.contested import PLACE, Settled, find, settle, with_partition
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver_backfill import recompute
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun, open_batch
from lakehouse_platform.medallion.silver_changes import refresh_changes
from lakehouse_platform.medallion.target import ensure_table, partition_rows, written_as_files
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.quarantine import open_quarantine, quarantine_name, quarantined_rows, replace_batch
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.storage import contract_fields, stored_fields, unbounded_columns

_OUTCOMES = ("rejected", "late", "filtered")
_TURNED_AWAY = "SELECT * FROM leftover UNION ALL SELECT * FROM contested_rows WHERE _outcome <> 'valid'"


@dataclass(frozen=True)
class _Counted:
    """What became of the rows, and what was written for them."""

    accounts: Accounts
    rules: Mapping[str, int]
    added: tuple[WrittenFile, ...]
    removed: tuple[DataFile, ...]


def refresh(lakehouse: Lakehouse, table_name: str, *, run_id: str, partitions: Collection[str] | None = None) -> StepResult:
    """Bring a silver table up to its bronze table, or recompute some of its partitions without moving its cursor."""
    table = lakehouse.project.tables[table_name]
    with lakehouse.session() as session:
        books.seal(lakehouse, session, table_name)
        if partitions is not None:
            result = with_retries(lambda: recompute(lakehouse, session, table, run_id, partitions), lakehouse.settings.commit_tries)
        else:
            result = with_retries(lambda: _increment(lakehouse, session, table, run_id), lakehouse.settings.commit_tries)
        books.seal(lakehouse, session, table_name)
    return result


def _increment(lakehouse: Lakehouse, session: Session, table: Table, run_id: str) -> StepResult:
    source = lakehouse.project.sources[table.inputs[0]]
    quarantine = open_quarantine(lakehouse.location(quarantine_name(table.name)))
    target = ensure_table(lakehouse, table)
    change = _additions_only(increment_of(lakehouse, target, source.name))
    if change.kind == "none":
        return StepResult(table.name, target.version)
    run = SilverRun(lakehouse, session, table, run_id, quarantine, target, change)
    batch = open_batch(table, source)
    assert change.upstream is not None
    session.view("bronze_rows", scan(change.upstream.columns, change.upstream.partition_columns, change.added))
    if table.refresh is Refresh.SCD1:
        return refresh_changes(run, batch)
    batch_id = batch_identity(table, [change])
    counted = _write(run, batch)
    replace_batch(session, quarantine, batch_id, quarantined_rows(_TURNED_AWAY, run_id, batch_id, batch.now))
    return _commit(run, batch_id, counted)


def _additions_only(change: InputChange) -> InputChange:
    """The change, or everything anew where records went from bronze (`on_change: replace`): what they once displaced is not known any more."""
    if not change.removed or change.upstream is None:
        return change
    reason = f"records of {change.input} were replaced"
    return replace(change, kind="all", added=change.upstream.files, removed=(), reason=reason)


def _write(run: SilverRun, batch: SilverBatch) -> _Counted:
    """Judge and settle the batch, write the files of what is accepted, and leave what was turned away in table `leftover`."""
    session, table = run.session, run.table
    live = () if run.change.kind == "all" else run.target.files
    read = sum(file.rows or 0 for file in run.change.added)
    uncontested, contested_count, settled = "bronze_rows", 0, Settled(0, 0, 0, ())
    if table.refresh is Refresh.UPSERT:
        contested = find(session, batch, "bronze_rows", run.target, live)
        contested_count = contested.rows
        if contested_count:
            settled = settle(session, batch, "bronze_rows", run.target, contested)
            uncontested = f"(SELECT * FROM bronze_rows ANTI JOIN contested_places ON place = {PLACE})"
    if not contested_count:
        session.table("contested_rows", f"{batch.judged('bronze_rows')} LIMIT 0")
    kept = sum(file.rows or 0 for file in settled.rewritten)
    added = tuple(session.write(_rows_to_write(batch, uncontested, settled), run.target.location, run.target.partition_columns))
    alone = sum(file.rows for file in added) - (kept - settled.displaced) - settled.winners
    _leftover(run, batch, uncontested, added, missing=read - contested_count - alone)
    counts = _outcomes(session)
    turned_away = sum(counts.values())
    accepted = alone + settled.new_keys
    accounts = Accounts(read, accepted, read - turned_away - accepted, counts["rejected"], counts["late"], counts["filtered"])
    removed = run.target.files if run.change.kind == "all" else settled.rewritten
    return _Counted(accounts, _rule_counts(run, batch, added, has_contested=contested_count > 0), added, tuple(removed))


def _rows_to_write(batch: SilverBatch, uncontested: str, settled: Settled) -> str:
    names = ", ".join(quote(field.name) for field in stored_fields(batch.table))
    valid = f"SELECT * FROM ({batch.judged(uncontested)}) WHERE _outcome = 'valid'"
    parts = [f"SELECT {names} FROM ({with_partition(batch, valid)})"]
    if settled.winners:
        parts.append(f"SELECT {names} FROM settled WHERE _wins AND NOT _known")
    if settled.rewritten:
        fields = stored_fields(batch.table)
        partition = batch.table.partition_column
        rows = scan(fields, (partition,) if partition else (), settled.rewritten, with_file=True)
        gone = "(SELECT _file, _file_row FROM settled WHERE _known AND NOT _wins)"
        parts.append(f"SELECT {names} FROM ({rows}) ANTI JOIN {gone} USING (_file, _file_row)")
    return " UNION ALL ".join(parts)


def _leftover(run: SilverRun, batch: SilverBatch, uncontested: str, added: Sequence[WrittenFile], missing: int) -> None:
    """Judge again, now with reasons, the few rows that were not written; all others are known to be valid and alone."""
    if not missing:
        run.session.table("leftover", "SELECT * FROM contested_rows LIMIT 0")
        return
    files = written_as_files(run.target.location, added)
    stored = scan(run.target.columns, run.target.partition_columns, files)
    written = f"(SELECT _source_position.source AS source_file, _source_position.row AS source_row FROM ({stored}))"
    # Places first, raw records after: joined together, every record of the batch would go through the join (3.8 s of 14 s).
    places = f"SELECT source_file, source_row FROM {uncontested} AS uncontested ANTI JOIN {written} USING (source_file, source_row)"
    run.session.table("leftover_places", places)
    run.session.table("leftover", batch.judged("(SELECT * FROM bronze_rows SEMI JOIN leftover_places USING (source_file, source_row))"))
    found, valid = run.session.row("SELECT count(*), count(*) FILTER (WHERE _outcome = 'valid') FROM leftover")
    if found != missing or valid:
        raise LakehouseError(
            f"{run.table.name}: {missing} rows were not written, but {found} were found, {valid} of them valid; nothing was committed"
        )


def _outcomes(session: Session) -> dict[str, int]:
    found = session.rows(f"SELECT _outcome, count(*) FROM ({_TURNED_AWAY}) WHERE _outcome <> 'valid' GROUP BY ALL")
    return dict.fromkeys(_OUTCOMES, 0) | {name: int(count) for name, count in found}


def _rule_counts(run: SilverRun, batch: SilverBatch, added: Sequence[WrittenFile], *, has_contested: bool) -> dict[str, int]:
    session = run.session
    counts = dict.fromkeys(batch.rules(), 0)
    unnested = f"SELECT unnest(_reasons).rule AS rule FROM ({_TURNED_AWAY}) WHERE _outcome IN ('rejected', 'late')"
    counts |= {rule: int(count) for rule, count in session.rows(f"SELECT rule, count(*) FROM ({unnested}) GROUP BY ALL")}
    warned = batch.warnings(f"({_valid_rows(run, batch, added, has_contested=has_contested)}) WHERE data_quality_score < 1")
    if warned is not None:
        names = [rule.id for rule in run.table.contract.warning_rules]
        counts |= {name: int(count) for name, count in zip(names, session.row(warned), strict=True)}
    return counts


def _valid_rows(run: SilverRun, batch: SilverBatch, added: Sequence[WrittenFile], *, has_contested: bool) -> str:
    """SQL of the batch's valid rows, duplicates included: who wins depends on how rows were split into batches, their number does not."""
    names = ", ".join(quote(field.name) for field in contract_fields(batch.table))
    stored = scan(run.target.columns, run.target.partition_columns, written_as_files(run.target.location, added))
    rows = f"SELECT {names} FROM ({stored}) WHERE processed_timestamp = TIMESTAMPTZ '{batch.now}'"
    if not has_contested:
        return rows
    losers = "contested_rows ANTI JOIN (SELECT _source_position FROM settled WHERE _wins AND NOT _known) USING (_source_position)"
    return f"{rows} UNION ALL SELECT {names} FROM {losers} WHERE _outcome = 'valid'"


def _commit(run: SilverRun, batch_id: str, counted: _Counted) -> StepResult:
    change, table = run.change, run.table
    accounts = counted.accounts
    if change.kind == "all":
        # A rebuild starts again from nothing: only what differs from the books is booked, so that their sum stays the table's state.
        accounts = accounts - books.total(books.entries(run.lakehouse, run.session, table.name))
    record = CommitRecord(
        table=table.name,
        step="rebuild" if change.reason else "increment",
        run_id=run.run_id,
        batch_id=batch_id,
        code_version=table.code_version,
        inputs={table.inputs[0]: (change.from_version, change.to_version)},
        accounts=accounts,
        pass_rate=counted.accounts.pass_rate,
        partitions=partition_rows(table, run.target, counted.added, counted.removed),
        rows=run.target.rows - sum(file.rows or 0 for file in counted.removed) + sum(file.rows for file in counted.added),
        rules=counted.rules,
        rebuilt=change.reason,
    )
    version = commit(
        run.target,
        added=counted.added,
        removed=counted.removed,
        transactions={change.cursor_id: change.to_version},
        metadata=record.as_metadata(),
        unbounded=unbounded_columns(table),
    )
    return StepResult(table.name, version, record, files_read=len(change.added), rows_read=counted.accounts.read)

"""Writes the files of a batch of bronze rows: judge, settle contested keys, write what is accepted, keep what was turned away.

Not here: where the rows come from and the commit (silver.py), change events (silver_changes.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse_platform.delta.files import DataFile, WrittenFile
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.contested import PLACE, Settled, find, settle, with_partition
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun
from lakehouse_platform.medallion.target import written_rows
from lakehouse_platform.medallion.unknown_fields import unknown_field_counts
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.storage import contract_fields, partition_columns, stored_fields

_OUTCOMES = ("rejected", "late", "filtered")
# The rows that `write_batch` judged not to be valid, with their reasons.
TURNED_AWAY = "SELECT * FROM leftover UNION ALL SELECT * FROM contested_rows WHERE _outcome <> 'valid'"


@dataclass(frozen=True)
class Counted:
    """What became of the rows, and what was written for them; `removed` are files of the table whose rows lost to new ones."""

    accounts: Accounts
    rules: Mapping[str, int]
    added: tuple[WrittenFile, ...]
    removed: tuple[DataFile, ...]


def write_batch(run: SilverRun, batch: SilverBatch, *, live: Sequence[DataFile], read: int) -> Counted:
    """Judge and settle the `read` rows of view `bronze_rows`, and write the files of what is accepted; TURNED_AWAY is SQL of the others.

    `live` are the files of the table that go on to be part of it, whose rows the new ones are settled against.
    """
    session, table = run.session, run.table
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
    duplicates = read - turned_away - accepted
    accounts = Accounts(
        read,
        accepted,
        duplicates,
        **counts,
        repeated=settled.repeated,
        superseded=duplicates - settled.repeated - settled.conflicting,
        conflicting=settled.conflicting,
    )
    return Counted(accounts, _rule_counts(run, batch, added, has_contested=contested_count > 0), added, settled.rewritten)


def _rows_to_write(batch: SilverBatch, uncontested: str, settled: Settled) -> str:
    names = ", ".join(quote(field.name) for field in stored_fields(batch.table))
    valid = f"SELECT * FROM ({batch.judged(uncontested)}) WHERE _outcome = 'valid'"
    parts = [f"SELECT {names} FROM ({with_partition(batch, valid)})"]
    if settled.winners:
        parts.append(f"SELECT {names} FROM settled WHERE _wins AND NOT _known")
    if settled.rewritten:
        fields = stored_fields(batch.table)
        rows = scan(fields, partition_columns(batch.table), settled.rewritten, with_file=True)
        gone = "(SELECT _file, _file_row FROM settled WHERE _known AND NOT _wins)"
        parts.append(f"SELECT {names} FROM ({rows}) ANTI JOIN {gone} USING (_file, _file_row)")
    return " UNION ALL ".join(parts)


def _leftover(run: SilverRun, batch: SilverBatch, uncontested: str, added: Sequence[WrittenFile], missing: int) -> None:
    """Judge again, now with reasons, the few rows that were not written; all others are known to be valid and alone."""
    if not missing:
        run.session.table("leftover", "SELECT * FROM contested_rows LIMIT 0")
        return
    stored = written_rows(run.table, run.target.location, added)
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
    found = session.rows(f"SELECT _outcome, count(*) FROM ({TURNED_AWAY}) WHERE _outcome <> 'valid' GROUP BY ALL")
    return dict.fromkeys(_OUTCOMES, 0) | {name: int(count) for name, count in found}


def _rule_counts(run: SilverRun, batch: SilverBatch, added: Sequence[WrittenFile], *, has_contested: bool) -> dict[str, int]:
    session = run.session
    counts = dict.fromkeys(batch.rules(), 0) | unknown_field_counts(session, batch)
    unnested = f"SELECT unnest(_reasons).rule AS rule FROM ({TURNED_AWAY}) WHERE _outcome IN ('rejected', 'late')"
    counts |= {rule: int(count) for rule, count in session.rows(f"SELECT rule, count(*) FROM ({unnested}) GROUP BY ALL")}
    warned = batch.warnings(f"({_valid_rows(run, batch, added, has_contested=has_contested)}) WHERE data_quality_score < 1")
    if warned is not None:
        names = [rule.id for rule in run.table.contract.warning_rules]
        counts |= {name: int(count) for name, count in zip(names, session.row(warned), strict=True)}
    return counts


def _valid_rows(run: SilverRun, batch: SilverBatch, added: Sequence[WrittenFile], *, has_contested: bool) -> str:
    """SQL of the batch's valid rows, duplicates included: who wins depends on how rows were split into batches, their number does not."""
    names = ", ".join(quote(field.name) for field in contract_fields(batch.table))
    stored = written_rows(run.table, run.target.location, added)
    rows = f"SELECT {names} FROM ({stored}) WHERE processed_timestamp = TIMESTAMPTZ '{batch.now}'"
    if not has_contested:
        return rows
    losers = "contested_rows ANTI JOIN (SELECT _source_position FROM settled WHERE _wins AND NOT _known) USING (_source_position)"
    return f"{rows} UNION ALL SELECT {names} FROM {losers} WHERE _outcome = 'valid'"

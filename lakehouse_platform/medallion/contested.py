"""Finds the rows of a batch whose business key another row has, in the batch or in the table, and settles only those.

Most keys are new and alone; they are written without ever being compared. Not here: judging rows, commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.delta.prune import files_that_may_hold
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.medallion.grain import partition_of
from lakehouse_platform.medallion.silver_batch import SilverBatch
from lakehouse_platform.tables.storage import mapped_columns, stored_fields

PLACE = "hash(source_file, source_row)"


@dataclass(frozen=True)
class Contested:
    """What `find` left in the session: `contested` (key hashes), `contested_places` (hashes of places in the source).

    `files` are the table's files that may hold one of the batch's keys.
    """

    rows: int
    files: tuple[DataFile, ...]


@dataclass(frozen=True)
class Settled:
    """The outcome for contested keys: new rows that win, how many of their keys the table never had, rows of the table that lose, and their files.

    `repeated` and `conflicting` are rows that lose, in the batch or in the table, by what they are to the row that wins.
    """

    winners: int
    new_keys: int
    displaced: int
    rewritten: tuple[DataFile, ...]
    repeated: int = 0
    conflicting: int = 0


def find(session: Session, batch: SilverBatch, rows: str, target: Snapshot, live: Sequence[DataFile]) -> Contested:
    """Find the contested rows of a bronze relation. Two rows that share a hash by chance are settled too, and both kept."""
    key = key_of(batch)
    names = ", ".join(quote(name) for name in key)
    kept = f", {names}" if live else ""
    place = "hash(_source_position.source, _source_position.row)"
    typed = with_partition(batch, batch.keys(rows, _contract_columns(batch, key))) if _is_of_partition(batch) else batch.keys(rows, key)
    session.table("batch_keys", f"SELECT hash({names}) AS key_hash, {place} AS place{kept} FROM ({typed})")
    repeated = "SELECT key_hash FROM batch_keys GROUP BY key_hash HAVING count(*) > 1"
    files = _files_with_keys(session, target, live, key)
    if files:
        stored = scan(target.columns, target.partition_columns, files)
        known = f"SELECT hash({names}) AS key_hash FROM ({stored})"
        repeated += f" UNION SELECT key_hash FROM ({known}) SEMI JOIN batch_keys USING (key_hash)"
    with session.joins_as_written():
        session.table("contested", repeated)
        session.table("contested_places", "SELECT place FROM batch_keys SEMI JOIN contested USING (key_hash)")
    session.drop("batch_keys")
    return Contested(int(session.row("SELECT count(*) FROM contested_places")[0]), files)


def settle(session: Session, batch: SilverBatch, rows: str, target: Snapshot, contested: Contested) -> Settled:
    """Judge the contested rows (table `contested_rows`) and rank the valid ones with the table's rows of their keys (table `settled`)."""
    session.table("contested_rows", batch.judged(f"(SELECT * FROM {rows} SEMI JOIN contested_places ON place = {PLACE})"))
    columns = ", ".join(quote(field.name) for field in stored_fields(batch.table))
    candidates = (
        f"SELECT {columns}, FALSE AS _known, NULL::VARCHAR AS _file, NULL::BIGINT AS _file_row FROM ({with_partition(batch, 'contested_rows')})"
    )
    candidates += " WHERE _outcome = 'valid'"
    if contested.files:
        stored = scan(target.columns, target.partition_columns, contested.files, with_file=True)
        names = ", ".join(quote(name) for name in key_of(batch))
        known = f"SELECT *, hash({names}) AS key_hash FROM ({stored})"
        candidates += f" UNION ALL SELECT {columns}, TRUE AS _known, _file, _file_row FROM ({known}) SEMI JOIN contested USING (key_hash)"
    with session.joins_as_written():
        session.table("settled", ranked(batch, candidates))
    conditions = ("_wins AND NOT _known", "_wins AND NOT _key_known", "_known AND NOT _wins")
    winners, new_keys, displaced = session.row(f"SELECT {', '.join(f'count(*) FILTER (WHERE {condition})' for condition in conditions)} FROM settled")
    touched = {name for (name,) in session.rows("SELECT DISTINCT _file FROM settled WHERE _known AND NOT _wins")}
    rewritten = tuple(file for file in contested.files if file.uri in touched)
    return Settled(int(winners), int(new_keys), int(displaced), rewritten, *_kinds(session, batch))


def _kinds(session: Session, batch: SilverBatch) -> tuple[int, int]:
    """Of the rows in table `settled` that lose: those that say the same as the one that wins, and those that say something else in the same place."""
    key = ", ".join(quote(name) for name in key_of(batch))
    content = _packed([column.name for column in mapped_columns(batch.table)])
    sequence = _packed(batch.table.attributes.sequence_by) if batch.table.attributes.sequence_by else "NULL"
    marked = (
        f"SELECT _wins, {content} IS NOT DISTINCT FROM first({content}) OVER winner AS _same, "
        f"{sequence} IS NOT DISTINCT FROM first({sequence}) OVER winner AS _in_place "
        f"FROM settled WINDOW winner AS (PARTITION BY {key} ORDER BY _wins DESC)"
    )
    repeated, conflicting = session.row(
        f"SELECT count(*) FILTER (WHERE _same), count(*) FILTER (WHERE NOT _same AND _in_place) FROM ({marked}) WHERE NOT _wins"
    )
    return int(repeated), int(conflicting)


def _packed(names: Sequence[str]) -> str:
    return f"struct_pack({', '.join(f'{quote(name)} := {quote(name)}' for name in names)})"


def ranked(batch: SilverBatch, candidates: str) -> str:
    """SQL that marks the one row of each key that wins: the latest by sequence, then by place in the source; a tie keeps what is there."""
    key = ", ".join(quote(name) for name in key_of(batch))
    sequence = "".join(f"{quote(name)} DESC NULLS LAST, " for name in batch.table.attributes.sequence_by)
    order = f"{sequence}_source_position.source DESC, _source_position.row DESC, _known DESC"
    return (
        f"SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {order}) = 1 AS _wins, "
        f"bool_or(_known) OVER (PARTITION BY {key}) AS _key_known FROM ({candidates})"
    )


def key_of(batch: SilverBatch) -> tuple[str, ...]:
    """The columns in which a key is unique: the business key, and the Delta partition's where the key's scope is the partition."""
    key, partition = batch.table.contract.key, batch.table.partition_column
    return (*key, partition) if _is_of_partition(batch) and partition is not None and partition not in key else key


def with_partition(batch: SilverBatch, relation: str) -> str:
    """SQL of a relation of judged rows with the Delta partition column beside the contract's, where it is another."""
    partition, column = batch.table.partition_column, batch.table.contract.partition_column
    if partition is None or column is None or partition == column:
        return f"SELECT * FROM ({relation})" if " " in relation else f"SELECT * FROM {relation}"
    inner = f"({relation})" if " " in relation else relation
    return f"SELECT *, {partition_of(batch.table, quote(column))} AS {quote(partition)} FROM {inner}"


def _is_of_partition(batch: SilverBatch) -> bool:
    return batch.table.attributes.key_scope == "partition" and batch.table.partition_column is not None


def _contract_columns(batch: SilverBatch, key: Sequence[str]) -> tuple[str, ...]:
    """The key's columns as the contract has them: its own partitioned column, from which the Delta partition's is made, in place of that."""
    partition, column = batch.table.partition_column, batch.table.contract.partition_column
    return tuple(dict.fromkeys(str(column) if name == partition else name for name in key))


def _files_with_keys(session: Session, target: Snapshot, live: Sequence[DataFile], key: Sequence[str]) -> tuple[DataFile, ...]:
    if not live:
        return ()
    fields = [field for field in target.columns if field.name in key and not field.type.is_nested]
    measured = (f"min({quote(field.name)}), max({quote(field.name)}), count(*) - count({quote(field.name)})" for field in fields)
    values = session.row(f"SELECT {', '.join(measured)} FROM batch_keys") if fields else ()
    bounds = {}
    for place, field in enumerate(fields):
        low, high, nulls = values[3 * place : 3 * place + 3]
        # A row without a required part of its key will be rejected: one such row must not make every file one to read.
        if low is not None and not (nulls and field.nullable):
            bounds[field.name] = (low, high)
    return files_that_may_hold(live, bounds, target.columns)

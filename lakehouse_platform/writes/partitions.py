"""Which partitions a write is about, and that it keeps to them. Not here: what is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.engine.transpile import expression_to_duckdb
from lakehouse_platform.problems import LakehouseError

# Partition values by column, as the log spells them (None is null); columns left out may have any value. Or a Spark SQL predicate over them.
Partitions = Collection[Mapping[str, str | None]] | str
Values = Mapping[str, str | None]
F = TypeVar("F", DataFile, WrittenFile)


def within(session: Session, target: Snapshot, partitions: Partitions) -> Callable[[Sequence[Values]], list[bool]]:
    """What tells of partition values, many at a time, whether they are in the partitions. Raises LakehouseError for what names no partition."""
    if isinstance(partitions, str):
        return lambda many: _by_predicate(session, target, partitions, many)
    for partition in partitions:
        _refuse_misspelt(session, target, partition)
    named = [dict(partition) for partition in partitions]
    return lambda many: [any(all(values.get(name) == value for name, value in partition.items()) for partition in named) for values in many]


def parted(files: Sequence[F], is_within: Callable[[Sequence[Values]], list[bool]]) -> tuple[list[F], list[F]]:
    """Of files, those of the partitions and the others."""
    inside: list[F] = []
    outside: list[F] = []
    for file, belongs in zip(files, is_within([file.partition_values for file in files]), strict=True):
        (inside if belongs else outside).append(file)
    return inside, outside


def values_of(added: Sequence[WrittenFile], removed: Sequence[DataFile]) -> list[Values]:
    """The partitions of files, each once."""
    values = [*(file.partition_values for file in added), *(file.partition_values for file in removed)]
    return list({frozenset(each.items()): each for each in values}.values())


def _by_predicate(session: Session, target: Snapshot, predicate: str, many: Sequence[Values]) -> list[bool]:
    types = {field.name: field.type for field in target.columns if field.name in target.partition_columns}
    condition = expression_to_duckdb(predicate, types)
    if not many:
        return []
    typed = ", ".join(f"CAST({quote(name)} AS {duckdb_type(types[name])}) AS {quote(name)}" for name in types)
    tuples = ", ".join(f"({place}, {', '.join(literal(values.get(name)) for name in types)})" for place, values in enumerate(many))
    values = f"SELECT _place, {typed} FROM (VALUES {tuples}) AS t(_place, {', '.join(quote(name) for name in types)})"
    inside = {place for (place,) in session.rows(f"SELECT _place FROM ({values}) WHERE {condition}")}
    return [place in inside for place in range(len(many))]


def _refuse_misspelt(session: Session, target: Snapshot, partition: Values) -> None:
    types = {field.name: field.type for field in target.columns}
    if strange := set(partition) - set(target.partition_columns):
        known = ", ".join(target.partition_columns) or "nothing"
        raise LakehouseError(f"{target.location} is not partitioned by {', '.join(sorted(strange))}, but by {known}")
    for name, value in partition.items():
        kind = duckdb_type(types[name])
        (spelt,) = session.row(f"SELECT CAST(TRY_CAST({literal(value)} AS {kind}) AS VARCHAR)")
        if spelt != value:
            mend = f"; write {spelt!r}" if spelt is not None else ""
            raise LakehouseError(f"{target.location}: {value!r} is no value of {name} as the log spells a {types[name]}{mend}")

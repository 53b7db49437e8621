"""Adds a table to a project: reads a sample, proposes the documents, writes them where nothing stands yet. Not here: their text (documents.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.ingest.source import Source
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.scaffold import documents
from lakehouse_platform.scaffold.columns import ProposedColumn, propose_columns
from lakehouse_platform.scaffold.documents import SILVER_ENTRIES, Entry
from lakehouse_platform.scaffold.gold import gold_documents
from lakehouse_platform.scaffold.sample import Sample, sample_file, sample_source

# Fewer rows than this a day over more than a year are kept by month.
_ROWS_A_DAY, _LONG_DAYS = 100, 400


@dataclass(frozen=True)
class Proposal:
    """The documents of one table or source, and what its user has to decide."""

    table: str
    folder: Path
    texts: Mapping[str, str]


def propose(lakehouse: Lakehouse, table: str, origin: str) -> list[Proposal]:
    """What to write for a table from a file or from another table. Raises LakehouseError where it cannot be, with the mend."""
    _refuse_existing(lakehouse, table)
    named = _table_named(origin)
    match table.split("/"):
        case ["gold", _]:
            return [_gold(lakehouse, table, origin)]
        case ["silver", _] if named in lakehouse.project.sources:
            with lakehouse.session() as session:
                return [_silver(session, lakehouse, table, sample_source(lakehouse, session, named))]
        case ["silver" | "bronze", _] if Path(origin).is_file():
            return _from_file(lakehouse, table, Path(origin))
        case ["silver", _]:
            there = ", ".join(lakehouse.project.sources) or "none yet"
            raise LakehouseError(f"{origin} is neither a file nor a source here. Mend: give the path of a sample file, or a source ({there})")
        case _:
            raise LakehouseError(f"{origin} is no file. Mend: give the path of a file such as those that will land")


def _table_named(origin: str) -> str:
    """The table that is meant where a name is given, and not a file."""
    return origin.replace(".", "/", 1)


def _gold(lakehouse: Lakehouse, table: str, origin: str) -> Proposal:
    source = lakehouse.project.tables.get(_table_named(origin))
    if source is None:
        there = ", ".join(lakehouse.project.tables) or "none yet"
        raise LakehouseError(f"{origin} is no silver or gold table here ({there}). Mend: make the silver table first, and name it with --from")
    return Proposal(table, _place(lakehouse, table, source.folder.parent), gold_documents(source, table))


def _from_file(lakehouse: Lakehouse, table: str, file: Path) -> list[Proposal]:
    """The source that takes such files, where there is none yet, and the silver table over it where that is wanted."""
    layer, name = table.split("/")
    bronze = f"bronze/{name}"
    found = lakehouse.project.sources.get(bronze)
    with lakehouse.session() as session:
        sample = sample_file(session, file, bronze)
        if found is not None:
            _refuse_other_format(found, sample)
        proposals = [_source(lakehouse, bronze, sample)] if found is None else []
        return [*proposals, _silver(session, lakehouse, table, sample)] if layer == "silver" else proposals


def write(proposals: Sequence[Proposal]) -> list[Path]:
    """Write the documents; nothing at all where one of them would take the place of another."""
    paths = {proposal.folder / name: text for proposal in proposals for name, text in proposal.texts.items()}
    taken = [str(path) for path in paths if path.exists()]
    if taken:
        raise LakehouseError(f"{', '.join(taken)} is there already and is not written over. Mend: move it away, or choose another name")
    for path, text in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(paths)


def _refuse_existing(lakehouse: Lakehouse, table: str) -> None:
    project = lakehouse.project
    if table in project.tables or table in project.sources:
        folder = project.tables[table].folder if table in project.tables else project.sources[table].folder
        raise LakehouseError(f"{table} is there already, in {folder}. Mend: change it there, or choose another name")


def _refuse_other_format(source: Source, sample: Sample) -> None:
    given, kept = sample.source.attributes.files.format, source.attributes.files.format
    if given != kept:
        raise LakehouseError(f"{source.name} takes {kept} files and {sample.origin} is {given}. Mend: give a file of its kind, or use another name")


def _place(lakehouse: Lakehouse, table: str, parent: Path | None = None) -> Path:
    """A table's folder: beside the one that it is made from, else in a folder of its own name."""
    layer, name = table.split("/")
    return (parent or lakehouse.project.root / name) / f"{layer}_{name}"


def _source(lakehouse: Lakehouse, table: str, sample: Sample) -> Proposal:
    attributes = sample.source.attributes
    files = attributes.files.model_dump(exclude_defaults=True)
    values = {"table": table, "files": files, **({"changes": attributes.changes} if attributes.changes is not None else {})}
    remarks = [
        f"Proposed from {sample.origin}: {sample.records:,} records" + (f", {sample.broken:,} of them cannot be read" if sample.broken else ""),
        f"Files that land as {lakehouse.settings.home}/landing/{files['path']} are taken, each record once",
    ]
    return Proposal(table, _place(lakehouse, table), {"defs.yaml": documents.defs("Source", values, remarks)})


def _silver(session: Session, lakehouse: Lakehouse, table: str, sample: Sample) -> Proposal:
    columns = propose_columns(session, sample)
    source = lakehouse.project.sources.get(sample.source.name)
    folder = _place(lakehouse, table, source.folder.parent if source is not None else None)
    entries = [*(_entry(column) for column in columns), *SILVER_ENTRIES]
    measured = f"Proposed from {sample.origin}: {sample.records:,} records" + (f", {sample.broken:,} of them cannot be read" if sample.broken else "")
    remarks = [
        measured,
        "What was measured stands above a column: decide, then remove the remark. A value that does not become its type is rejected.",
    ]
    reading = [f"Fields of {sample.source.name} as columns; contract.yaml types them"]
    if sample.unreachable:
        reading.append(f"Left out, since bronze has columns of that name: {', '.join(sample.unreachable)}")
    if sample.repeated:
        reading.append(f"In the header more than once, of which the first counts: {', '.join(sample.repeated)}")
    texts = {
        "defs.yaml": _silver_defs(table, sample, columns, measured),
        "contract.yaml": documents.contract(table, entries, remarks),
        "transform.sql": documents.query({column.name: column.expression for column in columns}, sample.source.name, reading),
    }
    return Proposal(table, folder, texts)


def _entry(column: ProposedColumn) -> Entry:
    return Entry(
        column.name,
        column.type,
        column.required,
        column.key_position,
        column.partitioned,
        column.profile.formats,
        column.choices,
        notes=tuple(f"{column.name}: {note}" for note in column.notes),
    )


def _silver_defs(table: str, sample: Sample, columns: Sequence[ProposedColumn], measured: str) -> str:
    key = [column.name for column in columns if column.key_position is not None]
    values: dict[str, object] = {"table": table}
    notes = {}
    changes = {"plain": "its change events", "snapshot": "full snapshots"}.get(sample.source.attributes.changes or "")
    if changes is not None:
        values["refresh"], notes["refresh"] = "scd1", f"the present state of each key from {changes}"
    elif key:
        values["refresh"] = "upsert"
        notes["refresh"] = f"the last row of each {', '.join(key)} counts; append keeps every row"
    else:
        values["refresh"], notes["refresh"] = "append", "no columns tell the records apart; upsert needs a primaryKey in the contract"
    order = next((column for column in columns if column.orders_changes and column.required and column.key_position is None), None)
    if values["refresh"] == "upsert" and order is not None:
        values["sequence_by"], notes["sequence_by"] = [order.name], "which of several rows of a key is the last"
    partition = next((column for column in columns if column.partitioned), None)
    if partition is not None:
        values["partitions"] = _partitions(partition, sample.records)
        notes["partitions"] = f"{partition.name} goes from {partition.profile.lowest[:10]} to {partition.profile.highest[:10]}"
    return documents.defs("Table", values, [measured], notes)


def _partitions(column: ProposedColumn, records: int) -> dict[str, object]:
    first, last = (date.fromisoformat(text[:10]) for text in (column.profile.lowest, column.profile.highest))
    days = (last - first).days + 1
    if days > _LONG_DAYS and records < _ROWS_A_DAY * days:
        return {"grain": "month", "start": first.replace(day=1)}
    return {"grain": "day", "start": first}

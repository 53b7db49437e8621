"""What an upsert is asked for, its source kept in the session, and where the table has the source's keys. Not here: what is written for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lakehouse_platform.delta.files import DataFile, Field, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes.keyed import names_of
from lakehouse_platform.writes.source import Rows

# Tables of the session: the source's rows, and for each of the table's rows that has one of their keys, that row's file by number.
SOURCE, HELD = "_upsert_source", "_upsert_held"
_OWN = ("_upsert_row", "_upsert_deleted")


@dataclass(frozen=True)
class Merge:
    """What becomes of a source row whose key the table has (`update`), has not (`insert`), or that its BOOLEAN column `deleted` marks.

    `delete_missing`: rows of the table whose key no source row has go, too.
    """

    key: tuple[str, ...]
    update: bool = True
    insert: bool = True
    deleted: str | None = None
    delete_missing: bool = False


@dataclass(frozen=True)
class Upsert:
    """An upsert of the kept source into one snapshot. `hidden` columns are shown in no error."""

    session: Session
    target: Snapshot
    rows: Rows
    merge: Merge
    hidden: Collection[str] = ()

    @property
    def source(self) -> str:
        """SQL of the source's rows in the table's columns, with `_upsert_row`, their number, and `_upsert_deleted`."""
        return Rows(f"SELECT * FROM {SOURCE}", self.rows.fields).shaped_as(self.target, also=("_upsert_row", "_upsert_deleted"))

    @property
    def going(self) -> str:
        """Condition on a source row under which the table's row of its key goes or is replaced."""
        return "TRUE" if self.merge.update else "_upsert_deleted"

    @property
    def same_key(self) -> str:
        """Condition on a row of `stored` and one of `source`."""
        return " AND ".join(f"stored.{quote(name)} = source.{quote(name)}" for name in self.merge.key)


def keep_source(session: Session, rows: Rows, merge: Merge, location: str) -> None:
    """Keep the source's rows in the session, read once. Raises LakehouseError that names a key that is null or that two rows have."""
    refuse_taken(rows.fields, location)
    known = {field.name for field in rows.fields}
    if not merge.key or not known.issuperset(merge.key):
        lacking = ", ".join(name for name in merge.key if name not in known) or "any column"
        raise LakehouseError(f"{location}: the rows lack {lacking} of the key")
    columns = names_of([field.name for field in rows.fields])
    marked = "FALSE" if merge.deleted is None else f"coalesce(CAST({quote(merge.deleted)} AS BOOLEAN), FALSE)"
    session.table(SOURCE, f"SELECT {columns}, {marked} AS _upsert_deleted, row_number() OVER () AS _upsert_row FROM ({rows.sql})")
    nulls = session.row(f"SELECT {', '.join(f'count(*) - count({quote(name)})' for name in merge.key)} FROM {SOURCE}")
    for name, count in zip(merge.key, nulls, strict=True):
        if count:
            raise LakehouseError(f"{location}: column {name!r} of the key is null in {count} rows; a row without a key cannot be upserted")
    names = names_of(merge.key)
    doubles = session.rows(f"SELECT {names} FROM {SOURCE} GROUP BY {names} HAVING count(*) > 1 ORDER BY ALL LIMIT 3")
    if doubles:
        shown = "; ".join(", ".join(f"{name} = {value}" for name, value in zip(merge.key, values, strict=True)) for values in doubles)
        raise LakehouseError(f"{location}: two rows have the same key, {shown}; give one row for each key")


def refuse_taken(columns: Collection[Field], location: str) -> None:
    """Raise LakehouseError for a column that has the name of one of the kept source's own."""
    if taken := [field.name for field in columns if field.name.lower() in _OWN]:
        raise LakehouseError(f"{location}: column {taken[0]!r} has a name that an upsert uses itself; rename it")


def forget_source(session: Session) -> None:
    """Drop what an upsert kept in the session."""
    for name in (HELD, SOURCE):
        session.drop(name)


def find_keys(upsert: Upsert, files: Sequence[DataFile]) -> Mapping[int, int]:
    """Find the rows of some files that have a key of the source (table `HELD`), by the key's columns alone; how many by the file's number.

    Of several rows of one key, one is its `home`, where the source's row will stand.
    """
    # The number is made of the name after the join: a join with the names would look up that of each row of the table.
    number = f"enum_code(CAST(stored._file AS ENUM({', '.join(literal(file.uri) for file in files)})))" if files else "NULL::INTEGER"
    stored = snapshot_scan(upsert.target, files, with_file=True)
    joined = f"({stored}) AS stored JOIN ({upsert.source}) AS source ON {upsert.same_key}"
    found = f"SELECT source._upsert_row, source._upsert_deleted, {number} AS file FROM {joined}"
    upsert.session.table(HELD, f"SELECT *, TRUE AS is_home FROM ({found})")
    rows, keys = upsert.session.row(f"SELECT count(*), count(DISTINCT _upsert_row) FROM {HELD}")
    if rows != keys:
        first = "row_number() OVER (PARTITION BY _upsert_row ORDER BY file) = 1"
        upsert.session.table(HELD, f"SELECT _upsert_row, _upsert_deleted, file, {first} AS is_home FROM {HELD}")
    return dict(upsert.session.rows(f"SELECT file, count(*) FROM {HELD} GROUP BY file"))

"""Plans an upsert: which files hold a key of the source, which of them must change, and the rows that each gets. Not here: commits.

Memory is bounded by the source's keys; everything else is streamed or spilled. Only files that hold a key whose row really differs are rewritten,
and an updated row stays among the neighbours that it had.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes.change import Change
from lakehouse_platform.writes.conditions import lawful
from lakehouse_platform.writes.keyed import files_with_keys, names_of
from lakehouse_platform.writes.rewriting import grouped, rewritten
from lakehouse_platform.writes.source import Rows

# The session's tables of an upsert: the source's rows, the files that have rows of their keys, and for each such key the group that gets its row.
_SOURCE, _HELD, _HOME = "_upsert_source", "_upsert_held", "_upsert_home"
_DOUBLED = f"SELECT _row FROM {_HELD} GROUP BY _row HAVING count(*) > 1"


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
class Plan:
    """An upsert on one snapshot."""

    session: Session
    target: Snapshot
    rows: Rows
    merge: Merge
    hidden: Collection[str] = ()

    @property
    def source(self) -> str:
        """SQL of the source's rows in the table's columns, with `_row`, their number, and `_is_deleted`."""
        return Rows(_SOURCE, self.rows.fields).shaped_as(self.target, also=("_row", "_is_deleted"))

    @property
    def going(self) -> str:
        """Condition on a source row under which the table's row of its key goes or is replaced."""
        return "TRUE" if self.merge.update else "_is_deleted"


def keep_source(session: Session, rows: Rows, merge: Merge, location: str) -> None:
    """Keep the source's rows in the session, read once. Raises LakehouseError that names a key that is null or that two rows have."""
    known = {field.name for field in rows.fields}
    if not merge.key or not known.issuperset(merge.key):
        lacking = ", ".join(name for name in merge.key if name not in known) or "any column"
        raise LakehouseError(f"{location}: the rows lack {lacking} of the key")
    columns = ", ".join(quote(field.name) for field in rows.fields)
    marked = "FALSE" if merge.deleted is None else f"coalesce({quote(merge.deleted)}, FALSE)"
    session.table(_SOURCE, f"SELECT {columns}, {marked} AS _is_deleted, row_number() OVER () AS _row FROM ({rows.sql})")
    nulls = session.row(f"SELECT {', '.join(f'count(*) - count({quote(name)})' for name in merge.key)} FROM {_SOURCE}")
    for name, count in zip(merge.key, nulls, strict=True):
        if count:
            raise LakehouseError(f"{location}: column {name!r} of the key is null in {count} rows; a row without a key cannot be upserted")
    names = names_of(merge.key)
    doubles = session.rows(f"SELECT {names} FROM {_SOURCE} GROUP BY {names} HAVING count(*) > 1 ORDER BY ALL LIMIT 3")
    if doubles:
        shown = "; ".join(", ".join(f"{name} = {value}" for name, value in zip(merge.key, values, strict=True)) for values in doubles)
        raise LakehouseError(f"{location}: two rows have the same key, {shown}; give one row for each key")


def forget_source(session: Session) -> None:
    """Drop what an upsert kept in the session."""
    for name in (_HOME, _HELD, _SOURCE):
        session.drop(name)


def plan_upsert(plan: Plan) -> Change:
    """The change that gives each key of the kept source its row, and leaves all other rows as they are."""
    session, target = plan.session, plan.target
    candidates = target.files if plan.merge.delete_missing else files_with_keys(session, target, plan.merge.key, _SOURCE)
    held = _find(plan, candidates)
    doubled = {uri for (uri,) in session.rows(f"SELECT DISTINCT _file FROM {_HELD} WHERE _row IN ({_DOUBLED})")} if plan.merge.update else set()
    touched = [file for file in candidates if file.uri in doubled or _is_touched(plan, file, held.get(file.uri, 0))]
    groups = grouped(touched)
    _settle(plan, groups)
    added = rewritten(session, target, groups, lambda number, files: _rewritten_rows(plan, number, files))
    if plan.merge.insert:
        added += session.write(_lawful_rows(plan, f"_row NOT IN (SELECT _row FROM {_HELD})"), target.location, target.partition_columns)
    copied = sum(_rows(file) for file in touched) - (removed := _removed_rows(plan, touched, held))
    return Change(added, touched, sum(file.rows for file in added) - copied, removed)


def _find(plan: Plan, files: Sequence[DataFile]) -> Mapping[str, int]:
    """Find where the table has the source's keys (table `_HELD`), by their columns alone; how many of its rows have one, by file."""
    stored = snapshot_scan(plan.target, files, with_file=True)
    joined = f"({stored}) AS stored JOIN ({plan.source}) AS source ON {_same_key(plan)}"
    plan.session.table(_HELD, f"SELECT source._row, source._is_deleted, stored._file FROM {joined}")
    return dict(plan.session.rows(f"SELECT _file, count(*) FROM {_HELD} GROUP BY _file"))


def _is_touched(plan: Plan, file: DataFile, held: int) -> bool:
    """Whether a row of the file goes or differs from the source's. Stops at the first that does: in most files that is among the first."""
    if plan.merge.delete_missing and held < _rows(file):
        return True
    if not held:
        return False
    differs = "source._is_deleted"
    if plan.merge.update:
        others = [field.name for field in plan.target.columns if field.name not in plan.merge.key]
        differs = " OR ".join([differs, *(f"stored.{quote(name)} IS DISTINCT FROM source.{quote(name)}" for name in others)])
    stored = snapshot_scan(plan.target, [file])
    return bool(plan.session.rows(f"SELECT 1 FROM ({stored}) AS stored JOIN ({plan.source}) AS source ON {_same_key(plan)} WHERE {differs} LIMIT 1"))


def _settle(plan: Plan, groups: Sequence[Sequence[DataFile]]) -> None:
    """Give each key that is held in files to rewrite the one group that gets its row (table `_HOME`): the first, if more have it."""
    places = ", ".join(f"({literal(file.uri)}, {number})" for number, files in enumerate(groups) for file in files) or "(NULL, NULL)"
    placed = f"SELECT _row, CAST(number AS INTEGER) AS number FROM {_HELD} JOIN (VALUES {places}) AS places(_file, number) USING (_file)"
    plan.session.table(_HOME, f"SELECT _row, min(number) AS home, list(DISTINCT number) AS groups FROM ({placed}) GROUP BY _row")


def _rewritten_rows(plan: Plan, number: int, files: Sequence[DataFile]) -> str:
    """The rows of a group of files: those that stay, and the source's in place of those that are updated."""
    columns, stored = names_of([field.name for field in plan.target.columns]), snapshot_scan(plan.target, files)
    here = f"({plan.source}) AS source WHERE {plan.going} AND _row IN (SELECT _row FROM {_HOME} WHERE list_contains(groups, {number}))"
    kept = f"SELECT {columns} FROM ({stored}) AS stored ANTI JOIN (SELECT {names_of(plan.merge.key)} FROM {here}) AS source ON {_same_key(plan)}"
    if plan.merge.delete_missing:
        kept = f"SELECT {columns} FROM ({kept}) AS stored SEMI JOIN {_SOURCE} AS source ON {_same_key(plan)}"
    if not plan.merge.update:
        return kept
    homes = f"SELECT _row FROM {_HOME} WHERE home = {number}"
    return f"{kept} UNION ALL {_lawful_rows(plan, f'_row IN ({homes})')}"


def _lawful_rows(plan: Plan, condition: str) -> str:
    """Rows of the source that are to stand in the table, by a condition on them."""
    columns = names_of([field.name for field in plan.target.columns])
    return lawful(plan.target, f"SELECT {columns} FROM ({plan.source}) WHERE NOT _is_deleted AND {condition}", plan.hidden)


def _removed_rows(plan: Plan, touched: Sequence[DataFile], held: Mapping[str, int]) -> int:
    """The table's rows that go or are replaced in the files to rewrite."""
    if not touched:
        return 0
    uris = ", ".join(literal(file.uri) for file in touched)
    (going,) = plan.session.row(f"SELECT count(*) FROM {_HELD} WHERE {plan.going} AND _file IN ({uris})")
    missing = sum(_rows(file) - held.get(file.uri, 0) for file in touched) if plan.merge.delete_missing else 0
    return int(going) + missing


def _same_key(plan: Plan) -> str:
    return " AND ".join(f"stored.{quote(name)} = source.{quote(name)}" for name in plan.merge.key)


def _rows(file: DataFile) -> int:
    if file.rows is None:
        raise LakehouseError(f"{file.uri}: the log says not how many rows it has; write the table anew")
    return file.rows

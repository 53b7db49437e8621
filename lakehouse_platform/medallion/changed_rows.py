"""The rows that differ between two versions of any table, from the files that differ alone. Not here: which versions (time_travel.py)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.delta.log import FileChanges, HistoryGone, changes_between
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.medallion.difference import made_columns
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.time_travel import snapshot_at
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.storage import POSITION

CHANGE_TYPE = "_change_type"
COMMIT_VERSION = "_commit_version"
# Names that no column of a Delta table has: none holds a space.
_SIGN, _NET, _COPY, _PAIRS, _PLACE, _COMMIT, _HASH = (f'"{name} of row"' for name in ("sign", "net", "copy", "pairs", "place", "commit", "hash"))
# What a parquet file of zstd comes to in a hash table, measured at three columns, one of them text; and how much of that is grouped at a time.
_UNPACKED = 20
_BYTES_AT_ONCE = 150_000_000
_HASHES_AT_ONCE = 1_000_000
# Each commit that is told has a scan of its own; of more than that, only the newest are.
_COMMITS_TOLD = 100
# A row that stands on both sides was carried from file to file, and came or went with none of their commits.
_COMMIT_OF_ROW = f"CASE WHEN min({_SIGN}) = max({_SIGN}) AND count({_COMMIT}) = count(*) AND min({_COMMIT}) = max({_COMMIT}) THEN min({_COMMIT}) END"
# The order in which a key's rows are told.
_TYPES = ("delete", "update_preimage", "update_postimage", "insert")


@dataclass(frozen=True)
class ChangedRows:
    """What differs between two versions. `sql` gives the rows in `columns` and how each changed; `counts` how many there are of each change type.

    The names of columns that are in one version only, or of another type there, tell what was not compared; `files` were read.
    """

    sql: str
    columns: tuple[str, ...]
    counts: Mapping[str, int]
    key: tuple[str, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    of_another_type: tuple[str, ...]
    files: int


def changed_rows(
    session: Session, before: Snapshot, after: Snapshot, key: Sequence[str] = (), *, uncompared: Collection[str] = (), hidden: Collection[str] = ()
) -> ChangedRows:
    """Compare two versions of a table, as multisets of rows: null equals null, NaN equals NaN and 0.0 equals -0.0, as where Spark SQL groups.

    Rows of one key that went and came are one that changed; without a key, or where a version has not its columns, rows only come and go. Columns
    `uncompared` are shown, and no row counts as changed for them; `hidden` ones are left out. The rows stay in the session as `changed_rows`.
    Raises LakehouseError where the versions share no column.
    """
    types_before, types_after = ({field.name: field.type for field in side.columns} for side in (before, after))
    columns = tuple(name for name, kind in types_after.items() if types_before.get(name) == kind and name not in hidden)
    compared = tuple(name for name in columns if name not in uncompared)
    if not compared:
        raise LakehouseError(f"{before.location}: versions {before.version} and {after.version} share no column that could be compared")
    known_key = tuple(key) if set(key) <= set(compared) else ()
    changes = _changed_files(before, after)
    _keep_net_rows(session, _sides(before, after, changes, columns), compared, _outputs(before, after, changes, columns, compared), changes)
    session.table("changed_rows", _by_key(columns, compared, known_key))
    session.drop("net_rows")
    counts = dict.fromkeys(_TYPES, 0) | dict(session.rows(f"SELECT {CHANGE_TYPE}, count(*) FROM changed_rows GROUP BY ALL"))
    rank = f"list_position([{', '.join(map(literal, _TYPES))}], {CHANGE_TYPE})"
    order = ", ".join([*map(quote, known_key), rank, *(quote(name) for name in columns if name not in known_key)])
    return ChangedRows(
        sql=f"SELECT {CHANGE_TYPE}, {COMMIT_VERSION}, {_names(columns)} FROM changed_rows ORDER BY {order}",
        columns=(CHANGE_TYPE, COMMIT_VERSION, *columns),
        counts=counts,
        key=known_key,
        only_before=tuple(name for name in types_before if name not in types_after),
        only_after=tuple(name for name in types_after if name not in types_before),
        of_another_type=tuple(name for name, kind in types_after.items() if types_before.get(name, kind) != kind),
        files=len(changes.added) + len(changes.removed),
    )


def changed_between(lakehouse: Lakehouse, session: Session, name: str, before: int, after: int, *, every_column: bool = False) -> ChangedRows:
    """Compare two versions of a table of the lakehouse by its contract's key.

    Columns that say only when a row was made are not compared, and where it was read from is not shown, unless `every_column` is asked for.
    Raises VersionGone where a version cannot be read.
    """
    table = lakehouse.project.tables.get(name)
    old, new = (snapshot_at(lakehouse, name, version) for version in (before, after))
    if every_column or table is None:
        return changed_rows(session, old, new, table.contract.key if table is not None else ())
    return changed_rows(session, old, new, table.contract.key, uncompared=made_columns(table), hidden=[POSITION.name])


def _changed_files(before: Snapshot, after: Snapshot) -> FileChanges:
    """The files whose rows are there only before and only after: by the commits between, or by the two versions' files where those do not tell."""
    if before.version > after.version:
        back = _changed_files(after, before)
        return FileChanges(back.removed, back.added)
    try:
        return changes_between(before.location, before.version, after.version)
    except HistoryGone:
        old, new = ({file.path: file for file in side.files} for side in (before, after))
        came, went = (tuple(file for path, file in one.items() if path not in other) for one, other in ((new, old), (old, new)))
        return FileChanges(came, went)


def _sides(before: Snapshot, after: Snapshot, changes: FileChanges, columns: Sequence[str]) -> str:
    """SQL of all rows of the changed files, each with its side and the commit of its file where that tells when the row came or went."""
    told = frozenset(sorted(set(changes.versions.values()), reverse=True)[:_COMMITS_TOLD])
    parts = []
    for side, files, sign in ((before, changes.removed, -1), (after, changes.added, 1)):
        by_commit: dict[int | None, list[DataFile]] = {}
        for file in files:
            version = changes.versions.get(file.path)
            by_commit.setdefault(version if version in told else None, []).append(file)
        for version, those in (by_commit or {None: []}).items():
            mark = f"{sign} AS {_SIGN}, {'NULL' if version is None else version}::BIGINT AS {_COMMIT}"
            # Not a join with a table of files: DuckDB may take the rows for the smaller side, and hold all of them.
            parts.append(f"SELECT {_names(columns)}, {mark} FROM ({snapshot_scan(side, those)})")
    return " UNION ALL ".join(parts)


def _outputs(before: Snapshot, after: Snapshot, changes: FileChanges, columns: Sequence[str], compared: Sequence[str]) -> str:
    """SQL of what is kept of equal rows: how often one version has them more, and the commit that they came or went with where that is known."""
    carried = [
        f"CASE WHEN sum({_SIGN}) < 0 THEN {_of_side(name, '<')} ELSE {_of_side(name, '>')} END AS {quote(name)}"
        for name in columns
        if name not in compared
    ]
    version = f"({_only_commit(before, after, changes) or _COMMIT_OF_ROW})::BIGINT AS {COMMIT_VERSION}"
    return ", ".join([*map(quote, compared), *carried, f"sum({_SIGN})::BIGINT AS {_NET}", version])


def _keep_net_rows(session: Session, sides: str, compared: Sequence[str], outputs: str, changes: FileChanges) -> None:
    """Keep, as `net_rows`, the rows that one side has more often than the other.

    DuckDB does not group reliably beyond its memory (6 million rows in 300 MB fail). So many rows are weighed by their hash first, some hashes at a
    time; only those out of balance are grouped, some at a time. A second hash must balance, too, before a row counts as equal.
    """

    def grouped(rows: str) -> str:
        return f"SELECT {outputs} FROM ({rows}) GROUP BY {_names(compared)} HAVING sum({_SIGN}) <> 0"

    files = (*changes.added, *changes.removed)
    size_bytes = sum(file.size_bytes for file in files) * _UNPACKED
    if size_bytes <= _BYTES_AT_ONCE:
        session.table("net_rows", grouped(sides))
        return
    rows = _keep_net_hashes(session, sides, compared)
    differing = session.row("SELECT count(*) FROM net_hashes")[0]
    parts = 1 + int(size_bytes * differing / max(rows, 1) / _BYTES_AT_ONCE)
    marked = f"SELECT *, hash({_names(compared)}) AS {_HASH} FROM ({sides})"

    def part_of(those: str) -> str:
        return grouped(f"SELECT * FROM ({marked}) WHERE {_HASH} IN (SELECT hash FROM net_hashes WHERE {those})")

    _keep_by_parts(session, "net_rows", part_of, parts)
    session.drop("net_hashes")


def _keep_net_hashes(session: Session, sides: str, compared: Sequence[str]) -> int:
    """Keep, as `net_hashes`, the hashes of rows that are not on both sides equally often; gives how many rows there are."""
    hashes = f"hash({_names(compared)}) AS hash, hash(1, {_names(compared)}) AS other, {_SIGN} AS sign"
    session.table("row_hashes", f"SELECT {hashes} FROM ({sides})")
    rows = int(session.row("SELECT count(*) FROM row_hashes")[0])
    balance = "sum(sign) <> 0 OR sum(sign * other::HUGEINT) <> 0"

    def part_of(those: str) -> str:
        return f"SELECT hash FROM row_hashes WHERE {those} GROUP BY hash HAVING {balance}"

    _keep_by_parts(session, "net_hashes", part_of, 1 + rows // _HASHES_AT_ONCE)
    session.drop("row_hashes")
    return rows


def _keep_by_parts(session: Session, name: str, sql_of: Callable[[str], str], parts: int) -> None:
    """Keep rows under a name that are computed for one part of all hashes after the other; `sql_of` is given the condition of a part."""
    for part in range(parts):
        sql = sql_of(f"hash % {parts} = {part}")
        if part:
            session.execute(f"INSERT INTO {name} {sql}")
        else:
            session.table(name, sql)


def _of_side(column: str, sign: str) -> str:
    return f"any_value({quote(column)}) FILTER (WHERE {_SIGN} {sign} 0)"


def _only_commit(before: Snapshot, after: Snapshot, changes: FileChanges) -> str | None:
    """SQL of the one commit that all changes came with; None where there are several, or it is not known that there is one."""
    if before.version > after.version:
        return "NULL"
    if after.version == before.version + 1:
        return str(after.version)
    found = {changes.versions.get(file.path) for file in (*changes.added, *changes.removed)}
    return str(*found) if len(found) == 1 and None not in found else None


def _by_key(columns: Sequence[str], compared: Sequence[str], key: Sequence[str]) -> str:
    """SQL of each changed row as often as it changed, with the way in which it did."""
    each = f"SELECT {_names(columns)}, {COMMIT_VERSION}, {_NET}, unnest(range(abs({_NET}))) AS {_COPY} FROM net_rows"
    plain = f"CASE WHEN {_NET} < 0 THEN 'delete' ELSE 'insert' END"
    if not key:
        return f"SELECT {_names(columns)}, {plain} AS {CHANGE_TYPE}, {COMMIT_VERSION} FROM ({each})"
    rest = ", ".join([*(quote(name) for name in compared if name not in key), _COPY])
    went, came = (f"count(*) FILTER (WHERE {_NET} {sign} 0) OVER (PARTITION BY {_names(key)})" for sign in ("<", ">"))
    place = f"row_number() OVER (PARTITION BY {_names(key)}, {_NET} < 0 ORDER BY {rest})"
    paired = f"CASE WHEN {_NET} < 0 THEN 'update_preimage' ELSE 'update_postimage' END"
    kind = f"CASE WHEN {_PLACE} <= {_PAIRS} THEN {paired} ELSE {plain} END"
    placed = f"SELECT *, least({went}, {came}) AS {_PAIRS}, {place} AS {_PLACE} FROM ({each})"
    return f"SELECT {_names(columns)}, {kind} AS {CHANGE_TYPE}, {COMMIT_VERSION} FROM ({placed})"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(quote, columns))

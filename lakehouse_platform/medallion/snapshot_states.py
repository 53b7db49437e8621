"""Goes through snapshots in time: what each says of its keys, against what held before it, gives the events (PROTOCOLS 6).

A row that was turned away says nothing of its key, which goes on as it was; where the key itself cannot be read, no key is closed.
Not here: which snapshots (snapshot_files.py), what is committed (silver_snapshots.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lakehouse_platform.delta.files import DataFile, Snapshot
from lakehouse_platform.engine.scan import scan, snapshot_scan
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.medallion.events import current_rows, event_set
from lakehouse_platform.medallion.silver_batch import SilverBatch, SilverRun
from lakehouse_platform.medallion.snapshot_files import Moment, SnapshotFile
from lakehouse_platform.medallion.unknown_fields import unknown_field_counts
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.tables.storage import contract_fields, mapped_columns
from lakehouse_platform.writes.keyed import having_keys

_CARRIED = {"_is_new": "_is_new", "_is_decoded": "_decode_failure IS NULL"}
_OUTCOMES = ("rejected", "late", "filtered")
# The new rows that `go_through` found not to be valid.
TURNED_AWAY = "SELECT * FROM turned_away"


@dataclass
class Passage:
    """What going through snapshots gave. Tables of the session: `snapshot_events`, `turned_away` (new rows), and `state` after the last one.

    `times` are those of which `snapshot_events` has all events; `reaches_now` says that `state` is the present one. `rules` counts the new rows
    that fail each rule; `unclosed` the absent keys of new snapshots that stay open because a row with an unreadable key could be theirs.
    """

    accounts: Accounts = field(default_factory=Accounts)
    rules: Counter[str] = field(default_factory=Counter)
    times: list[datetime] = field(default_factory=list)
    files: dict[str, DataFile] = field(default_factory=dict)
    unclosed: int = 0
    reaches_now: bool = False


def go_through(run: SilverRun, batch: SilverBatch, moments: Sequence[Moment], wanted: set[datetime], changes: Snapshot) -> Passage:
    """Go through the wanted moments, and on where a key that changed is not told by the last of them. `changes` is the set of events until now."""
    passage, walk = Passage(), _Walk(run, batch, changes)
    counting = [moment for moment in moments if moment.valid is not None]
    last_known = max((moment.time for moment in moments if moment.is_known), default=None)
    walk.start()
    for moment in moments:
        if moment.is_new and moment.valid is None:
            walk.read(moment, passage)
            walk.count(moment, passage)
            passage.times.append(moment.time)
    before: Moment | None = None
    is_going = False
    for moment in counting:
        was_going, is_going = is_going, moment.time in wanted or (is_going and before is not None and walk.is_open_end(before.time))
        if is_going:
            if before is None:
                walk.set_state(None)
            elif not was_going:
                # What the table itself holds is the state at the last moment that it knows.
                walk.set_state(before.time, is_present=before.time == last_known)
            walk.read(moment, passage)
            if moment.is_new:
                walk.count(moment, passage)
            walk.follow(moment, passage)
        before = moment
    passage.reaches_now = is_going
    walk.end()
    return passage


class _Walk:
    """The tables of one passage in the session."""

    def __init__(self, run: SilverRun, batch: SilverBatch, changes: Snapshot) -> None:
        self._run, self._batch, self._changes = run, batch, changes
        self._session, self._table = run.session, run.table
        self._key = run.table.contract.key
        self._names = [field.name for field in contract_fields(run.table)]
        self._told = [column.name for column in mapped_columns(run.table)]
        self._new = {file.uri for file in run.change.added}

    def start(self) -> None:
        self._view_of(())
        self._session.table("judged_rows", f"{self._batch.judged('bronze_rows', _CARRIED)} LIMIT 0")
        self._session.table("turned_away", "SELECT * FROM judged_rows")
        event = "NULL::VARCHAR AS _operation, NULL::TIMESTAMPTZ AS _change_timestamp, _source_position"
        self._session.table("snapshot_events", f"SELECT {_list(self._names)}, {event} FROM judged_rows")
        self.set_state(None)

    def end(self) -> None:
        """Leave the new rows in view `bronze_rows`, as other batches do."""
        change = self._run.change
        assert change.upstream is not None
        self._session.view("bronze_rows", scan(change.upstream.columns, change.upstream.partition_columns, change.added))

    def set_state(self, time: datetime | None, *, is_present: bool = False) -> None:
        """Make table `state` the rows as of a time (None: before everything), from the table itself where it is at that very time."""
        columns = f"{_list(self._names)}, _source_position"
        if time is None:
            self._session.table("state", f"SELECT {columns} FROM judged_rows LIMIT 0")
        else:
            rows = snapshot_scan(self._run.target) if is_present else self._state_known(time)
            self._session.table("state", f"SELECT {columns} FROM ({rows})")

    def read(self, moment: Moment, passage: Passage) -> None:
        """Judge what bronze holds of a moment into table `judged_rows`: of a new one all files, else the one that counts."""
        files = moment.files if moment.is_new or moment.valid is None else (moment.valid,)
        self._view_of(files)
        self._session.table("judged_rows", self._batch.judged("bronze_rows", _CARRIED))
        passage.files |= {file.uri: file for each in files for file in each.data_files}

    def count(self, moment: Moment, passage: Passage) -> None:
        """Count the new rows of table `judged_rows`, and keep those turned away. Of each key one valid row of a moment is accepted."""
        ends = ", ".join(f"count(*) FILTER (WHERE _is_new AND _outcome = '{end}')" for end in _OUTCOMES)
        keys = f"count(DISTINCT struct_pack({', '.join(f'{quote(name)} := {quote(name)}' for name in self._key)}))"
        accepted = f"{keys} FILTER (WHERE _outcome = 'valid') - {keys} FILTER (WHERE _outcome = 'valid' AND NOT _is_new)"
        counts = self._session.row(f"SELECT count(*) FILTER (WHERE _is_new), {ends}, {accepted} FROM judged_rows")
        read, rejected, late, filtered, accepted_rows = (int(count) for count in counts)
        duplicates = read - rejected - late - filtered - accepted_rows
        repeated = self._repeated(moment, "TRUE") - self._repeated(moment, "NOT _is_new") if duplicates else 0
        kinds = {"repeated": repeated, "conflicting": duplicates - repeated}
        passage.accounts += Accounts(read, accepted_rows, duplicates, rejected, late, filtered, **kinds)
        self._session.execute("INSERT INTO turned_away SELECT * FROM judged_rows WHERE _is_new AND _outcome IN ('rejected', 'late')")
        warned = self._batch.warnings("judged_rows WHERE _is_new AND _outcome = 'valid'")
        if warned is not None:
            names = [rule.id for rule in self._table.contract.warning_rules]
            passage.rules.update(dict(zip(names, self._session.row(warned), strict=True)))

    def _repeated(self, moment: Moment, among: str) -> int:
        """How many of the valid rows in table `judged_rows` say the same as the last of their key, which they are not."""
        place = f"list_position({literal([file.source_file for file in moment.files])}, _source_position.source)"
        last = f"(PARTITION BY {_list(self._key)} ORDER BY {place} DESC, _source_position.row DESC)"
        told = _packed(self._told, "judged_rows")
        rows = (
            f"SELECT row_number() OVER {last} > 1 AND {told} IS NOT DISTINCT FROM first({told}) OVER {last} AS _is_repeated "
            f"FROM judged_rows WHERE _outcome = 'valid' AND {among}"
        )
        return int(self._session.row(f"SELECT count(*) FILTER (WHERE _is_repeated) FROM ({rows})")[0])

    def follow(self, moment: Moment, passage: Passage) -> None:
        """Take table `state` to the moment, whose rows are in `judged_rows`, and its changes into `snapshot_events`."""
        assert moment.valid is not None
        session, key = self._session, self._key
        session.table("told", self._told_rows(moment.valid))
        session.table("untold_keys", self._untold_keys(moment.valid))
        changed = f"SELECT {_list(self._names)}, _source_position, _operation FROM ({self._changed()}) WHERE _operation IS NOT NULL"
        session.table("changed", changed)
        absent = having_keys(f"({having_keys('state', key, 'told', join='ANTI')})", key, "untold_keys", join="ANTI")
        session.table("absent", f"SELECT {_list(key)} FROM ({absent})")
        if self._has_unreadable_key(moment.valid):
            passage.unclosed += int(session.row("SELECT count(*) FROM absent")[0]) if moment.is_new else 0
            session.execute("DELETE FROM absent")
        time = literal(moment.time)
        session.execute(f"INSERT INTO snapshot_events SELECT {_list(self._names)}, _operation, {time}, _source_position FROM changed")
        session.execute(f"INSERT INTO snapshot_events SELECT {self._deleted()}, 'd', {time}, {_nowhere_in(moment.valid)} FROM absent")
        for keys in ("changed", "absent"):
            session.execute(f"DELETE FROM state USING {keys} AS gone WHERE {_same_key(key, 'state', 'gone')}")
        session.execute(f"INSERT INTO state SELECT {_list(self._names)}, _source_position FROM changed")
        passage.times.append(moment.time)

    def is_open_end(self, time: datetime) -> bool:
        """Whether a key of which the moment followed last says nothing is not as it was known: then the next moment may have other events."""
        if not self._session.row("SELECT count(*) FROM judged_rows WHERE _outcome IN ('rejected', 'late')")[0]:
            return False
        now, known = "SELECT {0} FROM state", f"SELECT {{0}} FROM ({self._state_known(time)})"
        sides = [side.format(_list(self._told)) for side in (now, known)]
        differing = f"({sides[0]} EXCEPT ALL {sides[1]}) UNION ALL ({sides[1]} EXCEPT ALL {sides[0]})"
        return bool(self._session.row(f"SELECT count(*) FROM ({differing})")[0])

    def _state_known(self, time: datetime) -> str:
        """SQL of the rows as of a time by the set of events until now."""
        return current_rows(f"SELECT * FROM ({event_set(self._changes)}) WHERE _change_timestamp <= {literal(time)}", self._key)

    def _view_of(self, files: Sequence[SnapshotFile]) -> None:
        upstream = self._run.change.upstream
        assert upstream is not None
        held = {file.uri: file for each in files for file in each.data_files}.values()
        sides = {"TRUE": [file for file in held if file.uri in self._new], "FALSE": [file for file in held if file.uri not in self._new]}
        named = f"source_file IN ({', '.join(literal(each.source_file) for each in files) or 'NULL'})"
        parts = [
            f"SELECT *, {is_new} AS _is_new FROM ({scan(upstream.columns, upstream.partition_columns, side)}) WHERE {named}"
            for is_new, side in sides.items()
            if side or is_new == "TRUE"
        ]
        self._session.view("bronze_rows", " UNION ALL ".join(parts))

    def _told_rows(self, file: SnapshotFile) -> str:
        """SQL of the valid row of each key in a file; of several the last."""
        last = f"row_number() OVER (PARTITION BY {_list(self._key)} ORDER BY _source_position.row DESC) = 1"
        return f"SELECT {_list(self._names)}, _source_position FROM judged_rows WHERE _outcome = 'valid' AND {_is_of(file)} QUALIFY {last}"

    def _untold_keys(self, file: SnapshotFile) -> str:
        away = f"_outcome IN ('rejected', 'late') AND {self._is_readable()} AND {_is_of(file)}"
        return f"SELECT DISTINCT {_list(self._key)} FROM judged_rows WHERE {away}"

    def _has_unreadable_key(self, file: SnapshotFile) -> bool:
        found = f"SELECT count(*) FROM judged_rows WHERE _outcome = 'rejected' AND NOT {self._is_readable()} AND {_is_of(file)}"
        return bool(self._session.row(found)[0])

    def _is_readable(self) -> str:
        """SQL of whether a row that was turned away says for certain which key it is of: its record is whole and nothing is wrong with the key."""
        of_key = f"reason.field IN ({', '.join(literal(name) for name in self._key)})"
        return f"(_is_decoded AND len(list_filter(_reasons, lambda reason: coalesce({of_key}, FALSE))) = 0)"

    def _changed(self) -> str:
        """SQL of the told rows with `_operation`, null where the state has the very same row."""
        told, known = (_packed(self._told, alias) for alias in ("told", "known"))
        operation = f"CASE WHEN known._is_there IS NULL THEN 'c' WHEN {told} IS DISTINCT FROM {known} THEN 'u' END AS _operation"
        before = "(SELECT *, TRUE AS _is_there FROM state) AS known"
        return f"SELECT told.*, {operation} FROM told LEFT JOIN {before} ON {_same_key(self._key, 'told', 'known')}"

    def _deleted(self) -> str:
        """SQL of the columns of an event that closes a key: nothing but the key is known of it."""
        fields = contract_fields(self._table)
        return ", ".join(quote(field.name) if field.name in self._key else f"CAST(NULL AS {duckdb_type(field.type)})" for field in fields)


def known_rules(batch: SilverBatch, run: SilverRun, passage: Passage) -> Mapping[str, int]:
    """How many of the new rows (view `bronze_rows`) fail each rule that they are counted by."""
    unnested = "SELECT unnest(_reasons).rule AS rule FROM turned_away"
    counts = dict.fromkeys(batch.rules(), 0) | unknown_field_counts(run.session, batch) | dict(passage.rules)
    return counts | {rule: int(count) for rule, count in run.session.rows(f"SELECT rule, count(*) FROM ({unnested}) GROUP BY ALL")}


def _is_of(file: SnapshotFile) -> str:
    return f"_source_position.source = {literal(file.source_file)}"


def _nowhere_in(file: SnapshotFile) -> str:
    """The place of an absence: before the first row of the snapshot that shows it."""
    return f"struct_pack(source := {literal(file.source_file)}, row := CAST(0 AS BIGINT))"


def _packed(names: Sequence[str], alias: str) -> str:
    return f"struct_pack({', '.join(f'{quote(name)} := {alias}.{quote(name)}' for name in names)})"


def _same_key(key: Sequence[str], one: str, other: str) -> str:
    return " AND ".join(f"{one}.{quote(name)} IS NOT DISTINCT FROM {other}.{quote(name)}" for name in key)


def _list(names: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in names)

"""Plans an upsert: of each file to rewrite the rows that stay and those of the source in their place, and the new ones. Not here: commits.

Memory is bounded by the source's keys; everything else is streamed or spilled. Only files in which a row really changes are rewritten, and an
updated row stays among the neighbours that it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakehouse_platform.delta.files import DataFile
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.writes.change import Change
from lakehouse_platform.writes.conditions import lawful
from lakehouse_platform.writes.keyed import files_with_keys, names_of
from lakehouse_platform.writes.merge import HELD, SOURCE, Upsert, find_keys, refuse_taken
from lakehouse_platform.writes.rewriting import grouped, rewritten
from lakehouse_platform.writes.touched import rows_of_file, touched_files


def plan_upsert(upsert: Upsert) -> Change:
    """The change that gives each key of the kept source its row, and leaves all other rows as they are."""
    session, target, merge = upsert.session, upsert.target, upsert.merge
    refuse_taken(target.columns, target.location)
    files = target.files if merge.delete_missing else files_with_keys(session, target, merge.key, SOURCE)
    held = find_keys(upsert, files)
    touched = touched_files(upsert, files, held)
    numbers = {files[number].path: number for number in touched}
    groups = grouped([files[number] for number in touched])
    added = rewritten(session, target, groups, lambda _, group: _rewritten_rows(upsert, group, [numbers[file.path] for file in group]))
    if merge.insert:
        new = _lawful_rows(upsert, f"_upsert_row NOT IN (SELECT _upsert_row FROM {HELD})")
        added += session.write(new, target.location, target.partition_columns)
    removed = _removed_rows(upsert, files, touched, held)
    copied = sum(rows_of_file(files[number]) for number in touched) - removed
    return Change(added, [files[number] for number in touched], sum(file.rows for file in added) - copied, removed)


def _rewritten_rows(upsert: Upsert, group: Sequence[DataFile], numbers: Sequence[int]) -> str:
    """SQL of what a group of files is to hold: its rows that stay, and the source's in place of those that are updated."""
    here = f"SELECT _upsert_row FROM {HELD} WHERE file IN ({', '.join(map(str, numbers))})"
    replacing = _lawful_rows(upsert, f"_upsert_row IN ({here} AND is_home)")
    if upsert.merge.delete_missing and upsert.merge.update:
        return replacing
    columns, stored = names_of([field.name for field in upsert.target.columns]), snapshot_scan(upsert.target, group)
    # Rows stay unless their key is among those that go; where missing ones go too, only if it is among those that stay.
    join, which = ("SEMI", "NOT _upsert_deleted") if upsert.merge.delete_missing else ("ANTI", upsert.going)
    keys = f"SELECT {names_of(upsert.merge.key)} FROM ({upsert.source}) WHERE {which} AND _upsert_row IN ({here})"
    kept = f"SELECT {columns} FROM ({stored}) AS stored {join} JOIN ({keys}) AS source ON {upsert.same_key}"
    return f"{kept} UNION ALL {replacing}" if upsert.merge.update else kept


def _lawful_rows(upsert: Upsert, condition: str) -> str:
    """SQL of the source's rows that are to stand in the table and meet a condition, each held against what the table demands."""
    columns = names_of([field.name for field in upsert.target.columns])
    return lawful(upsert.target, f"SELECT {columns} FROM ({upsert.source}) WHERE NOT _upsert_deleted AND {condition}", upsert.hidden)


def _removed_rows(upsert: Upsert, files: Sequence[DataFile], touched: Sequence[int], held: Mapping[int, int]) -> int:
    """How many rows of the files to rewrite go or are replaced."""
    if not touched:
        return 0
    (going,) = upsert.session.row(f"SELECT count(*) FROM {HELD} WHERE {upsert.going} AND file IN ({', '.join(map(str, touched))})")
    missing = sum(rows_of_file(files[number]) - held.get(number, 0) for number in touched) if upsert.merge.delete_missing else 0
    return int(going) + missing

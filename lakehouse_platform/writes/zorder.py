"""Rows in Z-order: what is alike in any of some columns lies in few files. Not here: which files are rewritten so (packing.py)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.problems import LakehouseError

# A row's place among the values of a column, in 2^16 steps: more than a partition has files. All columns' steps fit 62 bits.
_MOST_BITS, _ALL_BITS = 16, 62
MOST_COLUMNS = 8
# Files are cut by cells of so many bits at most: a quarter of a million.
_FINEST_BITS = 18
# A half is cut off within a sixth of the rows around the middle, so that no file is more than about twice as large as another.
_SLACK = 6
_ROWS, _PLACE = "zorder_rows", "_zorder_place"


def refuse_columns(snapshot: Snapshot, columns: Sequence[str], unbounded: Collection[str]) -> None:
    """Raise LakehouseError for columns by which clustering would let a reader skip nothing."""
    types = {field.name: field.type for field in snapshot.columns}
    if len(columns) > MOST_COLUMNS or len(set(columns)) < len(columns):
        raise LakehouseError(f"{snapshot.location}: cluster by up to {MOST_COLUMNS} different columns, not by {', '.join(columns)}")
    for name in columns:
        if name not in types:
            why = f"the table has none of that name, only {', '.join(types)}"
        elif name in snapshot.partition_columns:
            why = "its partitions lie apart by it already"
        elif types[name].is_nested or types[name].name in ("binary", "boolean"):
            why = f"it is {types[name]}, of which the log keeps no minimum and maximum"
        elif name in unbounded:
            why = "it is classified, so that the log keeps no minimum and maximum of it"
        else:
            continue
        raise LakehouseError(f"{snapshot.location} cannot be clustered by {name!r}: {why}. Mend: name other columns in cluster_by")
    if columns and (taken := [name for name in types if name.lower() in ("rowid", _PLACE)]):
        raise LakehouseError(f"{snapshot.location} cannot be clustered: its column {taken[0]!r} has a name that the sorting uses itself; rename it")


def in_zorder(session: Session, rows: str, columns: Sequence[str], files: int) -> Iterator[str]:
    """SQL of the rows of each of so many files, to be read one after the other; they lie in the session till the end."""
    bits = min(_MOST_BITS, _ALL_BITS // len(columns))
    relations = [_ranked(session, rows, column, f"zorder_rank_{number}", bits) for number, column in enumerate(columns)]
    joins = " ".join(
        f"JOIN {relation} ON zorder_all.{quote(column)} IS NOT DISTINCT FROM {relation}.value"
        for relation, column in zip(relations, columns, strict=True)
    )
    # The highest bits of all columns' steps first, then the next: neighbours in this order are near each other in every column.
    place = " | ".join(
        f"((({relation}.step >> {bit}) & 1) << {bit * len(columns) + len(columns) - 1 - number})"
        for number, relation in enumerate(relations)
        for bit in range(bits)
    )
    by_values = ", ".join(f"zorder_all.{quote(column)}" for column in columns)
    session.table(_ROWS, f"SELECT zorder_all.*, {place} AS {_PLACE} FROM ({rows}) AS zorder_all {joins} ORDER BY {_PLACE}, {by_values}")
    try:
        for first, end in _cuts(session, files, bits * len(columns)):
            # A range of row numbers is read without looking at the others.
            yield f"SELECT * EXCLUDE ({_PLACE}) FROM {_ROWS} WHERE rowid >= {first} AND rowid < {end}"
    finally:
        for relation in (_ROWS, *relations):
            session.drop(relation)


def _cuts(session: Session, files: int, bits: int) -> Iterator[tuple[int, int]]:
    """The ranges of rows, in their order, that make so many files."""
    fine = min(bits, _FINEST_BITS, 2 * files.bit_length() + 4)
    counted = f"SELECT {_PLACE} >> {bits - fine} AS cell, count(*) FROM {_ROWS} GROUP BY ALL ORDER BY ALL"
    found = session.rows(counted)
    if found:
        yield from cut([cell for cell, _ in found], [0, *accumulate(count for _, count in found)], files)


def cut(cells: Sequence[int], starts: Sequence[int], files: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows for so many files, of about as many rows each, cut where the higher bits of the cells change.

    Cut after equal numbers of rows, a file would hold the end of one cell and the beginning of one that lies far from it, and so seem to hold all
    that is between them: a filter then read twice as many files. `starts` has the first row of each cell, and the number of rows at its end.
    """
    first, end = starts[0], starts[-1]
    if files == 1 or len(cells) == 1:
        per_file = max(1, -(-(end - first) // files))
        yield from ((row, min(row + per_file, end)) for row in range(first, end, per_file))
        return
    middle, slack = (first + end) / 2, (end - first) / _SLACK
    near = range(max(1, bisect_left(starts, middle - slack)), min(len(cells), bisect_right(starts, middle + slack)))
    candidates = near or range(1, len(cells))
    at = min(candidates, key=lambda place: ((-(cells[place] ^ cells[place - 1]).bit_length() if near else 0), abs(starts[place] - middle)))
    left = min(files - 1, max(1, round(files * (starts[at] - first) / (end - first))))
    yield from cut(cells[:at], starts[: at + 1], left)
    yield from cut(cells[at:], starts[at:], files - left)


def _ranked(session: Session, rows: str, column: str, name: str, bits: int) -> str:
    """A relation of each value of a column and its step: the share of rows before it, so that a frequent value takes the room of many rare ones."""
    counted = f"SELECT {quote(column)} AS value, count(*) AS rows FROM ({rows}) GROUP BY ALL"
    before = "CAST(sum(rows) OVER (ORDER BY value NULLS FIRST ROWS UNBOUNDED PRECEDING) - rows AS BIGINT)"
    total = "CAST(sum(rows) OVER () AS BIGINT)"
    session.table(name, f"SELECT value, ({before} << {bits}) // {total} AS step FROM ({counted})")
    return name

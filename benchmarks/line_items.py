"""A table of order lines as wide as TPC-H's, of any length, and sources to merge into it. Not here: merging and timing."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import files as storage
from lakehouse_platform.storage.stored import joined
from lakehouse_platform.writes import tables

KEY = "line_id"
_FILES_IN_60_MILLION, _MILLIONS = 17, 60_000_000
_WORDS = (
    "['carefully','quickly','furiously','slyly','blithely','express','regular','special','pending','final','ironic','even','bold','silent','unusual']"
)


def rows(first: int, last: int, *, condition: str = "TRUE", change: int = 0) -> str:
    """SQL of the lines with the numbers from `first` up to `last` that meet a condition on `i`; another `change` makes other values of them."""
    words = " || ' ' || ".join(f"{_WORDS}[1 + (h >> {shift}) % 15]" for shift in (3, 11))
    day = "DATE '1992-01-01' + CAST(i // 24000 AS INTEGER)"
    return (
        f"SELECT i AS {KEY}, i // 4 AS order_id, CAST(h % 2000000 AS INTEGER) AS part_id, CAST((h >> 8) % 100000 AS INTEGER) AS supplier_id, "
        "CAST(1 + i % 7 AS INTEGER) AS line_number, CAST(1 + (h >> 16) % 50 AS DECIMAL(15,2)) AS quantity, "
        "CAST((90000 + (h >> 24) % 10400000) / 100 AS DECIMAL(15,2)) AS extended_price, CAST((h >> 4) % 11 / 100 AS DECIMAL(15,2)) AS discount, "
        "CAST((h >> 5) % 9 / 100 AS DECIMAL(15,2)) AS tax, ['A','N','R'][1 + (h >> 6) % 3] AS return_flag, "
        "['F','O'][1 + (h >> 7) % 2] AS line_status, "
        f"{day} AS ship_date, {day} + CAST((h >> 9) % 60 AS INTEGER) AS commit_date, {day} + CAST((h >> 12) % 30 AS INTEGER) AS receipt_date, "
        "['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'][1 + (h >> 10) % 4] AS instructions, "
        f"['AIR','FOB','MAIL','RAIL','REG AIR','SHIP','TRUCK'][1 + (h >> 13) % 7] AS ship_mode, {words} || ' ' || h % 100000000 AS comment "
        f"FROM (SELECT i, CAST(hash(i + {change}) >> 2 AS BIGINT) AS h FROM range({first}, {last}) AS t(i)) WHERE {condition}"
    )


def one_in(number: int, rest: int = 0) -> str:
    """A condition that about one of so many lines meets, wherever it lies; with another `rest`, another one."""
    return f"hash(i, 5) % {number} = {rest}"


def load(session: Session, location: str, count: int) -> None:
    """Make the table, by loads of some millions of lines, each of which is a file."""
    loads = max(count * _FILES_IN_60_MILLION // _MILLIONS, 1)
    for number in range(loads):
        tables.append(session, location, rows(number * count // loads, (number + 1) * count // loads))


def snapshot_of(location: str) -> Snapshot:
    """The table as it is."""
    found = open_snapshot(location)
    assert found is not None
    return found


def sweep(location: str) -> None:
    """Delete the files that the table has no more: a benchmark looks at no old version, and disks are small."""
    live = {file.path for file in snapshot_of(location).files}
    storage.delete(joined(location, file.path) for file in storage.listed(location) if file.path not in live)


@contextmanager
def session_at(home: Path) -> Iterator[Session]:
    """A session as the platform opens one by default."""
    with open_session(Settings(home=home)) as session:
        yield session


def peak_bytes() -> int:
    """The most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

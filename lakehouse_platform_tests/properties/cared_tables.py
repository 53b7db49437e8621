"""A Delta table that lives for one example, and what each of its versions must hold. It is read through deltalake alone. Not here: properties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from hypothesis import strategies as st

from lakehouse_platform.contracts.types import BIGINT, STRING
from lakehouse_platform.delta.files import Field
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.settings import Settings
from lakehouse_platform.writes.tables import append, delete, upsert
from lakehouse_platform_tests.delta.aging import Clock

COLUMNS = (Field("part", STRING), Field("id", BIGINT), Field("text", STRING))
Row = tuple[str | None, int, str | None]
# Values that paths spell in more than one way, and that look like what a table's folder keeps beside its data.
PARTS = ["a b/ü%20", "_log", None, "x=1"]
rows = st.tuples(st.sampled_from(PARTS), st.integers(0, 9), st.sampled_from(["", "é", "'", None]))
batches = st.lists(rows, min_size=1, max_size=4)
# What happens to a table: rows come, rows of some id go, rows of some ids become others.
operations = st.one_of(
    st.tuples(st.just("append"), batches),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("upsert"), st.lists(rows, min_size=1, max_size=3, unique_by=lambda row: row[1])),
)


@dataclass
class CaredTable:
    """A table, and its rows by version as they must be."""

    session: Session
    location: str
    clock: Clock
    model: dict[int, list[Row]] = field(default_factory=dict)

    def apply(self, kind: str, given: Sequence[Row] | int) -> None:
        """Do one operation, to the table and to the model."""
        before = self.model[max(self.model)] if self.model else []
        if isinstance(given, int):
            version, after = delete(self.session, self.location, f"id = {given}").version, [row for row in before if row[1] != given]
        elif kind == "upsert" and self.model:
            keys = {row[1] for row in given}
            version = upsert(self.session, self.location, values(given), ["id"]).version
            after = [*(row for row in before if row[1] not in keys), *given]
        else:
            version = append(self.session, self.location, values(given), columns=COLUMNS, partition_by=["part"]).version
            after = [*before, *given]
        self.remember(version, after)

    def remember(self, version: int, after: Sequence[Row]) -> None:
        """Note what the table holds from a version on; versions in between are of the rows before."""
        last = max(self.model, default=version)
        self.model |= dict.fromkeys(range(last + 1, version), self.model.get(last, []))
        self.model[version] = sorted(after, key=repr)

    def rearranged(self) -> None:
        """Note that maintenance made versions of the same rows."""
        self.remember(DeltaTable(self.location).version(), self.model[max(self.model)])

    def read(self, version: int | None = None) -> list[Row] | str:
        """The rows that deltalake reads, in order; what it says where it cannot."""
        try:
            handle = DeltaTable(self.location, version=version)
            found = QueryBuilder().register("t", handle).execute("SELECT part, id, text FROM t").read_all()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the version cannot be read
            return str(error)
        return sorted((tuple(row.values()) for row in pa.table(found).to_pylist()), key=repr)

    def files(self) -> list[tuple[str | None, str]]:
        """The partition and the path of each file of the newest version."""
        actions = pa.table(DeltaTable(self.location).get_add_actions(flatten=True)).to_pylist()
        return [(action["partition.part"], action["path"]) for action in actions]


def values(given: Sequence[Row]) -> str:
    """SQL of rows."""
    listed = ", ".join(f"({literal(part)}::VARCHAR, {number}::BIGINT, {literal(text)}::VARCHAR)" for part, number, text in given)
    return f"SELECT * FROM (VALUES {listed}) AS given(part, id, text)"


@contextmanager
def session() -> Iterator[Session]:
    """A session for all examples of a property."""
    with TemporaryDirectory(prefix="lakehouse-property-") as home, open_session(Settings(home=Path(home), threads=1)) as opened:
        yield opened


@contextmanager
def cared_table(opened: Session) -> Iterator[CaredTable]:
    """A place for a table, gone at the end."""
    with TemporaryDirectory(prefix="lakehouse-property-") as folder:
        location = f"{folder}/table"
        yield CaredTable(opened, location, Clock(location))

"""Full snapshots of a thing, in any order of arrival: state, events, versions and accounts. The oracle is plain SQL on a bare DuckDB connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.medallion.history import versions_since
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import Row, World, hundred_examples, in_order, world

PROJECT = load(
    source("bronze/lists", "lists/{day}/*.jsonl", changes="snapshot", snapshot_time={"name": "day"}),
    table(
        "silver/things",
        "SELECT thing, name FROM bronze.lists WHERE hidden IS NULL",
        [column("thing", "INT", required=True, key=1), column("name", "STRING", required=True)],
        refresh="scd1",
        smallest_snapshot="off",
    ),
    table(
        "gold/dim_thing",
        "SELECT thing, name FROM silver.things",
        [
            column("thing_key", "BIGINT", required=True, key=1),
            column("thing", "INT"),
            column("name", "STRING"),
            column("effective_date", "DATE", required=True),
            column("end_date", "DATE"),
            column("is_current", "BOOLEAN", required=True),
        ],
        refresh="scd2",
        business_key=["thing"],
    ),
)

# What a row says of its key: a name, nothing (it is rejected), or that it is to be left out. Without a key nobody can say which it is of.
Told = tuple[int | None, str]
REJECTED, HIDDEN = "rejected", "hidden"


@dataclass(frozen=True)
class Listing:
    """A file: the snapshot of a day, under a name."""

    day: int
    name: str
    rows: tuple[Told, ...]

    @property
    def path(self) -> str:
        return f"lists/2024-01-{self.day:02}/{self.name}.jsonl"

    def records(self) -> list[Any]:
        return [_record(told) for told in self.rows]


def _record(told: Told) -> Any:
    key, kind = told
    if key is None:
        return "{broken"
    return {"thing": str(key), "name": None if kind == REJECTED else kind, "hidden": "yes" if kind == HIDDEN else None}


rows = st.one_of(
    st.tuples(st.integers(1, 3), st.sampled_from(["x", "x", "y", "y", REJECTED, HIDDEN])),
    st.tuples(st.integers(1, 3), st.sampled_from("xy")),
    st.tuples(st.integers(1, 3), st.sampled_from("xy")),
    st.sampled_from([(None, REJECTED), (2, REJECTED)]),
)
listings = st.builds(Listing, st.integers(1, 4), st.sampled_from("abc"), st.lists(rows, min_size=1, max_size=3).map(tuple))


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[Listing]]:
    """Snapshots, some of one day and some of equal content, in at most three runs."""
    found = draw(st.lists(listings, min_size=1, max_size=5, unique_by=lambda listing: (listing.day, listing.name)))
    cuts = sorted(draw(st.lists(st.integers(0, len(found)), max_size=2)))
    groups = [found[first:last] for first, last in zip([0, *cuts], [*cuts, len(found)], strict=True)]
    return [group for group in groups if group]


ORACLE = """
WITH counting AS (        -- of a day the file that is last by name
  SELECT * FROM told WHERE file = (SELECT max(file) FROM told AS other WHERE other.day = told.day)
), statements AS (        -- what a day says of a key: its last valid row, nothing where a row was turned away, else that it is not there
  SELECT day, thing,
    (SELECT max_by(struct_pack(name := name, file := file, line := line), line) FROM counting AS row
     WHERE row.day = days.day AND row.thing = things.thing AND name NOT IN ('rejected', 'hidden')) AS said,
    exists(FROM counting AS row WHERE row.day = days.day AND row.name = 'rejected' AND coalesce(row.thing = things.thing, TRUE)) AS untold,
    (SELECT max(file) FROM counting AS row WHERE row.day = days.day) AS file
  FROM (SELECT DISTINCT day FROM told) AS days CROSS JOIN (SELECT DISTINCT thing FROM told WHERE thing IS NOT NULL) AS things
), known AS (             -- a day that says nothing of a key is as the day before
  SELECT * FROM statements WHERE said IS NOT NULL OR NOT untold
), compared AS (
  SELECT *, lag(said) OVER (PARTITION BY thing ORDER BY day) AS before FROM known
), events AS (
  SELECT thing, day, said.name AS name, file, coalesce(said.line, 0) AS line,
    CASE WHEN said IS NULL THEN 'd' WHEN before IS NULL THEN 'c' ELSE 'u' END AS operation
  FROM compared WHERE said.name IS DISTINCT FROM before.name
), spans AS (
  SELECT *, lead(day) OVER (PARTITION BY thing ORDER BY day) AS until FROM events
)
"""
EVENTS = f"{ORACLE} SELECT thing, name, operation AS _operation, day AS moment, file AS source, line AS row FROM events"
VERSIONS = f"{ORACLE} SELECT thing, name, day AS effective_date, until AS end_date, until IS NULL AS is_current FROM spans WHERE operation <> 'd'"
STATE = f"{ORACLE} SELECT thing, name FROM spans WHERE operation <> 'd' AND until IS NULL"
ACCOUNTS = """
WITH valid AS (
  SELECT *, last_value(name) OVER (PARTITION BY day, thing ORDER BY file, line ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS held
  FROM told WHERE name NOT IN ('rejected', 'hidden')
)
SELECT (SELECT count(*) FROM told) AS read, count(DISTINCT (day, thing)) AS accepted, count(*) - accepted AS duplicates,
  (SELECT count(*) FROM told WHERE name = 'rejected') AS rejected, 0 AS late, (SELECT count(*) FROM told WHERE name = 'hidden') AS filtered,
  count(*) FILTER (WHERE name = held) - accepted AS repeated, 0 AS superseded, count(*) FILTER (WHERE name <> held) AS conflicting
FROM valid
"""


def ask(queries: Sequence[str], landed: Sequence[Listing]) -> list[list[Row]]:
    """The rows that plain SQL gives over all rows of some snapshots, for each query."""
    told = [(f"2024-01-{each.day:02}", each.path, line, key, kind) for each in landed for line, (key, kind) in enumerate(each.rows, start=1)]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE told (day DATE, file VARCHAR, line INT, thing INT, name VARCHAR)")
        connection.execute(f"INSERT INTO told VALUES {', '.join(['(?, ?, ?, ?, ?)'] * len(told))}", [value for row in told for value in row])
        return [_rows(connection.execute(query)) for query in queries]


def _rows(found: duckdb.DuckDBPyConnection) -> list[Row]:
    columns = [part[0] for part in found.description]
    return in_order(dict(zip(columns, row, strict=True)) for row in found.fetchall())


# Feature: data-lakehouse, Property 12: SCD Type 2 versioning
@hundred_examples
@given(arrivals())
def test_snapshots_in_any_order_of_arrival(groups: list[list[Listing]]) -> None:
    with world(PROJECT) as lakehouse:
        for group in groups:
            for listing in group:
                lakehouse.land(listing.path, listing.records())
            lakehouse.run("bronze/lists", "silver/things")
            if group is groups[0] or group is groups[-1]:
                lakehouse.run("gold/dim_thing")
        landed = [listing for group in groups for listing in group]
        state, changes, versions, counts = ask([STATE, EVENTS, VERSIONS, ACCOUNTS], landed)
        assert lakehouse.contents("silver/things", "data_quality_score") == state
        assert events(lakehouse) == changes
        assert lakehouse.contents("gold/dim_thing", "thing_key") == versions
        assert [vars(accounts(lakehouse))] == counts


def events(lakehouse: World) -> list[Row]:
    """The set of events, each with its day and its place in the source."""
    return in_order(
        {
            **{name: row[name] for name in ("thing", "name", "_operation")},
            "moment": row["_change_timestamp"].date(),
            **row["_source_position"],
        }
        for row in lakehouse.rows("silver/things__changes")
    )


def accounts(lakehouse: World) -> Accounts:
    """The sum of the accounts in the table's own commits."""
    records = [version.record for version in versions_since(lakehouse.lakehouse, "silver/things")]
    return sum((record.accounts for record in records if record is not None and record.accounts is not None), Accounts())

"""Property 7: of all valid rows of a business key the latest is kept, whatever the order in which they arrive. The oracle is a dictionary."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import Row, hundred_examples, in_order, world

COLUMNS = [
    column("device", "STRING", required=True, key=1),
    column("channel", "STRING", key=2),
    column("day", "DATE", required=True, partitioned=True),
    column("seen_at", "TIMESTAMP"),
    column("amount", "INT", required=True),
]
QUERY = "SELECT device, channel, day, seen_at, amount FROM bronze.readings"
SHAPE: dict[str, Any] = {"refresh": "upsert", "sequence_by": ["seen_at"], "partitions": {"grain": "day", "start": "2024-01-01"}}
KEYS = {"silver/readings": ("device", "channel"), "silver/daily_readings": ("device", "channel", "day")}
PROJECT = load(
    source("bronze/readings", "readings/*.jsonl"),
    table("silver/readings", QUERY, COLUMNS, **SHAPE),
    table("silver/daily_readings", QUERY, COLUMNS, **SHAPE, key_scope="partition"),
)
records = st.fixed_dictionaries(
    {
        "device": st.sampled_from(["a", "b", "c"]),
        "channel": st.sampled_from(["x", None]),
        "day": st.sampled_from(["2024-01-01", "2024-01-02", "2024-01-03"]),
        "seen_at": st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", "2024-01-01T00:00:02Z", None]),
        "amount": st.sampled_from([1, 2, 3, 4, "broken"]),
    }
)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[dict[str, list[Row]], list[list[str]]]:
    """Files by name, and the order and grouping in which they arrive: names say nothing of either."""
    contents = draw(st.lists(st.lists(records, min_size=1, max_size=6), min_size=1, max_size=4))
    files = {f"{name}.jsonl": rows for name, rows in zip("dbca", contents, strict=False)}
    order = draw(st.permutations(sorted(files)))
    cuts = sorted(draw(st.sets(st.integers(1, 3), max_size=2)))
    groups = [list(order[start:end]) for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    return files, [group for group in groups if group]


def latest(files: dict[str, list[Row]], *key: str) -> list[Row]:
    """The row of each key with the highest time (none is lowest), then the last file by name, then the last line."""
    winners: dict[tuple[Any, ...], tuple[tuple[Any, ...], Row]] = {}
    for name, rows in files.items():
        for line, row in enumerate(rows, 1):
            if row["amount"] == "broken":
                continue
            identity = tuple(row[part] for part in key)
            rank = (row["seen_at"] is not None, row["seen_at"] or "", name, line)
            if identity not in winners or rank > winners[identity][0]:
                winners[identity] = rank, row
    return in_order(stored(row) for _, row in winners.values())


def stored(row: Row) -> Row:
    seen_at = datetime.fromisoformat(row["seen_at"]).astimezone(UTC) if row["seen_at"] else None
    return row | {"day": date.fromisoformat(row["day"]), "seen_at": seen_at}


# Feature: data-lakehouse, Property 7: Deduplication by business key
@hundred_examples
@given(arrivals(), st.sampled_from(sorted(KEYS)))
def test_property_7_the_latest_row_of_a_key_is_kept(arriving: tuple[dict[str, list[Row]], list[list[str]]], silver: str) -> None:
    files, groups = arriving
    with world(PROJECT) as lakehouse:
        for group in groups:
            for name in group:
                lakehouse.land(f"readings/{name}", ({"place": f"{name}:{line}"} | row for line, row in enumerate(files[name], 1)))
            lakehouse.run("bronze/readings", silver)
        assert lakehouse.contents(silver, "data_quality_score") == latest(files, *KEYS[silver])

"""Days that a silver query computes: one that no reader has a date for never reaches a table."""

from __future__ import annotations

import pytest

from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import world


@pytest.mark.parametrize(
    ("expression", "good", "bad"),
    [
        ("date_add(CAST(f AS DATE), 400)", "2024-01-01", "9999-12-31"),
        ("CAST(timestamp_seconds(CAST(f AS BIGINT)) AS DATE)", "1704067200", "1704067200000"),
    ],
)
def test_a_day_outside_the_years_of_readers_is_rejected(expression: str, good: str, bad: str) -> None:
    columns = [column("k", "STRING", required=True, key=1), column("day", "DATE", required=True, partitioned=True)]
    days = {"grain": "day", "start": "2024-01-01"}
    silver = table("silver/s", f"SELECT k, {expression} AS day FROM bronze.s", columns, refresh="upsert", partitions=days)
    with world(load(source("bronze/s", "s/*.jsonl"), silver)) as opened:
        for name, text in (("a", good), ("b", bad), ("c", good)):
            opened.land(f"s/{name}.jsonl", [{"k": name, "f": text}])
            record = opened.run("bronze/s", "silver/s").record
            assert record is not None
            assert record.rules.get("day_type", 0) == (1 if text == bad else 0)
        assert sorted(row["k"] for row in opened.rows("silver/s")) == ["a", "c"]

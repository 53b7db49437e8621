"""What a query's syntax tells of the rows that a change affects."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import DATE, INT, STRING, TIMESTAMP
from lakehouse_platform.engine.lineage import columns_read, cut_column, looks_beyond, lookup_joins
from lakehouse_platform.engine.query import Query, parse_query

SCHEMAS = {
    "silver/sales": {"day": DATE, "sold_at": TIMESTAMP, "product": STRING, "amount": INT},
    "gold/products": {"product": STRING, "title": STRING},
}


def query(text: str) -> Query:
    return parse_query(text, Path("transform.sql"))


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("day", "day"),
        ("CAST(sold_at AS DATE)", "sold_at"),
        ("DATE_TRUNC('HOUR', sold_at)", "sold_at"),
        ("CAST(DATE_TRUNC('DAY', sold_at) AS DATE)", "sold_at"),
        ("DATE_TRUNC('WEEK', sold_at)", None),
        ("DATE_ADD(day, 1)", None),
        ("CAST(day AS STRING)", None),
    ],
)
def test_only_cuts_within_a_day_leave_files_out(expression: str, column: str | None) -> None:
    assert cut_column(expression) == column


@pytest.mark.parametrize(
    ("text", "beyond"),
    [
        ("SELECT day, COUNT(*) AS n FROM silver.sales GROUP BY day", False),
        ("SELECT day, RANK() OVER (PARTITION BY day, product ORDER BY amount) AS n FROM silver.sales", False),
        ("SELECT day, RANK() OVER (PARTITION BY product ORDER BY amount) AS n FROM silver.sales", True),
        ("SELECT day, amount FROM silver.sales ORDER BY amount LIMIT 5", True),
    ],
)
def test_windows_and_limits_look_beyond(text: str, beyond: bool) -> None:
    assert looks_beyond(query(text), ["day"]) is beyond


def test_columns_of_every_clause_are_read() -> None:
    found = columns_read(query("SELECT day FROM silver.sales WHERE amount > 0"), "silver/sales", SCHEMAS)
    assert found == {"day", "amount"}
    assert columns_read(query("SELECT day FROM (SELECT * FROM silver.sales)"), "silver/sales", SCHEMAS) == set(SCHEMAS["silver/sales"])


@pytest.mark.parametrize(("kind", "has_condition"), [("LEFT JOIN", True), ("JOIN", True), ("RIGHT JOIN", False), ("FULL JOIN", False)])
def test_a_join_that_adds_rows_of_its_own_tells_nothing(kind: str, has_condition: bool) -> None:
    text = f"SELECT s.day, p.title FROM silver.sales AS s {kind} gold.products AS p ON p.product = s.product"
    (join,) = lookup_joins(query(text))
    assert (join.condition is not None) is has_condition
    assert "title" in join.columns or not has_condition
    assert "product" not in join.columns

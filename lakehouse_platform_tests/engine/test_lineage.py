"""Where columns come from, output columns as expressions over the driving input, and how lookups are joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import INT, STRING, TIMESTAMP, ColumnType
from lakehouse_platform.engine.lineage import LookupJoin, column_lineage, driving_expression, lookup_joins
from lakehouse_platform.engine.query import Query, parse_query

SCHEMAS: dict[str, dict[str, ColumnType]] = {
    "silver/line": {"day": TIMESTAMP, "sku": STRING, "units": INT, "price": INT},
    "gold/product": {"sku": STRING, "product_key": INT, "since": TIMESTAMP},
    "gold/country": {"code": STRING, "country_key": INT},
}


def read(sql: str) -> Query:
    return parse_query(sql, Path("transform.sql"))


def sources(sql: str, output: str) -> set[str]:
    return {f"{table}.{column}" for table, column in column_lineage(read(sql), SCHEMAS)[output]}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT units * price AS v FROM silver.line", {"silver/line.units", "silver/line.price"}),
        ("SELECT count(*) AS v FROM silver.line", set()),
        ("SELECT SUM(x.UNITS) AS v FROM silver.line AS x", {"silver/line.units"}),
        ("WITH a AS (SELECT units + 1 AS u, price AS p FROM silver.line) SELECT max(u) AS v FROM a", {"silver/line.units"}),
        ("SELECT q.v FROM (SELECT sku AS v FROM silver.line) AS q", {"silver/line.sku"}),
        ("SELECT coalesce(p.product_key, -1) AS v FROM silver.line l LEFT JOIN gold.product p ON l.sku = p.sku", {"gold/product.product_key"}),
        (
            "SELECT product_key + units AS v FROM silver.line l JOIN gold.product p ON l.sku = p.sku",
            {"gold/product.product_key", "silver/line.units"},
        ),
        ("SELECT units AS u, u * 2 AS v FROM silver.line", {"silver/line.units"}),
        ("SELECT sku AS v FROM silver.line UNION ALL SELECT code FROM gold.country", {"silver/line.sku", "gold/country.code"}),
        ("SELECT (SELECT max(country_key) FROM gold.country) AS v FROM silver.line", {"gold/country.country_key"}),
        ("SELECT (SELECT max(c.country_key) FROM gold.country c WHERE c.code = l.sku) AS v FROM silver.line l", {"gold/country.country_key"}),
        (
            "SELECT (SELECT max(c.country_key + l.units) FROM gold.country c) AS v FROM silver.line l",
            {"gold/country.country_key", "silver/line.units"},
        ),
        ("WITH a AS (SELECT * FROM silver.line) SELECT price AS v FROM a", {"silver/line.price"}),
        ("SELECT transform(array(units), x -> x + price) AS v FROM silver.line", {"silver/line.units", "silver/line.price"}),
        ("SELECT row_number() OVER (PARTITION BY sku ORDER BY day) AS v FROM silver.line", {"silver/line.sku", "silver/line.day"}),
    ],
)
def test_column_lineage(sql: str, expected: set[str]) -> None:
    assert sources(sql, "v") == expected


def test_fields_of_a_source_are_its_columns() -> None:
    found = column_lineage(read("SELECT upper(Name) AS name, raw_data AS raw FROM bronze.x"), {"bronze/x": {"raw_data": STRING}})
    assert found == {"name": (("bronze/x", "Name"),), "raw": (("bronze/x", "raw_data"),)}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT day AS v FROM silver.line", "day"),
        ("SELECT CAST(l.day AS DATE) AS v, count(*) AS n FROM silver.line l GROUP BY CAST(l.day AS DATE)", "CAST(day AS DATE)"),
        (
            "WITH a AS (SELECT date_trunc('DAY', day) AS d, units FROM silver.line) SELECT d AS v, sum(units) AS n FROM a GROUP BY d",
            "(DATE_TRUNC('DAY', day))",
        ),
        ("SELECT v, n FROM (SELECT year(day) AS v, count(*) AS n FROM silver.line GROUP BY year(day))", "(YEAR(day))"),
        ("WITH a AS (SELECT * FROM silver.line) SELECT day AS v FROM a", "day"),
        ("SELECT l.sku AS v FROM silver.line l JOIN gold.product p ON l.sku = p.sku", "sku"),
        ("SELECT units AS v FROM silver.line l JOIN gold.product p ON l.sku = p.sku", "units"),
        ("SELECT p.product_key AS v FROM silver.line l JOIN gold.product p ON l.sku = p.sku", None),
        ("SELECT product_key AS v FROM silver.line l JOIN gold.product p ON l.sku = p.sku", None),
        ("SELECT max(day) AS v FROM silver.line", None),
        ("SELECT row_number() OVER (ORDER BY day) AS v FROM silver.line", None),
        ("WITH a AS (SELECT max(day) AS d FROM silver.line) SELECT d AS v FROM a", None),
        ("SELECT explode(sequence(1, 2)) AS v", None),
        ("SELECT u AS v FROM silver.line LATERAL VIEW explode(array(units)) e AS u", None),
        ("SELECT CAST(day AS DATE) AS d, year(d) AS v FROM silver.line", "YEAR((CAST(day AS DATE)))"),
        ("SELECT upper(sku) AS sku, concat(sku, 'x') AS v FROM silver.line", "CONCAT(sku, 'x')"),
        ("SELECT upper(sku) AS v FROM silver.line GROUP BY v", "UPPER(sku)"),
    ],
)
def test_an_output_as_an_expression_over_the_driving_input(sql: str, expected: str | None) -> None:
    assert driving_expression(read(sql), "v", SCHEMAS) == expected


@pytest.mark.parametrize(("sql", "expected"), [("SELECT Sku AS v FROM silver.line", "sku"), ("SELECT `DAY` AS v FROM silver.line", "`day`")])
def test_an_output_names_columns_as_the_schema_does(sql: str, expected: str) -> None:
    assert driving_expression(read(sql), "v", SCHEMAS) == expected


def test_lookups_tell_how_they_are_joined() -> None:
    sql = """
        SELECT l.sku, p.product_key, c.country_key
        FROM silver.line AS l
        LEFT JOIN gold.product p ON l.sku = p.sku AND l.day >= p.since
        LEFT JOIN gold.country ON country.code = p.sku
        WHERE l.sku IN (SELECT sku FROM gold.product)
    """
    assert lookup_joins(read(sql)) == (
        LookupJoin("gold/product", "p", "l", "l.sku = p.sku AND l.day >= p.since", frozenset({"p", "product_key", "sku"})),
        LookupJoin("gold/country", "country", "l", None, frozenset()),
        LookupJoin("gold/product", "product", "l", None, frozenset()),
    )


def test_a_lookup_of_a_step_in_between_says_nothing() -> None:
    sql = "WITH a AS (SELECT sku FROM silver.line) SELECT a.sku, p.product_key FROM a JOIN gold.product p ON a.sku = p.sku"
    assert lookup_joins(read(sql)) == (LookupJoin("gold/product", "p", "line", None, frozenset()),)

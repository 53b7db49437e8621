"""Parsing a table's query: what it reads and gives, and each mistake at its line with its mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_platform.engine.query import parse_query, parse_select
from lakehouse_platform.problems import ProjectError

PATH = Path("transform.sql")


@pytest.mark.parametrize(
    ("sql", "inputs"),
    [
        ("SELECT a FROM silver.x", ("silver/x",)),
        ("SELECT 1 AS a", ()),
        ("SELECT a FROM Silver.X", ("silver/x",)),
        ("SELECT l.a FROM silver.x l LEFT JOIN gold.y r ON l.a = r.a LEFT JOIN gold.z z ON l.a = z.a", ("silver/x", "gold/y", "gold/z")),
        ("WITH y AS (SELECT a FROM gold.y), x AS (SELECT a FROM silver.x) SELECT x.a FROM x JOIN y ON x.a = y.a", ("silver/x", "gold/y")),
        ("SELECT q.a FROM (SELECT a FROM silver.x) AS q WHERE q.a IN (SELECT a FROM gold.y)", ("silver/x", "gold/y")),
        ("SELECT a FROM silver.x UNION ALL SELECT a FROM silver.y UNION ALL SELECT a FROM silver.x", ("silver/x", "silver/y")),
        ("WITH x AS (SELECT a FROM silver.x) SELECT a FROM (SELECT a FROM x)", ("silver/x",)),
    ],
)
def test_inputs_begin_with_the_driving_one(sql: str, inputs: tuple[str, ...]) -> None:
    assert parse_query(sql, PATH).inputs == inputs


def test_outputs_are_named_in_order() -> None:
    assert parse_query("SELECT x.a, b AS c, count(*) AS n FROM silver.x GROUP BY ALL", PATH).outputs == ("a", "c", "n")


@pytest.mark.parametrize(
    ("sql", "line", "told"),
    [
        ("SELECT a,\n FROM silver.x WHERE (b", 2, "this is no Spark SQL"),
        ("SELECT a\nFROM silver.x\nWHERE b = 'open", 3, "a quote or comment without an end"),
        ("SELECT a /* open\nFROM silver.x", 1, "a quote or comment without an end"),
        ("\n\nSELECT *\nFROM silver.x", 3, "SELECT * says not"),
        ("SELECT a,\n  x.*\nFROM silver.x", 2, "SELECT * says not"),
        ("SELECT a,\n  a + 1\nFROM silver.x", 2, "has no name"),
        ("SELECT a,\n  b AS A\nFROM silver.x", 2, "two columns are named A"),
        ("SELECT a\nFROM orders", 2, "orders is no table of the lakehouse"),
        ("SELECT a\nFROM lake.silver.orders", 2, "lake.silver.orders is no table"),
        ("SELECT a\nFROM platinum.orders", 2, "platinum.orders is no table"),
        ("DELETE FROM silver.x", 1, "not one SELECT"),
        ("SELECT a FROM silver.x; SELECT b FROM silver.x", 1, "not one SELECT"),
        ("", 1, "not one SELECT"),
        ("SELECT a\nFROM silver.x\nWHERE t < current_timestamp()", 3, "current_timestamp inside an expression"),
        ("SELECT date_add(current_date, 1) AS a FROM silver.x", 1, "current_date inside an expression"),
    ],
)
def test_a_mistake_names_file_line_and_mend(sql: str, line: int, told: str) -> None:
    with pytest.raises(ProjectError) as caught:
        parse_query(sql, PATH)
    problem = caught.value.problems[0]
    assert (problem.path, problem.line) == (PATH, line)
    assert told in problem.message
    assert problem.mend


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ProjectError) as caught:
        parse_query("SELECT a + 1,\n  *\nFROM orders", PATH)
    assert [problem.line for problem in caught.value.problems] == [3, 1, 2]


def test_the_clock_may_be_a_column_of_its_own() -> None:
    assert parse_query("SELECT a, CURRENT_TIMESTAMP() AS aggregated_at FROM silver.x", PATH).outputs == ("a", "aggregated_at")


def test_free_sql_counts_lines_from_where_it_stands() -> None:
    with pytest.raises(ProjectError) as caught:
        parse_select("SELECT (a\nFROM x", Path("contract.yaml"), first_line=10)
    assert caught.value.problems[0].line in (10, 11)


@pytest.mark.parametrize(("spelt", "meant"), [("'it''s'", "it's"), (r"'it\'s'", "it's"), (r"'\\.0$'", r"\.0$"), (r"r'\.0$'", r"\.0$"), ('"a"', "a")])
def test_texts_are_read_as_spark_reads_them(spelt: str, meant: str) -> None:
    assert parse_query(f"SELECT {spelt} AS v", PATH).tree.selects[0].unalias().name == meant

"""Queries on DuckDB give what Spark gives.

`spark_answers.jsonl` holds 580 expressions and queries with the answer of Spark 4.2.0 (ANSI mode, UTC): its types and rows, or the class of
its error. They were run there; nothing here needs Spark.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.contracts.types import BIGINT, DATE, DOUBLE, INT, STRING, TIMESTAMP, ColumnType, array, decimal
from lakehouse_platform.engine.duckdb import QueryError, Session, memory_session
from lakehouse_platform.engine.query import parse_query, parse_select
from lakehouse_platform.engine.terms import VOID
from lakehouse_platform.engine.transpile import expression_term, expression_to_duckdb, output_types, sql_to_duckdb, to_duckdb, with_extra_outputs
from lakehouse_platform.problems import ProjectError

SCHEMAS = {"silver/t": {"g": STRING, "i": INT, "d": decimal(10, 2), "x": DOUBLE, "s": STRING}}
RELATIONS = {"silver/t": "t"}
ANSWERS = [json.loads(line) for line in Path(__file__).with_name("spark_answers.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with memory_session() as opened:
        opened.execute("CREATE TABLE t (g VARCHAR, i INTEGER, d DECIMAL(10,2), x DOUBLE, s VARCHAR)")
        rows = "('a', 1, 1.10, 1.5, 'p'), ('a', 2, 2.25, 2.5, 'q'), ('b', 3, 3.33, -1, 'r'), ('b', NULL, NULL, NULL, 's'), (NULL, 5, -7.77, 4, 't')"
        opened.execute(f"INSERT INTO t VALUES {rows}")
        yield opened


def shown(value: Any, kind: ColumnType) -> Any:
    """A value as the answers spell it."""
    if value is None:
        return None
    match kind.name:
        case "array":
            return [shown(item, kind.items[0]) for item in value]
        case "map":
            return sorted([shown(key, kind.items[0]), shown(item, kind.items[1])] for key, item in value.items())
        case "struct":
            return [shown(item, item_kind) for item, item_kind in zip(value.values(), kind.items, strict=True)]
    match value:
        case float():
            return str(value) if math.isnan(value) or math.isinf(value) else float(f"{value:.12g}")
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.replace(tzinfo=None).isoformat(sep=" ")
        case date():
            return str(value)
        case bytes():
            return value.hex()
        case _:
            return value


def answered(session: Session, sql: str) -> tuple[list[str], list[list[Any]]]:
    """Types and rows that DuckDB gives; the types that we promise are those that DuckDB makes."""
    query = parse_select(sql, Path("transform.sql"))
    types = output_types(query, SCHEMAS)
    text = to_duckdb(query, RELATIONS, SCHEMAS)
    if VOID not in types.values():
        assert session.describe(text) == types
    rows = [[shown(value, kind) for value, kind in zip(row, types.values(), strict=True)] for row in session.rows(text)]
    return [str(kind).lower() for kind in types.values()], rows


@pytest.mark.parametrize("answer", ANSWERS, ids=[answer["sql"] for answer in ANSWERS])
def test_answers_as_spark(session: Session, answer: dict[str, Any]) -> None:
    if "fails" in answer:
        with pytest.raises(QueryError):
            answered(session, answer["sql"])
        return
    types, rows = answered(session, answer["sql"])
    assert rows == answer["rows"]
    assert types == answer["types"]


@pytest.mark.parametrize(
    ("expression", "given", "fails"),
    [
        ("a + 1", 2**31 - 1, True),
        ("a - 2147483647", -2, True),
        ("a * 3", 2**30, True),
        ("a / (a - 5)", 5, True),
        ("a % (a - 5)", 5, True),
        ("a DIV (a - 5)", 5, True),
        ("CAST('x' || a AS INT)", 5, True),
        ("CAST(a AS DECIMAL(2,0))", 500, True),
        ("array(1, 2)[a]", 2, True),
        ("element_at(array(1, 2), a)", 3, True),
        ("make_date(2021, 2, a)", 29, True),
        ("CAST(a AS DECIMAL(10,2)) / (a - 5)", 5, True),
        ("try_divide(a, a - 5)", 5, False),
        ("try_divide(CAST(a AS DECIMAL(10,2)), a - 5)", 5, False),
        ("try_add(a, 1)", 2**31 - 1, False),
        ("try_element_at(array(1, 2), a)", 3, False),
        ("TRY_CAST('x' || a AS INT)", 5, False),
        ("try_to_timestamp('x' || a)", 5, False),
        ("get(array(1, 2), a)", 2, False),
        ("map(1, 2)[a]", 5, False),
    ],
)
def test_what_fails_on_a_row(session: Session, expression: str, given: int, fails: bool) -> None:
    term = expression_term(expression, {"a": INT})
    sql = f"SELECT {term.sql} FROM (SELECT CAST({given} AS INTEGER) AS a)"
    assert term.can_fail or not fails
    if fails:
        with pytest.raises(QueryError):
            session.rows(sql)
        assert session.rows(f"SELECT TRY({term.sql}) FROM (SELECT unnest([CAST({given} AS INTEGER)]) AS a)") == [(None,)]
    else:
        assert session.rows(sql) == [(None,)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("TRIM(s)", "\u00a0x\u3000"),
        ("TRIM(BOTH FROM s)", "\u00a0x\u3000"),
        ("LTRIM(s)", "\u00a0x\u3000 "),
        ("RTRIM(s)", " \u00a0x\u3000"),
        ("BTRIM(s)", "\u00a0x\u3000"),
    ],
)
def test_trim_takes_away_no_blank_but_the_ascii_space(session: Session, expression: str, expected: str) -> None:
    sql = expression_to_duckdb(expression, {"s": STRING})
    assert session.rows(f"SELECT {sql} FROM (SELECT ' \u00a0x\u3000 ' AS s)") == [(expected,)]


def test_a_pattern_is_read_without_blanks_around_it(session: Session) -> None:
    sql = expression_to_duckdb("try_to_date(s, 'dd/MM/yyyy')", {"s": STRING})
    assert session.rows(f"SELECT {sql} FROM (VALUES (' 29/02/2020'), ('29/02/2020')) AS v(s)") == [(None,), (date(2020, 2, 29),)]


def test_try_holds_an_expression_that_occurs_twice(session: Session) -> None:
    sql = expression_to_duckdb("a % b + a % b", {"a": INT, "b": INT})
    found = session.rows(f"SELECT TRY({sql}) FROM (VALUES (CAST(1 AS INTEGER), CAST(0 AS INTEGER)), (5, 3)) AS v(a, b)")
    assert found == [(None,), (4,)]


def test_what_the_left_side_settles_cannot_fail(session: Session) -> None:
    sql = expression_to_duckdb("b <> 0 AND a / b > 1 AND a / b < 9", {"a": INT, "b": INT})
    assert session.rows(f"SELECT a FROM (VALUES (CAST(1 AS INTEGER), CAST(0 AS INTEGER)), (6, 3)) AS v(a, b) WHERE {sql}") == [(6,)]


@pytest.mark.parametrize(
    ("sql", "line", "told"),
    [
        ("SELECT\n rand() AS r FROM silver.t", 2, "the function rand is not supported"),
        ("SELECT i,\n uuid() AS r\nFROM silver.t", 2, "the function uuid is not supported"),
        ("SELECT first(i) AS r FROM silver.t", 1, "first takes any row"),
        ("SELECT\n\nnope FROM silver.t", 3, "there is no column nope"),
        ("SELECT l.nope AS n\nFROM silver.t l", 1, "there is no column l.nope"),
        ("SELECT i FROM silver.t a\nJOIN silver.t b ON a.i = b.i", 1, "i is in more than one table"),
        ("SELECT s * 2 AS v FROM silver.t", 1, "arithmetic on a STRING"),
        ("SELECT i FROM silver.t\nWHERE i", 2, "a condition is a INT"),
        ("SELECT i FROM\nsilver.other", 2, "there is no table silver.other"),
        ("SELECT CAST(x AS STRING) AS v FROM silver.t", 1, "DOUBLE does not become STRING alike"),
        ("SELECT CAST(i AS FLOAT) AS v FROM silver.t", 1, "'FLOAT' is no type"),
        ("SELECT regexp_replace(s, '(?=a)', '') AS v FROM silver.t", 1, "not supported on both engines"),
        ("SELECT regexp_replace(s, g, '') AS v FROM silver.t", 1, "the regular expression is not a literal"),
        ("SELECT date_format(DATE '2020-01-01', 'QQ') AS v FROM silver.t", 1, "'QQ' in the pattern"),
        ("SELECT row_number() AS v FROM silver.t", 1, "row_number needs a window"),
        ("SELECT upper(s) OVER (ORDER BY i) AS v FROM silver.t", 1, "neither an aggregate nor a window function"),
        ("SELECT i FROM silver.t UNION ALL SELECT i, s FROM silver.t", 1, "one side has 1 columns, the other 2"),
        ("SELECT g, count(*) AS n FROM silver.t GROUP BY ROLLUP (g)", 1, "ROLLUP"),
        ("SELECT from_json(s, 'a INT') AS v FROM silver.t", 1, "the schema of from_json"),
        ("SELECT CASE WHEN true THEN 1 ELSE array(1) END AS v FROM silver.t", 1, "have no type in common"),
        ("SELECT upper(s, s) AS v FROM silver.t", 1, "upper has 2 arguments"),
    ],
)
def test_what_is_not_supported_is_refused_where_it_stands(sql: str, line: int, told: str) -> None:
    with pytest.raises(ProjectError) as caught:
        to_duckdb(parse_select(sql, Path("transform.sql")), RELATIONS, SCHEMAS)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == (Path("transform.sql"), line)
    assert told in problem.message
    assert problem.mend


def test_free_sql_may_have_stars_and_unnamed_columns(session: Session) -> None:
    sql = sql_to_duckdb("SELECT *, i + 1 FROM silver.t WHERE g = 'b' AND i = 3", RELATIONS, SCHEMAS)
    assert session.rows(sql) == [("b", 3, Decimal("3.33"), -1.0, "r", 4)]


def test_more_outputs_can_be_had_from_the_same_rows(session: Session) -> None:
    query = parse_query("SELECT upper(g) AS g FROM silver.t AS l WHERE i > 2", Path("transform.sql"))
    more = with_extra_outputs(query, {"_s": "l.s", "_twice": "i * 2"})
    assert more.outputs == ("g", "_s", "_twice")
    assert query.outputs == ("g",)
    assert sorted(session.rows(to_duckdb(more, RELATIONS, SCHEMAS)), key=str) == [("B", "r", 6), (None, "t", 10)]


def test_types_of_a_query() -> None:
    query = parse_query("WITH a AS (SELECT i, d FROM silver.t) SELECT sum(i) AS n, avg(d) AS mean, current_timestamp() AS at FROM a", Path("t.sql"))
    assert output_types(query, SCHEMAS) == {"n": BIGINT, "mean": decimal(14, 6), "at": TIMESTAMP}


def test_a_days_sequence_has_its_type() -> None:
    query = parse_query("SELECT sequence(DATE '2020-01-01', DATE '2020-01-31') AS days, explode(array(DATE '2020-01-01')) AS day", Path("t.sql"))
    assert output_types(query, {}) == {"days": array(DATE), "day": DATE}

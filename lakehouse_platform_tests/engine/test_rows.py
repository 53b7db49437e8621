"""Queries over bronze: fields, expressions of a row, what can fail, and what a row by row query may not do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, STRING, STRING_MAP
from lakehouse_platform.engine.duckdb import Session, memory_session
from lakehouse_platform.engine.query import parse_query
from lakehouse_platform.engine.rows import RowQuery, row_query
from lakehouse_platform.problems import ProjectError

METADATA = {"raw_data": STRING, "source_file": STRING, "source_row": BIGINT}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with memory_session() as opened:
        yield opened


def read(sql: str) -> RowQuery:
    return row_query(parse_query(sql, Path("transform.sql")), METADATA)


def test_names_that_are_no_metadata_are_fields_as_they_are_spelt() -> None:
    query = read("SELECT CustomerID AS id, b.`Unit Price` AS price, source_row AS row, Raw_Data AS other FROM bronze.x AS b WHERE Country <> ''")
    assert query.fields == ("CustomerID", "Unit Price", "Raw_Data", "Country")
    assert query.outputs == {"id": '"CustomerID"', "price": '"Unit Price"', "row": '"source_row"', "other": '"Raw_Data"'}
    assert query.types == {"id": STRING, "price": STRING, "row": BIGINT, "other": STRING}
    assert query.texts["price"] == "b.`Unit Price`"


@pytest.mark.parametrize(
    ("expression", "can_fail"),
    [
        ("a", False),
        ("'x'", False),
        ("NULLIF(TRIM(a), '')", False),
        ("a LIKE 'C%'", False),
        ("REGEXP_REPLACE(a, '\\\\.0$', '')", False),
        ("COALESCE(a, b, 'none')", False),
        ("CONCAT(a, '-', b)", False),
        ("CASE WHEN a = 'x' THEN b END", False),
        ("UPPER(a) = 'X' AND b IS NULL", False),
        ("TRY_CAST(a AS INT)", False),
        ("MAP_FILTER(FROM_JSON(raw_data, 'MAP<STRING,STRING>'), (k, v) -> k NOT IN ('a'))", False),
        ("GET_JSON_OBJECT(raw_data, '$.a')", False),
        ("md5(a)", False),
        ("CAST(a AS INT)", True),
        ("CAST(a AS INT) + 1", True),
        ("TO_DATE(a, 'dd/MM/yyyy')", True),
        ("SPLIT(a, ',')[1]", True),
        ("a > 5", True),
        ("CASE WHEN a = 'x' THEN CAST(b AS INT) END", True),
    ],
)
def test_what_can_fail_is_known(expression: str, can_fail: bool) -> None:
    query = read(f"SELECT {expression} AS v FROM bronze.x WHERE {expression} IS NOT NULL")
    assert (query.can_fail == {"v"}, query.where_can_fail) == (can_fail, can_fail)


def test_the_rest_of_a_record_becomes_a_map(session: Session) -> None:
    query = read("SELECT MAP_FILTER(FROM_JSON(raw_data, 'MAP<STRING,STRING>'), (k, v) -> k NOT IN ('id', 'it''s')) AS rest FROM bronze.x")
    assert query.types == {"rest": STRING_MAP}
    records = {
        '{"id": 1, "b": "x", "c": null, "it\'s": 2}': {"b": "x", "c": None},
        ' {"id": {"b": 1}, "d": {"id": 1}}': {"d": '{"id":1}'},
        '{"\\u0069d": 5}': {},
        "[1]": None,
        '{"b"': None,
        "": None,
    }
    for record, rest in records.items():
        escaped = record.replace("'", "''")
        assert session.rows(f"SELECT {query.outputs['rest']} FROM (SELECT '{escaped}' AS raw_data)") == [(rest,)]


def test_a_condition_is_a_boolean(session: Session) -> None:
    query = read("SELECT a LIKE 'C%' AS cancelled FROM bronze.x")
    assert query.types == {"cancelled": BOOLEAN}
    assert query.where is None


@pytest.mark.parametrize(
    ("sql", "line", "told"),
    [
        ("SELECT a FROM bronze.x\nJOIN bronze.y ON true", 2, "JOIN"),
        ("SELECT a FROM bronze.x\nGROUP BY a", 2, "GROUP BY"),
        ("SELECT DISTINCT a\nFROM bronze.x", 1, "DISTINCT"),
        ("SELECT a FROM bronze.x\nORDER BY a", 2, "ORDER BY"),
        ("SELECT a FROM bronze.x\nLIMIT 5", 2, "LIMIT"),
        ("SELECT a,\n count(*) AS n FROM bronze.x", 2, "count"),
        ("SELECT a,\n explode(split(b, ',')) AS n FROM bronze.x", 2, "explode"),
        ("SELECT a,\n row_number() OVER (ORDER BY b) AS n FROM bronze.x", 2, "a window function"),
        ("SELECT a,\n (SELECT max(b) FROM bronze.y) AS n FROM bronze.x", 2, "a subquery"),
        ("WITH q AS (SELECT a FROM bronze.x) SELECT a FROM q", 1, "WITH"),
        ("SELECT a FROM bronze.x UNION ALL SELECT a FROM bronze.y", 1, "SELECT … FROM one bronze table"),
    ],
)
def test_one_record_is_one_row(sql: str, line: int, told: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read(sql)
    problem = caught.value.problems[0]
    assert problem.line == line
    assert told in problem.message
    assert "gold" in problem.mend

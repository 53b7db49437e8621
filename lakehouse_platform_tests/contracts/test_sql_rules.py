"""Which SQL rules judge single rows, and what they are taken to say."""

from __future__ import annotations

import pytest
from sqlglot import parse_one

from lakehouse_platform.contracts.model import ConstraintKind
from lakehouse_platform.contracts.sql_rules import RuleQueryError, check_names, compared, normalised, parsed, row_predicate


@pytest.mark.parametrize(
    ("query", "predicate"),
    [
        ("select Count(*) from ${table} where a < 0 -- why", "a < 0"),
        ("SELECT count(1) AS n FROM {object} WHERE a IS NULL;", "a IS NULL"),
        ('SELECT count(*) FROM "${table}" AS t WHERE t.a > t.b', "a > b"),
        ("SELECT count(*) FROM ${table} WHERE ${table}.a > 1", "a > 1"),
        ("SELECT count(*) FROM ${table} WHERE a RLIKE '\\\\d{3}' OR m['x'] = 'it\\'s'", "REGEXP_LIKE(a, '\\\\d{3}') OR m['x'] = 'it\\'s'"),
        ("SELECT count(*) FROM ${table} WHERE exists(items, x -> x > 1)", "EXISTS(items, x -> x > 1)"),
        ("SELECT count(*) FROM ${table} WHERE ${column} = ''", "`name` = ''"),
    ],
)
def test_a_rule_over_one_row(query: str, predicate: str) -> None:
    found = row_predicate(parsed(normalised(query, "name")))
    assert found is not None
    assert found.sql("databricks", comments=False) == predicate


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM ${table}",
        "SELECT count(a) FROM ${table} WHERE b",
        "SELECT count(DISTINCT a) FROM ${table} WHERE b",
        "SELECT sum(a) FROM ${table} WHERE b",
        "SELECT count(*) FROM ${table} WHERE a GROUP BY b",
        "SELECT count(*) FROM ${table} WHERE a LIMIT 1",
        "SELECT count(*) FROM ${table} JOIN ${table} AS o ON o.a = 1 WHERE b",
        "SELECT count(*) FROM ${table}, ${table} AS o WHERE b",
        "SELECT count(*) FROM ${table} WHERE a = (SELECT max(a) FROM ${table})",
        "SELECT count(*) FROM (SELECT a FROM ${table}) WHERE a",
        "WITH t AS (SELECT a FROM ${table}) SELECT count(*) FROM t WHERE a",
        "SELECT count(*), 1 FROM ${table} WHERE a",
        "SELECT count(*) FROM ${table} WHERE a UNION ALL SELECT 1",
    ],
)
def test_a_rule_over_the_table(query: str) -> None:
    assert row_predicate(parsed(normalised(query, None))) is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT count(*) FROM ${table} WHERE b < 0", "names b"),
        ("SELECT b AS a FROM ${table}", "names b"),
        ("SELECT count(*) FROM ${table} AS t WHERE t.b < 0", "names b"),
        ("SELECT count(*) FROM ${table} WHERE a IN (SELECT a FROM other)", "reads other"),
        ("SELECT count(*) FROM read_csv('x')", "reads"),
    ],
)
def test_names_that_the_table_has_not(query: str, message: str) -> None:
    with pytest.raises(RuleQueryError, match=message):
        check_names(parsed(normalised(query, None)), ["a"])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM ${table} WHERE A < 0 AND a.field = 1 AND exists(a, x -> x > 1)",
        "SELECT max(n) FROM (SELECT a, count(*) AS n FROM ${table} GROUP BY a HAVING n > 1)",
        "WITH t AS (SELECT a AS z FROM ${table}) SELECT count(*) FROM t WHERE z > 1",
    ],
)
def test_names_that_the_table_has(query: str) -> None:
    check_names(parsed(normalised(query, None)), ["a"])


def test_a_comparison_with_a_number_is_a_constraint() -> None:
    assert compared(parse_one("a < -1")) == ("a", ConstraintKind.MINIMUM, -1)
    assert compared(parse_one("a >= 1.5")) == ("a", ConstraintKind.EXCLUSIVE_MAXIMUM, 1.5)
    assert compared(parse_one("a < b")) is None
    assert compared(parse_one("abs(a) < 1")) is None
    assert compared(parse_one("a < 1 OR b < 1")) is None

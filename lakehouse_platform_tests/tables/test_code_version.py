"""A table's code version changes with what changes its rows, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.properties.projects import column, load, row_rule, source, table

SQL = "SELECT sale, sold_at, sold_at AS day, amount FROM bronze.sales"
ATTRIBUTES: dict[str, Any] = {"refresh": "upsert", "partitions": {"grain": "day", "start": "2024-01-01"}}


def columns(**of_amount: Any) -> list[dict[str, Any]]:
    return [
        column("sale", "INT", required=True, key=1),
        column("sold_at", "TIMESTAMP", required=True),
        column("day", "DATE", required=True, partitioned=True),
        column("amount", **{"physical_type": "INT", **of_amount}),
    ]


def project(sql: str = SQL, of_amount: dict[str, Any] | None = None, rules: list[dict[str, Any]] | None = None, **attributes: Any) -> Project:
    files = attributes.pop("files", {})
    return load(
        source("bronze/sales", "sales/*.jsonl", **files),
        table(
            "silver/sales",
            sql,
            columns(**of_amount or {}),
            rules=[row_rule("positive", "amount <= 0"), *(rules or [])],
            **{**ATTRIBUTES, **attributes},
        ),
    )


def version(**change: Any) -> str:
    return project(**change).tables["silver/sales"].code_version


CHANGES: dict[str, dict[str, Any]] = {
    "another expression": {"sql": SQL.replace("amount FROM", "CAST(amount AS INT) + 1 AS amount FROM")},
    "another text in an expression": {"sql": SQL.replace("sold_at,", "REPLACE(sold_at, 'x', 'y') AS sold_at,", 1)},
    "another pattern": {"sql": SQL.replace("sold_at,", r"REGEXP_REPLACE(sold_at, r'\D', '') AS sold_at,", 1)},
    "another field of a keyword's name": {"sql": SQL.replace("sold_at AS day", "Date AS day")},
    "another type": {"of_amount": {"physical_type": "BIGINT"}},
    "required": {"of_amount": {"required": True}},
    "another rule": {"rules": [row_rule("small", "amount > 9")]},
    "a rule that warns": {"rules": [row_rule("small", "amount > 9", "warning")]},
    "the order of a key's rows": {"sequence_by": ["sold_at"]},
    "a bound on lateness": {"lateness_seconds": 5, "event_time": "sold_at"},
    "a coarser grain": {"partitions": {"grain": "month", "start": "2024-01-01"}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_rows_changes_the_version(change: dict[str, Any]) -> None:
    assert version(**change) != version()


@pytest.mark.parametrize("name", ["another pattern", "another field of a keyword's name"])
def test_the_case_of_what_is_no_keyword_counts(name: str) -> None:
    sql = CHANGES[name]["sql"]
    assert version(sql=sql) != version(sql=sql.replace(r"\D", r"\d").replace("Date", "date"))


KEPT: dict[str, dict[str, Any]] = {
    "a comment, blanks and the case of keywords": {"sql": f"-- sales\n{SQL.replace('SELECT', 'select').replace(' AS ', '  as ')}\n"},
    "a description": {"of_amount": {"description": "Pounds"}},
    "a classification": {"of_amount": {"classification": "pii"}},
    "a rule over the whole table": {"rules": [{"id": "rows", "type": "library", "metric": "rowCount", "mustBeGreaterThan": 0}]},
    "how files lie": {"cluster_by": ["amount"]},
    "a default that is written down": {"key_scope": "table"},
    "since when there are partitions": {"partitions": {"grain": "day", "start": "2023-01-01"}},
    "where the files come from": {"files": {"on_change": "append"}},
}


@pytest.mark.parametrize("change", KEPT.values(), ids=KEPT)
def test_what_leaves_rows_as_they_are_does_not(change: dict[str, Any]) -> None:
    assert version(**change) == version()


def test_a_rule_of_gold_lets_a_run_fail_and_changes_no_row() -> None:
    def days(*rules: dict[str, Any]) -> str:
        columns_of_days = [column("day", "DATE", required=True, key=1), column("sales", "BIGINT", required=True)]
        sales = table("silver/sales", SQL, columns(), **ATTRIBUTES)
        sql = "SELECT day, COUNT(*) AS sales FROM silver.sales GROUP BY day"
        gold = table("gold/days", sql, columns_of_days, rules=rules, refresh="replace_keys")
        return load(source("bronze/sales", "sales/*.jsonl"), sales, gold).tables["gold/days"].code_version

    assert days(row_rule("some", "sales < 1")) == days()

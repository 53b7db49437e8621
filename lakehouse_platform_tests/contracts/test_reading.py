"""A contract's document as the platform reads it: columns, key, rules, SLA, owner."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from lakehouse_platform.contracts.model import Bound, Constraint, ConstraintKind, Contract, RowRule, Severity, TableRule
from lakehouse_platform.contracts.reading import read_contract

ORDERS = Path(__file__).parent / "documents" / "orders.yaml"


@pytest.fixture(scope="module")
def orders() -> Contract:
    return read_contract(ORDERS)


def row_rule(contract: Contract, name: str) -> RowRule:
    return next(rule for rule in contract.row_rules if rule.id == name)


def table_rule(contract: Contract, name: str) -> TableRule:
    return next(rule for rule in contract.table_rules if rule.id == name)


def test_head(orders: Contract) -> None:
    assert (orders.id, orders.version, orders.table, orders.status) == ("shop.orders", "2.1.0", "orders", "active")
    assert (orders.owner, orders.domain, orders.freshness_seconds) == ("team:shop", "shop", 7200)
    assert orders.description == "Orders of the shop"
    assert orders.text == ORDERS.read_text()


def test_types(orders: Contract) -> None:
    assert {column.name: str(column.type) for column in orders.columns} == {
        "order_no": "STRING",
        "shop": "INT",
        "placed_on": "DATE",
        "placed_at": "TIMESTAMP",
        "email": "STRING",
        "state": "STRING",
        "country": "STRING",
        "amount": "DECIMAL(18,3)",
        "rate": "DOUBLE",
        "is_gift": "BOOLEAN",
        "labels": "ARRAY<STRING>",
        "extras": "MAP<STRING,BIGINT>",
        "address": "STRUCT<street:STRING,lines:ARRAY<STRING>>",
    }


def test_columns(orders: Contract) -> None:
    assert orders.key == ("shop", "order_no")
    assert orders.partition_column == "placed_on"
    assert [column.name for column in orders.columns if column.required] == ["order_no"]
    assert orders.column("email").classification == "pii"
    assert orders.column("email").empty_as_null
    assert orders.column("placed_at").formats == ("M/d/yyyy H:mm",)
    assert orders.column("placed_at").timezone == "Europe/London"
    assert orders.column("state").description == "A state is never null in the end"
    assert orders.column("order_no").line == ORDERS.read_text().splitlines().index("      - name: order_no") + 1


def test_constraints_are_spark_predicates(orders: Contract) -> None:
    assert {rule.id: rule.failing for rule in orders.row_rules} == {
        "order_no_min_length": "LENGTH(`order_no`) < 1",
        "order_no_max_length": "LENGTH(`order_no`) > 8",
        "order_no_pattern": r"NOT REGEXP_LIKE(`order_no`, '^[A-Z]\\d+\'?$')",
        "shop_multiple_of": "`shop` % 10 <> 0",
        "placed_on_minimum": "`placed_on` < CAST('2010-12-01' AS DATE)",
        "placed_on_exclusive_maximum": "`placed_on` >= CAST('2031-01-01' AS DATE)",
        "placed_at_minimum": "`placed_at` < CAST('2010-12-01 00:00:00+00:00' AS TIMESTAMP)",
        "state_enum": r"NOT `state` IN ('open', 'it\'s paid')",
        "state_null_values": "`state` IS NULL",
        "country_invalid_values": "NOT `country` IN ('FR', 'DE') OR NOT REGEXP_LIKE(`country`, '^..$')",
        "amount_maximum": "`amount` > 0.1",
        "amount_not_negative": "`amount` < 0",
        "rate_exclusive_minimum": "`rate` <= CAST(-1.0 AS DOUBLE)",
        "paid_has_amount": r"REGEXP_LIKE(state, '\\bpaid') AND amount IS NULL",
    }


def test_constraints_are_kept_as_values(orders: Contract) -> None:
    def operands(name: str) -> tuple[Constraint, ...]:
        return row_rule(orders, name).constraints

    assert operands("placed_on_minimum") == (Constraint(ConstraintKind.MINIMUM, (date(2010, 12, 1),)),)
    assert operands("placed_at_minimum") == (Constraint(ConstraintKind.MINIMUM, (datetime(2010, 12, 1, tzinfo=UTC),)),)
    assert operands("amount_maximum") == (Constraint(ConstraintKind.MAXIMUM, (Decimal("0.1"),)),)
    assert operands("amount_not_negative") == (Constraint(ConstraintKind.MINIMUM, (Decimal(0),)),)
    assert operands("country_invalid_values") == (
        Constraint(ConstraintKind.ONE_OF, ("FR", "DE")),
        Constraint(ConstraintKind.PATTERN, ("^..$",)),
    )
    assert operands("paid_has_amount") == ()


def test_severity_and_dimension(orders: Contract) -> None:
    assert {rule.id for rule in orders.warning_rules} == {"state_null_values", "paid_has_amount"}
    assert row_rule(orders, "state_null_values").dimension == "completeness"
    assert row_rule(orders, "country_invalid_values").dimension == "consistency"
    assert row_rule(orders, "amount_not_negative").description == "No refunds"
    assert table_rule(orders, "mean_amount").severity is Severity.ERROR


def test_table_rules(orders: Contract) -> None:
    assert [(rule.id, rule.column, rule.bound) for rule in orders.table_rules] == [
        ("few_unstated", "state", Bound("mustBeLessThan", (5.0,))),
        ("country_duplicate_values", "country", Bound("mustBeGreaterThan", (3.0,))),
        ("row_count", None, Bound("mustBeBetween", (1.0, 1000.0))),
        ("duplicate_values", None, Bound("mustBe", (0.0,))),
        ("mean_amount", None, Bound("mustNotBe", (0.0,))),
        ("only_gifts", None, Bound("mustBeLessThan", (5.0,))),
        ("key_unique", None, Bound("mustBe", (0.0,))),
        ("email_unique", "email", Bound("mustBe", (0.0,))),
    ]
    assert "GROUP BY `shop`, `order_no`)" in table_rule(orders, "key_unique").query
    assert "WHERE `email` IS NOT NULL GROUP BY `email`)" in table_rule(orders, "email_unique").query
    assert table_rule(orders, "few_unstated").query == (
        "SELECT COALESCE(100 * CAST(COUNT(CASE WHEN `state` IS NULL OR `state` IN ('', 'n/a') THEN 1 END) AS DOUBLE) / NULLIF(COUNT(*), 0), 0)"
        " FROM ${table}"
    )


def test_version_3_1_and_a_key_of_one_column(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(
        "apiVersion: v3.1.0\nkind: DataContract\nid: a\nversion: 1.0.0\n"
        "team: [{username: ann@example.com, role: owner}]\n"
        "schema: [{name: t, properties: [{name: a, physicalType: BIGINT, primaryKey: true}]}]\n"
    )
    contract = read_contract(path)
    assert contract.key == ("a",)
    assert contract.owner == "ann@example.com"
    assert contract.freshness_seconds is None

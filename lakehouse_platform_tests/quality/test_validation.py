"""Committed rows judged by pandera: what a contract states natively is found, counted by column and check, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_platform.contracts.model import Contract
from lakehouse_platform.contracts.reading import read_contract
from lakehouse_platform.engine.duckdb import memory_session
from lakehouse_platform.engine.transpile import expression_to_duckdb
from lakehouse_platform.quality import validation
from lakehouse_platform.quality.validation import validate

SCHEMA = pa.schema(
    {
        "order_no": pa.string(),
        "shop": pa.int32(),
        "placed_on": pa.date32(),
        "placed_at": pa.timestamp("us", tz="UTC"),
        "email": pa.string(),
        "state": pa.large_string(),
        "country": pa.string(),
        "amount": pa.decimal128(18, 3),
        "rate": pa.float64(),
        "is_gift": pa.bool_(),
        "labels": pa.list_(pa.string()),
        "extras": pa.map_(pa.string(), pa.int64()),
        "address": pa.struct({"street": pa.string(), "lines": pa.list_(pa.string())}),
    }
)
GOOD: dict[str, Any] = {
    "order_no": "A1",
    "shop": 10,
    "placed_on": date(2020, 1, 1),
    "placed_at": datetime(2020, 1, 1, tzinfo=UTC),
    "email": "ann@example.com",
    "state": "open",
    "country": "FR",
    "amount": Decimal("0.100"),
    "rate": 0.5,
    "is_gift": False,
    "labels": ["new"],
    "extras": [("a", 1)],
    "address": {"street": "High Street", "lines": ["1"]},
}

# A value that breaks exactly one check of its column.
BREAKING: list[tuple[str, Any, str]] = [
    ("order_no", None, "required"),
    ("order_no", "A12345678", "order_no_max_length"),
    ("order_no", "A1x", "order_no_pattern"),
    ("shop", 11, "shop_multiple_of"),
    ("placed_on", date(2010, 11, 30), "placed_on_minimum"),
    ("placed_on", date(2031, 1, 1), "placed_on_exclusive_maximum"),
    ("placed_at", datetime(2010, 11, 30, 23, 59, tzinfo=UTC), "placed_at_minimum"),
    ("state", "lost", "state_enum"),
    ("country", "IT", "country_invalid_values"),
    ("country", "ITA", "country_invalid_values"),
    ("amount", Decimal("0.101"), "amount_maximum"),
    ("amount", Decimal("-0.001"), "amount_not_negative"),
    ("rate", -1.0, "rate_exclusive_minimum"),
]


@pytest.fixture(scope="module")
def orders() -> Contract:
    return read_contract(Path(__file__).parents[1] / "contracts" / "documents" / "orders.yaml")


def rows(*changes: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([GOOD | change for change in changes], SCHEMA)


def test_rows_that_keep_the_contract(orders: Contract) -> None:
    nulls = dict.fromkeys([name for name in GOOD if name != "order_no"])
    found = validate(orders, [rows({}, nulls, {"rate": float("nan")}, {"state": "it's paid"})])
    assert (found.rows, found.passed, found.failures) == (4, True, {})


@pytest.mark.parametrize(("column", "value", "check"), BREAKING)
def test_a_row_that_breaks_one_check(orders: Contract, column: str, value: object, check: str) -> None:
    found = validate(orders, [rows({}, {column: value}, {column: value})])
    assert found.failures == {(column, check): 2}
    assert not found.passed


def test_the_rules_as_sql_find_the_same_rows(orders: Contract) -> None:
    table = rows({}, dict.fromkeys([name for name in GOOD if name != "order_no"]), *({column: value} for column, value, _ in BREAKING))
    types = {column.name: column.type for column in orders.columns}
    stated = [rule for rule in orders.error_rules if rule.constraints]
    with memory_session() as session:
        session.feed("reader", table.to_reader())
        session.table("orders", "SELECT * FROM reader")
        counts = {
            (rule.column or "", rule.id): session.row(f"SELECT count(*) FROM orders WHERE {expression_to_duckdb(rule.failing, types)}")[0]
            for rule in stated
        }
    found = {key: count for key, count in validate(orders, [table]).failures.items() if key[1] != validation.REQUIRED}
    assert found == {key: count for key, count in counts.items() if count}
    assert len(stated) == len(found) + 1  # of minLength and required, a null breaks only the second


def test_warnings_are_no_failures(orders: Contract) -> None:
    assert validate(orders, [rows({"state": None})]).passed


def test_a_column_that_is_missing_or_of_another_type(orders: Contract) -> None:
    other = rows({}, {}).drop_columns(["email"])
    for name, column_type in {"amount": pa.decimal128(18, 2), "placed_at": pa.timestamp("us"), "extras": pa.map_(pa.string(), pa.string())}.items():
        other = other.set_column(other.column_names.index(name), name, pa.nulls(2, column_type))
    found = validate(orders, [other])
    assert found.failures == {("email", "type"): 2, ("amount", "type"): 2, ("placed_at", "type"): 2, ("extras", "type"): 2}


def test_batches_add_up_and_are_judged_in_bounded_portions(orders: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "ROWS_AT_ONCE", 3)
    batches = [batch for _ in range(5) for batch in rows({}, {"rate": -2.0}).to_batches()]
    found = validate(orders, iter(batches))
    assert (found.rows, found.failures) == (10, {("rate", "rate_exclusive_minimum"): 5})


def test_no_rows(orders: Contract) -> None:
    assert validate(orders, []).passed
    assert validate(orders, [rows()]).passed


def test_importing_it_leaves_pandera_alone() -> None:
    heavy = {"pandera", "narwhals", "duckdb", "deltalake", "dagster"}
    program = f"import sys, lakehouse_platform.quality.validation; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

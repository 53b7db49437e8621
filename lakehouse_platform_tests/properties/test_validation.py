"""Properties 6 and 9: what silver takes, what it turns away and why. The oracle judges each record in plain Python."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal, InvalidOperation
from operator import or_
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform_tests.properties.projects import column, load, row_rule, source, table
from lakehouse_platform_tests.properties.worlds import Row, hundred_examples, in_order, world

ORDERS = load(
    source("bronze/orders", "orders/*.jsonl"),
    table(
        "silver/orders",
        "SELECT line, order_id, quantity, price, status, ordered_on, shipped_on FROM bronze.orders WHERE status <> 'test' OR status IS NULL",
        [
            column("line", "INT", required=True),
            column("order_id", "STRING", required=True, logicalTypeOptions={"minLength": 2, "pattern": "^[A-Z][0-9]*$"}),
            column("quantity", "INT", required=True, logicalTypeOptions={"minimum": 1, "maximum": 100}),
            column("price", "DECIMAL(10,2)", logicalTypeOptions={"exclusiveMinimum": 0}),
            column("status", "STRING", enum=[{"value": "open"}, {"value": "paid"}]),
            column("ordered_on", "DATE", required=True),
            column("shipped_on", "DATE"),
        ],
        rules=[
            row_rule("shipped_after_ordered", "shipped_on < ordered_on"),
            row_rule("large_is_paid", "quantity * price > 500 AND status <> 'paid'"),
            row_rule("price_by_piece", "100 / (quantity - 50) > 90"),
            row_rule("price_known", "price IS NULL", severity="warning"),
        ],
        refresh="append",
    ),
)
NOT_RECORDS = {'{"line": 1, "order_id": ': "malformed_json", "[1, 2]": "not_an_object", '{"line": 1, "line": 2}': "duplicate_json_key"}
DAYS = ["2024-02-28", "2024-02-29", "2024-03-01"]
good_orders = st.fixed_dictionaries(
    {
        "order_id": st.sampled_from(["A1", "B22"]),
        "quantity": st.integers(1, 49),
        "price": st.sampled_from(["0.01", "9.99", None]),
        "status": st.sampled_from(["open", "paid"]),
        "ordered_on": st.just(DAYS[0]),
        "shipped_on": st.sampled_from(DAYS),
    }
)
oddities = {
    "order_id": st.sampled_from(["A", "a1", "A1x", "", None]),
    "quantity": st.sampled_from([-1, 0, 50, 51, 52, 100, 101, "7", "x", None]),
    "price": st.sampled_from(["100", "0", "-1", "twelve", None]),
    "status": st.sampled_from(["PAID", "test", None]),
    "ordered_on": st.sampled_from([*DAYS, "2024-02-30", None]),
    "shipped_on": st.sampled_from([*DAYS, "soon", None]),
}
odd_orders = st.builds(or_, good_orders, st.one_of([st.fixed_dictionaries({name: values}) for name, values in oddities.items()]))
# Fields may be missing, and any number of them odd.
wild_orders = st.fixed_dictionaries({}, optional=oddities)
order_lines = st.one_of(good_orders, odd_orders, wild_orders, st.sampled_from(sorted(NOT_RECORDS)))


def faults_of_order(record: dict[str, Any]) -> set[tuple[str | None, str]]:
    """(column, rule) of all that is wrong with an order, by reading the contract."""
    faults: set[tuple[str | None, str]] = set()

    def typed(name: str, read: Any) -> Any:
        text = record.get(name)
        if text is None:
            return None
        try:
            return read(str(text))
        except (ValueError, InvalidOperation):
            faults.add((name, f"{name}_type"))
            return None

    order_id, status = record.get("order_id"), record.get("status")
    quantity, price = typed("quantity", int), typed("price", Decimal)
    ordered_on, shipped_on = typed("ordered_on", date.fromisoformat), typed("shipped_on", date.fromisoformat)
    faults |= {(name, f"{name}_required") for name in ("order_id", "quantity", "ordered_on") if record.get(name) is None}
    broken: dict[tuple[str | None, str], bool] = {
        ("order_id", "order_id_min_length"): order_id is not None and len(order_id) < 2,
        ("order_id", "order_id_pattern"): order_id is not None and not re.search("^[A-Z][0-9]*$", order_id),
        ("quantity", "quantity_minimum"): quantity is not None and quantity < 1,
        ("quantity", "quantity_maximum"): quantity is not None and quantity > 100,
        ("price", "price_exclusive_minimum"): price is not None and price <= 0,
        ("status", "status_enum"): status not in ("open", "paid", None),
        (None, "shipped_after_ordered"): None not in (shipped_on, ordered_on) and shipped_on < ordered_on,
        (None, "large_is_paid"): None not in (quantity, price, status) and quantity * price > 500 and status != "paid",
        # A rule that cannot be judged (a division by zero at 50) rejects its row.
        (None, "price_by_piece"): quantity == 50 or (quantity is not None and 100 / (quantity - 50) > 90),
    }
    return faults | {fault for fault, is_broken in broken.items() if is_broken}


# Feature: data-lakehouse, Property 6: Schema validation
@hundred_examples
@given(st.lists(order_lines, min_size=1, max_size=12))
def test_property_6_only_compliant_rows_are_in_silver(records: list[dict[str, Any] | str]) -> None:
    lines = [record if isinstance(record, str) else json.dumps({"line": line} | record) for line, record in enumerate(records, 1)]
    expected_rows: list[Row] = []
    expected_reasons: dict[int, set[tuple[str | None, str]]] = {}
    for line, record in enumerate(records, 1):
        if isinstance(record, str):
            expected_reasons[line] = {(None, NOT_RECORDS[record])}
        elif record.get("status") != "test":
            faults = faults_of_order(record)
            if faults:
                expected_reasons[line] = faults
            else:
                expected_rows.append(silver_order(line, record))
    with world(ORDERS) as lakehouse:
        lakehouse.land("orders/orders.jsonl", lines)
        lakehouse.run("bronze/orders", "silver/orders")
        assert lakehouse.contents("silver/orders") == in_order(expected_rows)
        quarantined = lakehouse.rows("silver/orders__quarantine")
        found = {row["source_row"]: {(reason["field"], reason["rule"]) for reason in row["reasons"]} for row in quarantined}
        assert found == expected_reasons
        assert [row["raw_data"] for row in sorted(quarantined, key=lambda row: row["source_row"])] == [lines[line - 1] for line in sorted(found)]


def silver_order(line: int, record: dict[str, Any]) -> Row:
    price, shipped_on = record.get("price"), record.get("shipped_on")
    # Three required columns that the query gives beside `line`, and ten rules; only the one that warns can fail on a row that is taken.
    checks = 4 + 10
    return {
        "line": line,
        "order_id": record["order_id"],
        "quantity": int(record["quantity"]),
        "price": None if price is None else Decimal(price).quantize(Decimal("0.01")),
        "status": record.get("status"),
        "ordered_on": date.fromisoformat(record["ordered_on"]),
        "shipped_on": None if shipped_on is None else date.fromisoformat(shipped_on),
        "data_quality_score": 1.0 - (price is None) / checks,
    }


EMPTY_AS_NULL = [{"property": "lakehouse.empty_as_null", "value": True}]
PEOPLE_COLUMNS = [
    column("line", "INT", required=True),
    column("name", "STRING", required=True, customProperties=EMPTY_AS_NULL),
    column("code", "STRING", required=True),
    column("born_on", "DATE", required=True),
    column("nickname", "STRING", customProperties=EMPTY_AS_NULL),
]
PEOPLE = load(
    source("bronze/people", "people/*.jsonl"),
    table("silver/people", "SELECT line, name, code, born_on, nickname FROM bronze.people", PEOPLE_COLUMNS, refresh="append"),
)
people_records = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Ann", "Bob", "", None]),
        "code": st.sampled_from(["x", "", None]),
        "born_on": st.sampled_from(["2001-01-01", None]),
        "nickname": st.sampled_from(["Nan", "", None]),
    },
)


# Feature: data-lakehouse, Property 9: NOT NULL constraint enforcement
@hundred_examples
@given(st.lists(people_records, min_size=1, max_size=15))
def test_property_9_a_null_in_a_required_column_rejects_its_row(records: list[dict[str, str | None]]) -> None:
    expected_rows: list[Row] = []
    expected: dict[int, dict[str, str]] = {}
    for line, record in enumerate(records, 1):
        kinds = {name: kind for name in ("name", "code", "born_on") if (kind := how_null(record, name)) is not None}
        if kinds:
            expected[line] = kinds
        else:
            born_on = date.fromisoformat(record["born_on"] or "")
            row: Row = {"line": line, "name": record["name"], "code": record["code"], "born_on": born_on, "nickname": record.get("nickname") or None}
            expected_rows.append(row | {"data_quality_score": 1.0})
    with world(PEOPLE) as lakehouse:
        lakehouse.land("people/people.jsonl", ({"line": line} | record for line, record in enumerate(records, 1)))
        lakehouse.run("bronze/people", "silver/people")
        found: dict[int, dict[str, str]] = {}
        for turned_away in lakehouse.rows("silver/people__quarantine"):
            assert all(reason["rule"] == f"{reason['field']}_required" for reason in turned_away["reasons"])
            found[turned_away["source_row"]] = {reason["field"]: reason["message"] for reason in turned_away["reasons"]}
        assert found.keys() == expected.keys()
        for line, kinds in expected.items():
            assert found[line].keys() == kinds.keys()
            assert all(kind in found[line][name] for name, kind in kinds.items()), f"{found[line]} does not tell {kinds}"
        assert lakehouse.contents("silver/people") == in_order(expected_rows)


def how_null(record: dict[str, str | None], name: str) -> str | None:
    """The word by which the reason must tell how the null came to be; None where there is a value."""
    if name not in record:
        return "missing"
    if record[name] is None:
        return "null"
    return "empty" if name == "name" and record[name] == "" else None

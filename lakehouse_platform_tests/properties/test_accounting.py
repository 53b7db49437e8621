"""Property 10: each row that silver reads ends in one account, whatever the batches. The oracle judges each record in plain Python."""

from __future__ import annotations

import json
from collections import Counter
from operator import or_
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform_tests.properties.projects import column, load, row_rule, source, table
from lakehouse_platform_tests.properties.worlds import hundred_examples, world

SALES = load(
    source("bronze/sales", "sales/*.jsonl"),
    table(
        "silver/sales",
        "SELECT sale_id, sold_at, amount FROM bronze.sales WHERE kind <> 'test'",
        [
            column("sale_id", "STRING", required=True, key=1),
            column("sold_at", "TIMESTAMP", required=True),
            column("amount", "INT", required=True, logicalTypeOptions={"minimum": 0}),
        ],
        rules=[row_rule("amount_small", "amount > 50", severity="warning")],
        refresh="upsert",
        sequence_by=["sold_at"],
        lateness_seconds=86_400,
        event_time="sold_at",
    ),
)
sales = st.fixed_dictionaries(
    {
        "sale_id": st.sampled_from(["a", "b", "c", "d"]),
        "kind": st.just("sale"),
        "sold_at": st.sampled_from(["2101-01-01 00:00:00", "2101-01-02 00:00:00"]),
        "amount": st.sampled_from([0, 7, 51, 60]),
    }
)
oddities = st.fixed_dictionaries(
    {},
    optional={
        "sale_id": st.none(),
        "kind": st.sampled_from(["test", None]),
        # No clock reads either of these years, so these are late for certain and the others never.
        "sold_at": st.just("2001-01-01 00:00:00"),
        "amount": st.sampled_from([-1, "x", None]),
    },
)
sale_records = st.one_of(sales, sales, st.builds(or_, sales, oddities), st.just("{"))
sale_batches = st.lists(st.lists(sale_records, min_size=1, max_size=8), min_size=1, max_size=3)


def outcome_of_sale(record: dict[str, Any] | str) -> tuple[str, list[str]]:
    """The end of a record before duplicates are told apart, and the rules it is counted by."""
    if isinstance(record, str):
        return "rejected", ["malformed_json"]
    if record["kind"] in ("test", None):
        return "filtered", []
    amount = record["amount"]
    faults = ["sale_id_required"] * (record["sale_id"] is None) + ["amount_required"] * (amount is None)
    faults += ["amount_type"] * (amount == "x") + ["amount_minimum"] * (amount == -1)
    late = ["late"] * (record["sold_at"] < "2100")
    if faults:
        return "rejected", faults + late
    return ("late", late) if late else ("valid", ["amount_small"] * (amount > 50))


# Feature: data-lakehouse, Property 10: Quality metrics generation
@hundred_examples
@given(sale_batches)
def test_property_10_every_run_accounts_for_every_row(batches: list[list[dict[str, Any] | str]]) -> None:
    known: set[str] = set()
    total = Accounts()
    expected_books = []
    with world(SALES) as lakehouse:
        for number, batch in enumerate(batches):
            outcomes = [outcome_of_sale(record) for record in batch]
            ends = Counter(end for end, _ in outcomes)
            keys = {record["sale_id"] for record, (end, _) in zip(batch, outcomes, strict=True) if end == "valid" and isinstance(record, dict)}
            accepted = len(keys - known)
            known |= keys
            expected = Accounts(len(batch), accepted, ends["valid"] - accepted, ends["rejected"], ends["late"], ends["filtered"])

            lines = [record if isinstance(record, str) else json.dumps({"line": f"{number}.{line}"} | record) for line, record in enumerate(batch)]
            lakehouse.land(f"sales/{number}.jsonl", [*lines, f'{{"kind": "test", "file": {number}}}'])
            expected += Accounts(read=1, filtered=1)
            record = lakehouse.run("bronze/sales", "silver/sales").record
            assert record is not None
            assert record.accounts is not None
            assert record.accounts.balance == 0
            assert record.accounts == expected
            judged = expected.read - expected.filtered
            assert record.pass_rate == ((judged - expected.rejected) / judged if judged else None)
            assert {rule: rows for rule, rows in record.rules.items() if rows} == Counter(rule for _, rules in outcomes for rule in rules)
            expected_books.append(expected)
            total += expected
        booked = sorted((row for row in lakehouse.rows("system/run_metrics") if row["table_name"] == "silver/sales"), key=lambda row: row["version"])
        assert [
            Accounts(*(row[name] for name in ("read", "accepted", "duplicates", "rejected", "late", "filtered"))) for row in booked
        ] == expected_books
        assert total.accepted == len(known) == len(lakehouse.rows("silver/sales"))

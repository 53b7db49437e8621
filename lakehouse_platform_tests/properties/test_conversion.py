"""Property 8: a value that cannot become its column's type rejects its row, with field, type and text. The oracle reads texts as Python can."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import Row, hundred_examples, in_order, world

TYPES = {"i": "INT", "l": "BIGINT", "d": "DECIMAL(9,2)", "f": "DOUBLE", "day": "DATE", "at": "TIMESTAMP", "b": "BOOLEAN"}
READINGS = load(
    source("bronze/readings", "readings/*.jsonl"),
    table(
        "silver/readings",
        f"SELECT line, {', '.join(TYPES)}, 100 / CAST(boxes AS INT) AS share FROM bronze.readings",
        [column("line", "INT", required=True), *(column(name, kind) for name, kind in TYPES.items()), column("share", "DOUBLE")],
        refresh="append",
    ),
)
NUMBERS = [
    "0",
    "-0",
    "+7",
    " 12 ",
    "007",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "1E-2",
    "0x10",
    "1_000",
    "1,5",
    "NaN",
    "Infinity",
    "-",
    ".",
    "1e",
    "",
    " ",
    "--1",
]
LARGE = ["2147483648", "-9223372036854775808", "9223372036854775808", "9999999.994", "9999999.995", "0.005", "-0.005", "0.0049", "1e400", "1e39", "٣"]
DATES = ["2024-02-29", "2023-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "29/02/24", "2024-02-29 junk", "2024-2-9", "24-02-29", "today"]
TIMES = ["T12:30:00Z", " 12:30:00.123456", "T12:30:00+05:30", " 12:30", "T12:30:00.1234567", "T25:00:00"]
TRUTHS = ["true", "false", " true ", "TRUE", "False", "t", "1", "0", "yes", "null"]
digits = st.text("0123456789+-.eE ", max_size=8)
instants = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda moment: moment.isoformat(sep=" "))  # noqa: DTZ001 -- text without a zone
numbers = st.one_of(st.sampled_from([*NUMBERS, *LARGE]), digits)
times = st.one_of(st.sampled_from([*DATES, *(f"2024-02-29{time}" for time in TIMES)]), instants, st.text("0123456789-: TZ", max_size=20))
texts = {"i": numbers, "l": numbers, "d": numbers, "f": numbers, "day": times, "at": times, "b": st.sampled_from(TRUTHS)}
fields = texts | {"boxes": st.sampled_from(["1", "8", "0", "x"])}
reading_records = st.one_of([st.fixed_dictionaries({name: values}) for name, values in fields.items()] + [st.fixed_dictionaries({}, optional=fields)])


NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
DATE, TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}", r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"


def integer(text: str, bits: int) -> int | None:
    is_integer = re.fullmatch("[+-]?[0-9]+", text) and -(2**bits) <= int(text) < 2**bits
    return int(text) if is_integer else None


def decimal(text: str) -> Decimal | None:
    # Beyond this there is no question of rounding, only of how long it takes.
    if not NUMBER.fullmatch(text) or abs(Decimal(text)) >= 10**8:
        return None
    rounded = Decimal(text).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return rounded if abs(rounded) < 10**7 else None


def double(text: str) -> float | None:
    return float(text) if NUMBER.fullmatch(text) and isfinite(float(text)) else None


def moment(text: str, form: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if re.fullmatch(form, text) else None
    except ValueError:
        return None


def day(text: str) -> date | None:
    found = moment(text, f"{DATE}({TIME})?")
    return None if found is None else found.date()


def instant(text: str) -> datetime | None:
    found = moment(text, DATE + TIME)
    try:
        return None if found is None else found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        return None


# What a text means as a type, in the platform's own form (docs/engines.md), by Python's own means; None where it means nothing.
READERS: dict[str, Callable[[str], Any]] = {
    "INT": lambda text: integer(text, 31),
    "BIGINT": lambda text: integer(text, 63),
    "DECIMAL(9,2)": decimal,
    "DOUBLE": double,
    "DATE": day,
    "TIMESTAMP": instant,
    "BOOLEAN": {"true": True, "false": False}.get,
}


# Feature: data-lakehouse, Property 8: Type conversion error handling
@hundred_examples
@given(st.lists(reading_records, min_size=1, max_size=25))
def test_property_8_a_value_that_does_not_fit_rejects_its_row(records: list[dict[str, str]]) -> None:
    expected_rows: list[Row] = []
    expected_reasons: dict[int, set[tuple[str, str, str | None]]] = {}
    for line, record in enumerate(records, 1):
        row: Row = {"line": line, "data_quality_score": 1.0, "share": None}
        reasons: set[tuple[str, str, str | None]] = set()
        for name, kind in TYPES.items():
            row[name] = READERS[kind](record[name].strip(" \t\n\f\r")) if name in record else None
            if name in record and row[name] is None:
                reasons.add((name, kind, record[name]))
        boxes = record.get("boxes")
        if boxes in ("0", "x"):
            reasons.add(("share", "expression", None))
        elif boxes is not None:
            row["share"] = 100 / int(boxes)
        if reasons:
            expected_reasons[line] = reasons
        else:
            expected_rows.append(row)
    with world(READINGS) as lakehouse:
        lakehouse.land("readings/readings.jsonl", ({"line": line} | record for line, record in enumerate(records, 1)))
        lakehouse.run("bronze/readings", "silver/readings")
        assert lakehouse.contents("silver/readings") == in_order(expected_rows)
        quarantined = lakehouse.rows("silver/readings__quarantine")
        assert {row["source_row"]: {conversion(reason) for reason in row["reasons"]} for row in quarantined} == expected_reasons


def conversion(reason: dict[str, str]) -> tuple[str, str, str | None]:
    """A recorded reason as (field, wanted type, source text), or (field, "expression", no text) where the query's expression failed."""
    if reason["rule"] == f"{reason['field']}_expression":
        return reason["field"], "expression", reason["source_text"]
    assert reason["rule"] == f"{reason['field']}_type"
    named = next((kind for kind in TYPES.values() if re.search(rf"\b{re.escape(kind)}(?![A-Z0-9])", reason["message"])), "a type that is not named")
    return reason["field"], named, reason["source_text"]

"""A project that cannot work does not load: every mistake is told at once, with its file, its line and the mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.problems import Problem, ProjectError
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.properties.projects import Folder, column, source, table

ORDERS = source("bronze/orders", "orders/*.jsonl")
COLUMNS = [column("line", "STRING", required=True, key=1), column("amount", "INT")]


def problems(root: Path, *folders: Folder) -> list[Problem]:
    """What is wrong with a project of these folders."""
    for folder in folders:
        (root / folder.name).mkdir()
        for name, text in folder.files.items():
            (root / folder.name / name).write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError) as raised:
        load_project(root)
    return list(raised.value.problems)


def one(root: Path, sql: str, **attributes: Any) -> Problem:
    """The only mistake of a silver table over bronze.orders."""
    (found,) = problems(root, ORDERS, table("silver/orders", sql, COLUMNS, **{"refresh": "upsert", **attributes}))
    return found


def test_an_unknown_input_is_named_with_its_line(tmp_path: Path) -> None:
    found = one(tmp_path, "SELECT line,\n       amount\nFROM bronze.orderz")
    assert (found.path.name, found.line) == ("transform.sql", 3)
    assert "bronze.orderz" in found.message
    assert "bronze/orders" in found.mend


@pytest.mark.parametrize(
    ("sql", "file", "line", "message"),
    [
        ("SELECT line\nFROM bronze.orders", "contract.yaml", None, "the query gives no column amount"),
        ("SELECT line, amount,\n  extra\nFROM bronze.orders", "transform.sql", 2, "the contract has no column extra"),
        ("SELECT line, amount, line AS processed_timestamp FROM bronze.orders", "transform.sql", 1, "filled by the platform"),
        ("SELECT line,\n amount, COUNT(*) AS n FROM bronze.orders GROUP BY line", "transform.sql", None, "GROUP BY"),
        ("SELECT line, MAP('a', 1) AS amount FROM bronze.orders", "transform.sql", 0, "amount is MAP"),
        ("SELECT line,\n  (amount\nFROM bronze.orders", "transform.sql", None, ""),
        ("SELECT line, FROBNICATE(amount) AS amount FROM bronze.orders", "transform.sql", 1, "FROBNICATE"),
    ],
)
def test_mistakes_of_a_query(tmp_path: Path, sql: str, file: str, line: int | None, message: str) -> None:
    (root := tmp_path / "defs").mkdir()
    found = problems(root, ORDERS, table("silver/orders", sql, COLUMNS, refresh="upsert"))
    named = [problem for problem in found if message.lower() in problem.message.lower() and problem.path.name == file]
    assert named, found
    assert line is None or named[0].line == line
    assert named[0].mend


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"refresh": "scd1"}, "does not fit its source"),
        ({"refresh": "replace"}, "is not for silver"),
        ({"refresh": "sometimes"}, "refresh"),
        ({"colour": "red"}, "colour"),
        ({"partitions": {"grain": "day", "start": "2024-01-01"}}, "partitions need a column"),
        ({"sequence_by": ["nothing"]}, "sequence_by names nothing"),
        ({"lateness_seconds": 60}, "go together"),
    ],
)
def test_mistakes_of_attributes(tmp_path: Path, attributes: dict[str, object], message: str) -> None:
    found = one(tmp_path, "SELECT line, amount FROM bronze.orders", **attributes)
    assert found.path.name == "defs.yaml"
    assert found.line > 0
    assert message in found.message


@pytest.mark.parametrize(
    ("day", "grain", "more", "message"),
    [
        (column("day", "DATE", required=True, partitioned=True), "hour", [], "day is a date and has no hours"),
        (column("day", "TIMESTAMP", required=True, partitioned=True), "week", [column("day_week", "DATE")], "day_week is the name of the Delta"),
        (column("day", "DATE", required=True, partitioned=True), "fortnight", [], "Input should be 'hour', 'day', 'week' or 'month'"),
        (column("day", "STRING", required=True, partitioned=True), "day", [], "neither a date nor a timestamp"),
    ],
)
def test_mistakes_of_partitions(tmp_path: Path, day: dict[str, Any], grain: str, more: list[dict[str, Any]], message: str) -> None:
    sql = f"SELECT {', '.join(['line', 'day', *(each['name'] for each in more)])} FROM bronze.orders"
    partitions = {"grain": grain, "start": "2024-01-01"}
    found = problems(tmp_path, ORDERS, table("silver/orders", sql, [COLUMNS[0], day, *more], refresh="upsert", partitions=partitions))
    assert any(message in problem.message and problem.path.name == "defs.yaml" for problem in found), found


@pytest.mark.parametrize(("pattern", "message"), [("dd/MM/yyyyy", "'yyyyy' in the pattern"), ("EEEE", "can be printed, but not read")])
def test_a_form_that_no_day_can_be_read_by_is_a_mistake_of_the_contract(tmp_path: Path, pattern: str, message: str) -> None:
    (root := tmp_path / "defs").mkdir()
    day = column("day", "DATE", customProperties=[{"property": "lakehouse.format", "value": pattern}])
    (found,) = problems(root, ORDERS, table("silver/orders", "SELECT line, amount, day FROM bronze.orders", [*COLUMNS, day], refresh="upsert"))
    assert (found.path.name, found.line > 0) == ("contract.yaml", True)
    assert message in found.message and found.mend


def test_mistakes_of_several_tables_are_told_together_and_those_below_are_not_blamed(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        ORDERS,
        table("silver/orders", "SELECT line FROM bronze.orders", COLUMNS, refresh="upsert"),
        table("silver/others", "SELECT line, amount FROM bronze.nowhere", COLUMNS, refresh="upsert"),
        table("gold/totals", "SELECT COUNT(*) AS n FROM silver.orders", [column("n", "BIGINT")], refresh="replace"),
    )
    assert {problem.path.parent.name for problem in found} == {"silver_orders", "silver_others"}


def test_a_dimension_that_would_lose_versions_is_refused(tmp_path: Path) -> None:
    sequenced = [*COLUMNS, column("at", "TIMESTAMP", required=True)]
    times = [column("effective_date", "TIMESTAMP", required=True), column("end_date", "TIMESTAMP"), column("is_current", "BOOLEAN")]
    versions = [column("line_key", "BIGINT", required=True, key=1), column("line", "STRING"), column("amount", "INT"), *times]
    (found,) = problems(
        tmp_path,
        ORDERS,
        table("silver/orders", "SELECT line, amount, at FROM bronze.orders", sequenced, refresh="upsert", sequence_by=["at"]),
        table("gold/dim_line", "SELECT line, amount FROM silver.orders", versions, refresh="scd2", business_key=["line"], sequence_by=["at"]),
    )
    assert "each version but the last would be lost" in found.message


def test_tables_in_a_circle(tmp_path: Path) -> None:
    columns = [column("n", "BIGINT")]
    found = problems(
        tmp_path,
        table("gold/first", "SELECT n FROM gold.second", columns, refresh="replace"),
        table("gold/second", "SELECT n FROM gold.first", columns, refresh="replace"),
    )
    assert any("in a circle" in problem.message for problem in found)


def test_a_name_given_twice(tmp_path: Path) -> None:
    again = Folder("again", ORDERS.files)
    (found,) = problems(tmp_path, ORDERS, again)
    assert "already defined" in found.message


def test_a_dimension_whose_rows_may_have_no_time_is_refused(tmp_path: Path) -> None:
    times = [column("effective_date", "TIMESTAMP", required=True), column("end_date", "TIMESTAMP"), column("is_current", "BOOLEAN")]
    versions = [column("line_key", "BIGINT", required=True, key=1), column("amount", "INT"), *times]
    (found,) = problems(
        tmp_path,
        ORDERS,
        table("silver/orders", "SELECT line, amount, at FROM bronze.orders", [*COLUMNS, column("at", "TIMESTAMP")], refresh="append"),
        table("gold/dim_line", "SELECT amount FROM silver.orders", versions, refresh="scd2", business_key=["amount"], sequence_by=["at"]),
    )
    assert "sequence_by begins with at, which may be null in silver/orders" in found.message


def test_a_folder_that_is_no_table_by_mistake_is_told(tmp_path: Path) -> None:
    good = table("silver/orders", "SELECT line, amount FROM bronze.orders", COLUMNS, refresh="upsert")
    misspelt = Folder(
        "misspelt", {**good.files, "defs.yaml": good.files["defs.yaml"].replace("lakehouse_platform.Table", "lakehouse_platform.Tabel")}
    )
    without = Folder("without", {name: text for name, text in good.files.items() if name != "defs.yaml"})
    found = problems(tmp_path, ORDERS, misspelt, without)
    assert sorted((problem.path.name, problem.message.split(" for ")[0]) for problem in found) == [
        ("defs.yaml", "there is no component lakehouse_platform.Tabel"),
        ("without", "this looks like a table's folder and has no defs.yaml"),
    ]


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("sometimes", "off, warn or {pass_share"),
        (True, "off, warn or {pass_share"),
        ({"block_share": 0.99}, "block_share 0.99 is above pass_share 0.95"),
        ({"pass_share": 95}, "less than or equal to 1"),
        ({"minimum_rows": 0}, "greater than 0"),
        ({"minimum": 10}, "Extra inputs"),
    ],
)
def test_mistakes_of_a_gate(tmp_path: Path, gate: Any, message: str) -> None:
    found = one(tmp_path, "SELECT line, amount FROM bronze.orders", gate=gate)
    assert (found.path.name, found.line > 0) == ("defs.yaml", True)
    assert message in found.message


def test_only_records_pass_a_gate(tmp_path: Path) -> None:
    orders = table("silver/orders", "SELECT line, amount FROM bronze.orders", COLUMNS, refresh="upsert", gate="off")
    counts = table("gold/counts", "SELECT COUNT(*) AS lines FROM silver.orders", [column("lines", "BIGINT")], refresh="replace", gate="warn")
    (found,) = problems(tmp_path, ORDERS, orders, counts)
    assert "gate is of records" in found.message

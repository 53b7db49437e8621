"""The versions of a table from the command line: history, differences, tags. The page docs/howto/time_travel.md is run as well."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform_tests.cli.conftest import Run

LINES = "silver/order_lines"
RunJson = Callable[..., Any]


def test_every_row_of_a_table_was_added_to_the_empty_one_that_was_made_first(run: Run, run_json: RunJson) -> None:
    (counted,) = run_json("diff", LINES, "0", "1")
    held = run_json("query", "SELECT invoice_no FROM silver.order_lines VERSION AS OF 1")
    assert (counted["from_version"], counted["to_version"], counted["added"], counted["removed"], counted["changed"]) == (0, 1, len(held), 0, 0)
    assert counted["key"] is not None
    rows = run_json("changes", LINES, "0", "1")
    assert {(row["_change_type"], row["_commit_version"]) for row in rows} == {("insert", 1)}
    assert sorted(row["invoice_no"] for row in rows) == sorted(row["invoice_no"] for row in held)
    assert "_source_position" not in rows[0]
    assert "_source_position" in run_json("changes", LINES, "0", "1", "--every-column", "--limit", "1")[0]
    assert "rows; --limit shows more" in run("changes", LINES, "0", "1", "--limit", "1").stderr
    assert run("changes", LINES, "1", "1").stdout.strip() == f"{LINES} is the same in both versions."


def test_a_source_has_no_key_and_rows_of_it_only_come(run_json: RunJson) -> None:
    (counted,) = run_json("diff", "bronze/retail_transactions", "0")
    assert (counted["added"], counted["removed"], counted["changed"], counted["key"]) == (0, 0, None, None)


def test_history_tells_tags_and_the_newest_versions(run: Run, run_json: RunJson) -> None:
    whole = run_json("history", LINES)
    assert [row["version"] for row in whole] == list(range(len(whole)))
    assert run("tag", LINES, "first", "--version", "0").exit_code == 0
    assert run("tag", LINES, "also-first", "--version", "first").exit_code == 0
    try:
        assert run_json("history", LINES)[0]["tags"] == "also-first, first"
        assert [(row["table"], row["tag"], row["version"]) for row in run_json("tags")] == [(LINES, "also-first", 0), (LINES, "first", 0)]
        committed = datetime.fromisoformat(whole[1]["committed"])
        (counted,) = run_json("diff", LINES, f"{committed - timedelta(milliseconds=1)}", f"{committed}")
        assert (counted["from_version"], counted["to_version"]) == (0, 1)
    finally:
        assert run("untag", LINES, "first").exit_code == run("untag", LINES, "also-first").exit_code == 0
    assert run_json("tags", LINES) == []


def test_what_other_writers_did_is_told_as_they_named_it(run_json: RunJson) -> None:
    location = next(row["location"] for row in run_json("tables") if row["table"] == "gold/dim_date")
    newest = len(run_json("history", "gold/dim_date")) - 1
    info = {"timestamp": 1_900_000_000_000, "operation": "OPTIMIZE", "maintenance": "optimize", "files_removed": 12, "files_added": 2}
    path = Path(location) / "_delta_log" / f"{newest + 1:020}.json"
    path.write_text(json.dumps({"commitInfo": info}) + "\n", encoding="utf-8")
    try:
        (last,) = run_json("history", "gold/dim_date", "--limit", "1")
        assert (last["step"], last["note"], last["run_id"]) == ("optimize", "files_removed 12, files_added 2", None)
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("diff", LINES, "77"), "has no version 77: its versions go from 0 to"),
        (("diff", "silver/nothing", "0"), "there is no table silver/nothing"),
        (("tag", LINES, "x", "--version", "77"), "has no version 77"),
        (("untag", LINES, "x"), "has no tag x; it has none"),
        (("restore", LINES, "--version", "month_end"), "'month_end' is no version number"),
        (("query", "SELECT * FROM silver.order_lines VERSION AS OF 77"), "has no version 77"),
    ],
)
def test_mistakes_are_told_with_what_there_is(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == ExitCode.USAGE
    assert said in " ".join(done.output.replace("│", " ").split())


def test_a_name_that_could_be_a_version_is_refused(run: Run) -> None:
    done = run("tag", LINES, "5")
    assert (done.exit_code, isinstance(done.exception, SystemExit)) != (0, True)
    assert "is no name for a tag" in str(done.exception)

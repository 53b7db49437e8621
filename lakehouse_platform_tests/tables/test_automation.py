"""What `automation` takes: a mistake in it is told with its file, its line and the mend, and every cron that is taken is one for Dagster."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster._utils.schedules import is_valid_cron_schedule

from lakehouse_platform.tables.cron import checked_cron
from lakehouse_platform_tests.properties.projects import column, table
from lakehouse_platform_tests.tables.test_project import one, problems

CRONS = ["0 6 * * *", "*/5 * * * *", "0 0 29 2 *", "0 0 * * mon-fri", "0 0 1 jan,JUL *", "1-5/2 * * * *", "5/15 0-23 * * *"]


@pytest.mark.parametrize("text", CRONS)
def test_what_is_taken_is_a_schedule_for_dagster(text: str) -> None:
    assert checked_cron(text) == text
    assert is_valid_cron_schedule(text)


@pytest.mark.parametrize(
    ("automation", "message"),
    [
        ({"cron": "0 6 * *"}, "has 4 fields, not five"),
        ({"cron": "61 * * * *"}, "minute '61' is not from 0 to 59"),
        ({"cron": "0 0 * * funday"}, "day of the week 'funday' is not from 0 to 6 or sun to sat"),
        ({"cron": "5-1 * * * *"}, "minute '5-1' names nothing"),
        ({"cron": "*/0 * * * *"}, "minute '*/0' names nothing"),
        ({"cron": "0 0 30,31 feb *"}, "never comes"),
        ({"cron": "0 6 * * *", "timezone": "Europe/Zuerich"}, "no time zone"),
        ({"after_rows": 0}, "greater than 0"),
        ({"after_rows": 5, "cron": "0 6 * * *"}, "Extra inputs are not permitted"),
        ("sometimes", "should be on_change, manual"),
        ({"every": "day"}, "should be on_change, manual"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, automation: object, message: str) -> None:
    found = one(tmp_path, "SELECT line, amount FROM bronze.orders", automation=automation)
    assert found.path.name == "defs.yaml"
    line = found.path.read_text(encoding="utf-8").splitlines()[found.line - 1].strip()
    assert line.split(":")[0] in ("automation", "cron", "timezone", "after_rows")
    assert message in found.message and found.message.startswith("automation")
    assert found.mend


def test_a_table_without_inputs_cannot_wait_for_rows(tmp_path: Path) -> None:
    calendar = table("gold/calendar", "SELECT 1 AS n", [column("n", "INT")], refresh="replace", automation={"after_rows": 5})
    (found,) = problems(tmp_path, calendar)
    assert "needs an input" in found.message

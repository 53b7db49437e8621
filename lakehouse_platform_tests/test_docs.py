"""The docs list what there is: the reference is the code's own, functions and exit codes are listed, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.cli.reference import reference_text
from lakehouse_platform.engine.transpile import LANGUAGE
from lakehouse_platform.tables.attributes import Refresh

ROOT = Path(__file__).parents[1]


def first_cells(name: str) -> set[str]:
    """Everything in backquotes in the first cell of a table's row."""
    rows = re.findall(r"^\| (`[^|]*) \|", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def test_every_way_to_refresh_is_listed() -> None:
    assert first_cells("defs.md") >= set(Refresh)


def test_the_reference_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == reference_text(), "run `make docs`"


def test_every_function_is_listed_and_no_other() -> None:
    text = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    section = text.partition("## Functions")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", section)) == set(LANGUAGE.functions)


def test_every_exit_code_is_listed() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [int(code) for code in re.findall(r"^\| (\d) \|", text, re.MULTILINE)] == list(ExitCode)


def test_every_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"

"""Every page of docs/howto, and the tour, does what it says: its files are written, its commands run, and they print what is shown."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from unittest import mock

import pytest
from dagster._cli import main as dagster_main

from lakehouse_platform.cli import main
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform_tests.cli.howto import Command, Written, parts_of

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in (DOCS / "howto").glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("page", [DOCS / "tour.md", *PAGES], ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: None) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LAKEHOUSE_HOME", "LAKEHOUSE_TABLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAKEHOUSE_PROJECT", str(tmp_path))
    commands = 0
    for part in parts_of(page):
        match part:
            case Written(name, text):
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text, encoding="utf-8")
            case Command(arguments, shown, exit_code):
                commands += 1
                code, printed = run_command([blocked_batch() if argument == "$BATCH" else argument for argument in arguments])
                assert code == exit_code, f"{' '.join(arguments)}\n{printed}"
                assert not shown or matches(shown, printed), f"{' '.join(arguments)} prints\n{printed}"
    assert commands > 1


def test_there_is_a_page_for_every_way_to_refresh() -> None:
    told = set(re.findall(r"refresh: (\w+)", "".join(page.read_text(encoding="utf-8") for page in PAGES)))
    assert told >= set(Refresh)
    listed = (DOCS / "howto" / "README.md").read_text(encoding="utf-8")
    assert all(f"({page.name})" in listed for page in PAGES)


def run_command(arguments: Sequence[str]) -> tuple[object, str]:
    """Exit code and output of a command, or what it says of a failure; run as from a shell, in this process."""
    out, err = StringIO(), StringIO()
    commands: dict[str, Callable[[], object]] = {"lakehouse": main, "dagster": dagster_main}
    with mock.patch.object(sys, "argv", list(arguments)), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        commands[arguments[0]]()
    return ended.value.code or 0, out.getvalue() or err.getvalue()


def blocked_batch() -> str:
    """The id of the only batch that waits for a decision."""
    (batch,) = json.loads(run_command(("lakehouse", "quarantine", "blocked", "--format", "json"))[1])
    return str(batch["batch"])


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Whether a command printed what the page shows, line by line; `…` there stands for any text."""
    lines = [line.rstrip() for line in printed.strip("\n").split("\n")]
    patterns = (".*".join(map(re.escape, line.rstrip().split("…"))) if line is not None else None for line in shown)
    return all(pattern is not None and line is not None and re.fullmatch(pattern, line) is not None for pattern, line in zip_longest(patterns, lines))

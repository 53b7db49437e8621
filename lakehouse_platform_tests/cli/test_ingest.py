"""`lakehouse ingest` takes one file in, tells what became of it, and ends as scripts expect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lakehouse_platform.cli.app import app
from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.properties.projects import column, source, table

FOLDERS = (
    source("bronze/readings", "readings/{sensor}/*.csv", file_format="csv"),
    table("silver/readings", "SELECT sensor, n FROM bronze.readings", [column("sensor", "STRING"), column("n", "INT")], refresh="append"),
)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    for folder in FOLDERS:
        place = tmp_path / "project" / "defs" / folder.name
        place.mkdir(parents=True)
        for name, text in folder.files.items():
            (place / name).write_text(text, encoding="utf-8")
    folders = {"LAKEHOUSE_HOME": str(tmp_path / "home"), "LAKEHOUSE_PROJECT": str(tmp_path / "project")}
    runner = CliRunner(env=folders | {"LAKEHOUSE_SETTLE_SECONDS": "60"})
    return lambda *arguments: runner.invoke(app, ["ingest", *(str(argument) for argument in arguments)])


def test_a_file_is_taken_in_once_and_followed_to_silver(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text("n\n1\n2")
    done = run(file, "--to", "bronze.readings", "--value", "sensor=s1", "--format", "json")
    assert done.exit_code == ExitCode.OK, done.output
    assert [(row["table"], row["step"], row["rows"]) for row in json.loads(done.stdout)] == [
        ("bronze/readings", "ingest", 2),
        ("silver/readings", "increment", 2),
    ]
    assert "landed as readings/s1/one.csv" in done.stderr.replace("\n", "")
    (tmp_path / "home" / "landing" / "readings" / "s1" / "one.csv").unlink()
    again = run(file.rename(tmp_path / "two.csv"), "--to", "bronze/readings", "--value", "sensor=s1", "--format", "json")
    assert (again.exit_code, json.loads(again.stdout)) == (ExitCode.OK, [])
    assert "was taken already" in again.stderr
    assert "Nothing is new." in run(tmp_path / "two.csv", "--to", "bronze/readings", "--value", "sensor=s1").stdout
    other = run(_written(tmp_path / "one.csv", "n\n9\n"), "--to", "bronze/readings", "--value", "sensor=s1")
    assert isinstance(other.exception, LakehouseError)  # main() ends with 1 for it
    assert "another content has that name" in str(other.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "bronze/readings"), "--value sensor="),
        (("--to", "bronze/nothing"), "bronze/readings"),
        (("--to", "silver/readings"), "is no source"),
        (("--to", "bronze/readings", "--value", "s1"), "name=text"),
        (("--to", "bronze/readings", "--as", "readings/one.csv"), "is no name"),
    ],
)
def test_mistakes_in_the_command(run: Callable[..., Result], tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(_written(tmp_path / "one.csv", "n\n1\n"), *arguments)
    assert done.exit_code == ExitCode.USAGE, done.output
    assert said in done.stderr.replace("│", "").replace("\n", "").replace("  ", " ")
    assert not (tmp_path / "home" / "landing").exists()


def test_no_file(run: Callable[..., Result], tmp_path: Path) -> None:
    assert run(tmp_path / "nothing.csv", "--to", "bronze/readings").exit_code == ExitCode.USAGE


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path

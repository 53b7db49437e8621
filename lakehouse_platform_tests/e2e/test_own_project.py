"""A user's own project, to gold without Python: begun by `init`, grown by `table new` over files of their own, all by commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from setuptools import find_namespace_packages
from typer.testing import CliRunner, Result

from lakehouse_platform.cli.app import app
from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.contracts.types import parse_type
from lakehouse_platform.engine.duckdb import memory_session
from lakehouse_platform.scaffold.new_project import TEMPLATES
from lakehouse_platform.tables.project import load_project

ROOT = Path(__file__).parents[2]
# Names with blanks and capitals, American dates, money, a wrong number, a corrected and a repeated row, gaps, a column with few values.
VISITS = "Visit No,Patient,Visit Date,Fee,Ward,Nurse,Is Urgent,Last Changed,Remark\n" + "".join(
    f"V{n:04},P-{n % 37:03},{1 + n // 60}/{1 + n % 28}/2024,{n % 90}.{n % 10}0,{('north', 'south', 'east')[n % 3]},"
    f"{'' if n % 4 else 'Ann'},{('TRUE', 'FALSE')[n % 2]},2024-03-01 10:{n % 60:02}:00,\n"
    for n in range(1, 181)
)
DIRT = "V0003,P-003,1/4/2024,free,north,,TRUE,2024-03-01 10:59:00,\nV0004,P-004,1/5/2024,4.40,south,Ann,TRUE,2024-03-02 08:00:00,moved\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's own, in which commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEHOUSE_PROJECT", "")
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKEHOUSE_SETTLE_SECONDS", "0")
    return tmp_path


def run(*arguments: str, expect: int = 0) -> Result:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == expect, f"{arguments}: {done.output} {done.exception!r}"
    return done


def rows(*arguments: str) -> Any:
    return json.loads(run("--project", "clinic", *arguments, "--format", "json").stdout)


def test_a_csv_of_ones_own_reaches_gold_without_python(own: Path) -> None:
    (own / "visits.csv").write_text(VISITS + DIRT, encoding="utf-8")
    run("init", "clinic")
    run("--project", "clinic", "table", "new", "silver/visits", "--from", "visits.csv")
    run("--project", "clinic", "table", "new", "gold/daily_visits", "--from", "silver/visits")
    table = load_project(own / "clinic" / "defs").tables["silver/visits"]
    columns = {column.name: column for column in table.contract.columns}
    assert {name: str(column.type) for name, column in columns.items()} == {
        "visit_no": "STRING", "patient": "STRING", "visit_date": "DATE", "fee": "DECIMAL(18,2)", "ward": "STRING", "nurse": "STRING",
        "is_urgent": "BOOLEAN", "last_changed": "TIMESTAMP", "remark": "STRING", "processed_timestamp": "TIMESTAMP", "data_quality_score": "DOUBLE",
    }  # fmt: skip
    assert (table.contract.key, columns["visit_date"].formats, table.contract.partition_column) == (("visit_no",), ("M/d/yyyy",), "visit_date")
    assert table.attributes.sequence_by == ("last_changed",)
    assert {name for name, column in columns.items() if not column.required} == {"nurse", "remark"}
    assert [rule.id for rule in table.contract.warning_rules] == ["ward_known"]
    text = (table.folder / "contract.yaml").read_text(encoding="utf-8")
    assert "# nurse: empty in 136 of 182 records" in text
    assert "no DECIMAL and would be rejected, such as 'free'" in text

    run("--project", "clinic", "ingest", "visits.csv", "--to", "bronze/visits")
    (counted,) = [row for row in rows("accounts") if row["table"] == "silver/visits"]
    assert {name: counted[name] for name in ("read", "accepted", "duplicates", "rejected")} == {
        "read": 182, "accepted": 180, "duplicates": 1, "rejected": 1,
    }  # fmt: skip
    assert rows("query", "SELECT remark FROM silver.visits WHERE visit_no = 'V0004'") == [{"remark": "moved"}]
    (total,) = rows("query", "SELECT COUNT(*) AS wards, SUM(row_count) AS visits FROM gold.daily_visits")
    assert total["visits"] == 180
    assert total["wards"] > 100
    assert {row["status"] for row in rows("check")} <= {"passed", "warned", "rejected rows"}
    assert {row["status"] for row in rows("test")} == {"passed"}


def test_what_is_there_is_never_written_over(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", "clinic")
    assert "no mistakes: 1 sources, 2 tables" in run("--project", "clinic", "check").stdout
    before = {path: path.read_bytes() for path in (own / "clinic").rglob("*") if path.is_file()}
    (own / "orders.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    for arguments, said in (
        (("init", "clinic"), "holds README.md"),
        (("--project", "clinic", "table", "new", "silver/orders", "--from", "orders.csv"), "silver/orders is there already"),
        (("--project", "clinic", "table", "new", "gold/weekly", "--from", "silver/nothing"), "no silver or gold table"),
        (("--project", "clinic", "table", "new", "gold/weekly", "--from", "../csv/orders.csv"), "../csv/orders.csv is no silver or gold table"),
        (("--project", "clinic", "table", "new", "silver/other", "--from", "nothing.csv"), "neither a file nor a source"),
        (("--project", "clinic", "table", "new", "bronze/other", "--from", "visits.xlsx"), "is no file"),
    ):
        assert said in str(run(*arguments, expect=1).exception), arguments
    monkeypatch.delenv("LAKEHOUSE_PROJECT")
    assert "lakehouse init DIR" in run("table", "new", "silver/other", "--from", "orders.csv", expect=ExitCode.USAGE).stderr
    run("--project", "clinic", "table", "new", "silver/Other", "--from", "orders.csv", expect=ExitCode.USAGE)
    assert {path: path.read_bytes() for path in (own / "clinic").rglob("*") if path.is_file()} == before


def test_a_project_begun_in_its_folder_and_a_name_that_a_header_repeats(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "bed.csv").write_text("id,ward,ward\n1,north,south\n", encoding="utf-8")
    (own / "clinic").mkdir()
    monkeypatch.chdir(own / "clinic")
    assert "Next: the first five commands of its README.md." in run("init", ".").stderr
    run("--project", ".", "table", "new", "silver/beds", "--from", "../bed.csv")
    query = (own / "clinic" / "defs" / "beds" / "silver_beds" / "transform.sql").read_text(encoding="utf-8")
    assert "-- In the header more than once, of which the first counts: ward\n" in query


def test_tables_from_json_parquet_and_change_events(own: Path) -> None:
    (own / "clinic" / "defs").mkdir(parents=True)
    taken = [{"id": n, "order": f"x{n}", "when": "2024-01-01T10:00:00Z", "raw_data": "a", "tags": ["a", {"b": 1}], "café": n / 2} for n in range(30)]
    events = [{"op": "c", "ts_ms": 1700000000000 + n, "key": f"K{n}", "before": None, "after": {"code": f"K{n}", "name": "x"}} for n in range(5)]
    for name, records in (("taken.jsonl", taken), ("events.ndjson", events)):
        (own / name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    (own / "one.json").write_text(json.dumps(taken, indent=1), encoding="utf-8")
    with memory_session() as session:
        grid = "SELECT n AS id, DATE '2024-01-01' + CAST(n AS INTEGER) AS day, CAST(n AS DECIMAL(9,2)) / 4 AS price FROM range(30) AS rows(n)"
        session.execute(f"COPY ({grid}) TO '{own / 'grid.parquet'}' (FORMAT parquet)")
    for name in ("taken.jsonl", "events.ndjson", "one.json", "grid.parquet"):
        run("--project", "clinic", "table", "new", f"silver/{Path(name).stem}", "--from", name)
        landed = own / "home" / "landing" / Path(name).stem / name
        landed.parent.mkdir(parents=True)
        landed.write_bytes((own / name).read_bytes())
    project = load_project(own / "clinic" / "defs")
    columns = {column.name: column.type for column in project.tables["silver/taken"].contract.columns}
    assert columns.keys() == {"id", "order", "when", "tags", "caf", "processed_timestamp", "data_quality_score"}
    assert (columns["id"], columns["when"], columns["caf"]) == (parse_type("INT"), parse_type("TIMESTAMP"), parse_type("DECIMAL(18,1)"))
    assert "bronze has columns of that name: raw_data" in (project.tables["silver/taken"].folder / "transform.sql").read_text(encoding="utf-8")
    assert (project.tables["silver/events"].refresh, project.tables["silver/events"].contract.key) == ("scd1", ("code",))
    assert project.sources["bronze/events"].attributes.changes == "plain"
    assert [project.sources[f"bronze/{name}"].attributes.files.format for name in ("one", "grid")] == ["documents", "parquet"]
    assert (project.tables["silver/grid"].contract.key, project.tables["silver/grid"].contract.partition_column) == (("id",), "day")
    run("--project", "clinic", "materialize", "*")
    assert {row["table"]: (row["read"], row["accepted"]) for row in rows("accounts")} == {
        "silver/taken": (30, 30), "silver/events": (5, 5), "silver/one": (30, 30), "silver/grid": (30, 30),
    }  # fmt: skip


def test_a_table_from_snapshots_that_landed(own: Path) -> None:
    source = own / "clinic" / "defs" / "bronze_wards" / "defs.yaml"
    source.parent.mkdir(parents=True)
    files = "files: {path: 'wards/{day}.csv', format: csv}"
    snapshots = "changes: snapshot\n  snapshot_time: {name: day}"
    source.write_text(f"type: lakehouse_platform.Source\nattributes:\n  table: bronze/wards\n  {files}\n  {snapshots}\n", encoding="utf-8")
    assert "no records yet" in str(run("--project", "clinic", "table", "new", "silver/wards", "--from", "bronze/wards", expect=1).exception)
    (own / "home" / "landing" / "wards").mkdir(parents=True)
    for day, beds in (("2024-01-01", 10), ("2024-01-02", 12)):
        rows_of_day = "".join(f"{ward},{beds}\n" for ward in ("north", "south"))
        (own / "home" / "landing" / "wards" / f"{day}.csv").write_text(f"ward,beds\n{rows_of_day}", encoding="utf-8")
    run("--project", "clinic", "table", "new", "silver/wards", "--from", "bronze/wards")
    table = load_project(own / "clinic" / "defs").tables["silver/wards"]
    assert (table.refresh, table.contract.key, table.folder.parent) == ("scd1", ("ward",), own / "clinic" / "defs")
    assert [column.name for column in table.contract.columns] == ["ward", "beds", "processed_timestamp", "data_quality_score"]


def test_the_made_projects_readme_and_test_run(own: Path) -> None:
    run("init", "shop")
    (own / "bin").mkdir()
    command = own / "bin" / "lakehouse"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m lakehouse_platform.cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    readme = (own / "shop" / "README.md").read_text(encoding="utf-8")
    block = re.search(r"first five commands\n\n```\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    done = subprocess.run(["sh", "-ec", block[1]], cwd=own / "shop", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2024-03-03" in done.stdout
    assert done.stdout.count("rejected") == 3
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    tested = subprocess.run(tests, cwd=own / "shop", env=environment, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout
    assert "2 passed" in tested.stdout
    # Both the components and what definitions.py makes of them.
    checked = subprocess.run(
        [Path(sys.executable).parent / "dg", "check", "defs"], cwd=own / "shop", env=environment, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_template_is_in_a_wheel() -> None:
    """Data files are packed of packages only: every folder of the templates must be one, and their ending is what pyproject.toml lists."""
    packages = set(find_namespace_packages(str(ROOT), include=["lakehouse_platform", "lakehouse_platform.*"]))
    templates = [path for path in TEMPLATES.rglob("*") if path.is_file()]
    assert len(templates) >= 18
    for path in templates:
        assert ".".join(path.parent.relative_to(ROOT).parts) in packages, path
        assert path.suffix == ".template"

"""A project with every kind of mistake at once: one load tells all of them, each with its file, its line and the mend, and blames nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster.components.core.defs_module import ComponentFileModel

from lakehouse_platform.problems import Problem, ProjectError
from lakehouse_platform.tables.documents import KEYS
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.properties.projects import Folder, column, row_rule, source, table

ORDERS = source("bronze/orders", "orders/*.jsonl")
LINES = [column("line", "STRING", required=True, key=1), column("amount", "INT")]
TOTALS = [column("amount", "INT", required=True, key=1), column("lines", "BIGINT", required=True)]


def changed(folder: Folder, name: str, old: str, new: str) -> Folder:
    """The folder with one of its files changed."""
    assert old in folder.files[name]
    return Folder(folder.name, {**folder.files, name: folder.files[name].replace(old, new)})


def report(root: Path, *folders: Folder) -> list[Problem]:
    for folder in folders:
        (root / folder.name).mkdir(parents=True)
        for name, text in folder.files.items():
            (root / folder.name / name).write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError) as raised:
        load_project(root)
    return list(raised.value.problems)


def line_of(folder: Folder, name: str, text: str) -> int:
    return next(number for number, line in enumerate(folder.files[name].splitlines(), start=1) if text in line)


def silver(name: str, sql: str = "SELECT line,\n       amount\nFROM bronze.orders") -> Folder:
    return table(f"silver/{name}", sql, LINES, refresh="upsert")


def passing_on(name: str, other: str) -> Folder:
    return table(f"gold/{name}", f"SELECT amount, lines\nFROM gold.{other}", TOTALS, refresh="replace")


def test_every_mistake_of_a_project_is_in_one_report(tmp_path: Path) -> None:
    unknown_type = changed(silver("unknown_type"), "contract.yaml", "physicalType: INT", "physicalType: INTEGRE")
    no_column = table("silver/no_column", "SELECT line, amount FROM bronze.orders", LINES, rules=[row_rule("paid", "price < 0")], refresh="upsert")
    syntax = silver("syntax", "SELECT line,\n       (amount\nFROM bronze.orders")
    below_syntax = table("gold/below_syntax", "SELECT amount, COUNT(*) AS lines\nFROM silver.syntax\nGROUP BY amount", TOTALS, refresh="replace")
    twice = Folder("twice", silver("sound").files)
    invalid = changed(silver("invalid"), "defs.yaml", "table: silver/invalid", "table: silver/In-valid")
    lost = table("gold/lost", "SELECT amount,\n       COUNT(colour) AS lines\nFROM silver.sound\nGROUP BY amount", TOTALS, refresh="replace")
    circle = [passing_on("one", "two"), passing_on("two", "one")]
    misnamed = changed(silver("misnamed"), "contract.yaml", "- name: misnamed", "- name: missnamed")
    two_keys = table(
        "gold/two_keys",
        "SELECT line, amount,\n COUNT(*) AS lines\nFROM silver.sound\nGROUP BY line, amount",
        [column("line", "STRING", required=True, key=1), *TOTALS[1:], column("amount", "INT")],
        refresh="replace",
    )
    attribute = changed(
        table("silver/attribute", "SELECT line, FROBNICATE(amount) AS amount, TWIDDLE(line) AS extra FROM bronze.orders", LINES, refresh="upsert"),
        "defs.yaml",
        "refresh: upsert",
        "refresh: sometimes",
    )
    folders = (unknown_type, no_column, syntax, below_syntax, twice, invalid, lost, *circle, misnamed, two_keys, attribute)
    found = report(tmp_path, ORDERS, silver("sound"), *folders)

    expected = [
        (unknown_type, "contract.yaml", line_of(unknown_type, "contract.yaml", "INTEGRE"), "'INTEGRE' is no type"),
        (no_column, "contract.yaml", line_of(no_column, "contract.yaml", "price < 0"), "names price, which is no column"),
        (syntax, "transform.sql", 3, "no Spark SQL"),
        (twice, "defs.yaml", 2, "silver/sound is already defined"),
        (invalid, "defs.yaml", 3, "table: String should match"),
        (lost, "transform.sql", 2, "colour"),
        (circle[0], "transform.sql", 2, "in a circle: gold/two -> gold/one -> gold/two"),
        (misnamed, "contract.yaml", line_of(misnamed, "contract.yaml", "- name: missnamed"), "describes missnamed"),
        (two_keys, "transform.sql", 4, "a row for each line, amount; the contract's primaryKey is line"),
        (attribute, "defs.yaml", line_of(attribute, "defs.yaml", "sometimes"), "refresh"),
        (attribute, "transform.sql", 1, "frobnicate"),
        (attribute, "transform.sql", 1, "twiddle"),
        (attribute, "transform.sql", 1, "the contract has no column extra"),
    ]
    told = {(problem.path, problem.line, problem.message) for problem in found}
    for folder, name, line, message in expected:
        path = tmp_path / folder.name / name
        assert any(where == path and at == line and message.lower() in text.lower() for where, at, text in told), (folder.name, message, found)
    assert len(found) == len(expected), [str(problem) for problem in found]
    assert all(problem.mend for problem in found)


def test_what_reads_a_broken_table_is_judged_by_its_contract_and_not_blamed(tmp_path: Path) -> None:
    """The silver table's query is no SQL; the gold table below asks for a column that the silver contract has not: that alone is its mistake."""
    broken = silver("orders", "SELECT line FRM bronze.orders")
    sound = table("gold/sound", "SELECT amount, COUNT(*) AS lines FROM silver.orders GROUP BY amount", TOTALS, refresh="replace")
    asking = table("gold/asking", "SELECT amount, COUNT(price) AS lines FROM silver.orders GROUP BY amount", TOTALS, refresh="replace")
    found = report(tmp_path, ORDERS, broken, sound, asking)
    assert [(problem.path.parent.name, problem.path.name) for problem in found] == [
        ("gold_asking", "transform.sql"),
        ("silver_orders", "transform.sql"),
    ]


def test_what_can_be_told_without_the_inputs(tmp_path: Path) -> None:
    """A misspelt input: its line is where it stands, and functions and outputs are judged all the same."""
    folder = table("gold/totals", "SELECT order_amount AS amount,\n SUMM(1) AS lines, 1 AS more\nFROM silver.order", TOTALS, refresh="replace")
    found = report(tmp_path, ORDERS, changed(silver("orders"), "contract.yaml", "physicalType: INT", "physicalType: INTEGRE"), folder)
    mine = [(problem.line, problem.message.split(":")[0]) for problem in found if problem.path.parent.name == "gold_totals"]
    assert sorted(mine) == [
        (2, "the contract has no column more"),
        (2, "the function summ is not supported"),
        (3, "there is no table silver.order"),
    ]
    assert any("silver/orders" in problem.mend for problem in found)


def test_two_circles_are_two_mistakes(tmp_path: Path) -> None:
    circles = [passing_on("one", "two"), passing_on("two", "one"), passing_on("three", "four"), passing_on("four", "three")]
    found = report(tmp_path, *circles)
    named = [set(problem.message.partition(": ")[2].split(" -> ")) for problem in found]
    assert sorted(map(sorted, named)) == [["gold/four", "gold/three"], ["gold/one", "gold/two"]]


def test_a_table_below_one_without_a_contract_is_not_blamed(tmp_path: Path) -> None:
    broken = changed(silver("orders"), "contract.yaml", "kind: DataContract", "kind: Dataset")
    below = table("gold/totals", "SELECT amount, COUNT(price) AS lines FROM silver.orders GROUP BY amount", TOTALS, refresh="replace")
    (found,) = report(tmp_path, ORDERS, broken, below)
    assert "kind is Dataset" in found.message


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        ("transform.sql", b"SELECT line, '\xff' AS amount FROM bronze.orders", 0, "not UTF-8"),
        ("transform.sql", b"", 1, "not one SELECT"),
        ("contract.yaml", b"\xff", 0, "not UTF-8"),
        ("defs.yaml", b"type: lakehouse_platform.Table\nattributes: {table: \xff}\n", 0, "not UTF-8"),
        ("defs.yaml", b"type: lakehouse_platform.Table\nattributes: [silver/orders]\n", 2, "attributes: "),
        ("defs.yaml", b"type: lakehouse_platform.Table\nattributes:\n  table: !own silver/orders\n", 3, "not YAML"),
        ("defs.yaml", b"type: lakehouse_platform.Table\nattributes:\n\ttable: silver/orders\n", 3, "not YAML"),
        ("defs.yaml", b"[a]: 1\ntype: lakehouse_platform.Tabel\n", 2, "no component"),
    ],
)
def test_a_file_of_another_shape(tmp_path: Path, name: str, content: bytes, line: int, message: str) -> None:
    """The other documents of its folder are read all the same, and what reads the table is not blamed."""
    sound = silver("orders")
    (tmp_path / ORDERS.name).mkdir()
    (tmp_path / ORDERS.name / "defs.yaml").write_text(ORDERS.files["defs.yaml"], encoding="utf-8")
    (tmp_path / sound.name).mkdir()
    for other, text in sound.files.items():
        (tmp_path / sound.name / other).write_text(text.replace("physicalType: INT", "physicalType: INTEGRE"), encoding="utf-8")
    (tmp_path / sound.name / name).write_bytes(content)
    below = table("gold/totals", "SELECT amount, COUNT(*) AS lines FROM silver.orders GROUP BY amount", TOTALS, refresh="replace")
    (tmp_path / below.name).mkdir()
    for other, text in below.files.items():
        (tmp_path / below.name / other).write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError) as raised:
        load_project(tmp_path)
    found = {(problem.path.name, problem.line, message in problem.message) for problem in raised.value.problems}
    assert (name, line, True) in found, raised.value
    assert ("INTEGRE" in str(raised.value)) is (name != "contract.yaml")
    assert "there is no table" not in str(raised.value)


def test_a_key_that_no_defs_yaml_has_is_told_before_a_run_would_break_on_it(tmp_path: Path) -> None:
    extra = silver("extra")
    extra = Folder(extra.name, {**extra.files, "defs.yaml": extra.files["defs.yaml"] + "foo: bar\n"})
    misspelled = changed(silver("misspelled"), "defs.yaml", "attributes:", "atributes:")
    found = [(problem.path.parent.name, problem.line, problem.message, problem.mend) for problem in report(tmp_path, ORDERS, extra, misspelled)]
    assert found == [
        (extra.name, line_of(extra, "defs.yaml", "foo"), "a defs.yaml has no foo", f"remove it, or write it under attributes; {known()}"),
        (misspelled.name, line_of(misspelled, "defs.yaml", "atributes"), "a defs.yaml has no atributes", "write attributes"),
    ]


def known() -> str:
    """The keys that Dagster's own model of the file has, as the mend lists them."""
    assert set(KEYS) == set(ComponentFileModel.model_fields)
    return f"known here are {', '.join(KEYS)}"

"""Every mistake in a document is told at once, each with its line and a mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_platform.contracts.reading import read_contract
from lakehouse_platform.problems import Problem, ProjectError

BROKEN = Path(__file__).parent / "documents" / "broken.yaml"


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ProjectError) as raised:
        read_contract(path)
    return raised.value.problems


def test_all_mistakes_with_their_lines() -> None:
    """The comment at the end of a line of broken.yaml says what is told of that line."""
    expected = [
        (number, part)
        for number, line in enumerate(BROKEN.read_text().splitlines(), start=1)
        if "  # " in line
        for part in line.rsplit("  # ", 1)[1].split("; ")
    ]
    found = problems(BROKEN)
    missing = [(line, part) for line, part in expected if not any(problem.line == line and part in problem.message for problem in found)]
    unforeseen = [problem for problem in found if not any(problem.line == line and part in problem.message for line, part in expected)]
    assert missing == []
    assert unforeseen == []
    assert len(found) == len(expected)
    assert all(problem.path == BROKEN and problem.mend for problem in found)
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("schema: [\n", 2, "not YAML"),
        ("- 1\n", 1, "no contract"),
        ("", 1, "no contract"),
        ("apiVersion: v3.1.0\nschema: 3\n", 2, "schema: Input should be a valid list"),
        ("apiVersion: v3.1.0\nschema:\n  - just text\n", 3, "schema.0: Input should be"),
        ("apiVersion: v3.1.0\nschema: [{name: t}]\n", 2, "no columns"),
        ("apiVersion: v3.1.0\nkind: Dataset\n", 2, "kind is Dataset"),
        ("1: a\n", 1, "Keys should be strings"),
        ("? {a: 1}\n: 2\n", 1, "unhashable"),
        ("id: a\nschema: &a [*a]\n", 0, "contains itself"),
    ],
)
def test_a_document_of_another_shape(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(text)
    assert any(problem.line == line and message in problem.message for problem in problems(path))


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    assert "there is no contract" in str(problems(path)[0])
    path.write_bytes(b"id: \xff")
    assert "not UTF-8" in str(problems(path)[0])

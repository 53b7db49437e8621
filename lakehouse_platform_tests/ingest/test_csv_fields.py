"""CSV records become fields by their own file's header; one that fits no header says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_platform.ingest.decode import missing_kind
from lakehouse_platform_tests.ingest.landings import Landing, landing


@pytest.fixture
def csv(tmp_path: Path) -> Landing:
    return landing(tmp_path, "in/*.csv", "csv")


@pytest.mark.parametrize(
    ("record", "values"),
    [
        ("1,2", ("1", "2")),
        (",", ("", "")),
        ('"a,b",""', ("a,b", "")),
        ('"say ""hi""",x', ('say "hi"', "x")),
        ('"two\nlines",x', ("two\nlines", "x")),
        ('6" disc,8" disc', ('6" disc', '8" disc')),
        ('"""",x', ('"', "x")),
        (" a , b ", (" a ", " b ")),
        ("žluťoučký,kůň 🐎", ("žluťoučký", "kůň 🐎")),
    ],
)
def test_fields_of_a_record(csv: Landing, record: str, values: tuple[str, str]) -> None:
    csv.put("in/a.csv", f"x,y\n{record}\n".encode())
    csv.ingest()
    assert csv.decoded(["x", "y"]) == [(*values, None)]


def test_each_file_has_its_own_header(csv: Landing) -> None:
    csv.put("in/a.csv", b"x,y\n1,2\n")
    csv.put("in/b.csv", b'"y",z,"x"\n3,4,5\n')
    csv.put("in/c.csv", b"y,z\n6,7\n")
    csv.ingest()
    assert csv.decoded(["y", "x"]) == [("2", "1", None), ("3", "5", None), ("6", None, None)]
    assert csv.decoded(["x"], missing_kind(csv.source, "x"))[2] == ("missing",)


@pytest.mark.parametrize(
    ("record", "failure", "error"),
    [
        (b"1", "wrong_field_count", "has 1 fields, the header has 2"),
        (b"1,2,3", "wrong_field_count", "has 3 fields, the header has 2"),
        (b'"1"x,2', "text_after_quote", "text follows a closing quote"),
        (b"caf\xe9,2", "undecodable_bytes", "outside the encoding"),
        (b'1,"2\n3,4', "open_quote", 'starts with: 1,"2'),
    ],
)
def test_records_that_cannot_be_decoded(csv: Landing, record: bytes, failure: str, error: str) -> None:
    csv.put("in/a.csv", b"x,y\nfine,1\n" + record)
    csv.ingest()
    (fine, broken) = csv.decoded(["x"], "x, _decode_failure, _decode_error")
    assert fine == ("fine", None, None)
    assert broken[1] == failure
    assert error in broken[2]

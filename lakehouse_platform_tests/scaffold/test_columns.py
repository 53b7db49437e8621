"""What is proposed of a field follows from its values: type, form, gaps, key, and a remark wherever a person must decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lakehouse_platform.engine.duckdb import memory_session
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.scaffold.columns import ProposedColumn, propose_columns
from lakehouse_platform.scaffold.naming import column_names, spelled
from lakehouse_platform.scaffold.sample import sample_file


def proposed(path: Path, text: str | bytes) -> dict[str, ProposedColumn]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with memory_session() as session:
        sample = sample_file(session, path, "bronze/sample")
        return {column.name: column for column in propose_columns(session, sample)}


def of_values(folder: Path, values: Sequence[str]) -> ProposedColumn:
    """The column of these values, beside a column that makes every record another one."""
    lines = "".join(f'{number},"{value}"\n' for number, value in enumerate(values))
    return proposed(folder / "sample.csv", f"n,value\n{lines}")["value"]


@pytest.mark.parametrize(
    ("values", "wanted", "form", "remark"),
    [
        (["1", "-20", "3000000"], "INT", "", "from -20 to 3000000"),
        (["1", "12345678901"], "BIGINT", "", ""),
        (["00123", "4"], "STRING", "", ""),
        (["1.50", "22.5", "7"], "DECIMAL(18,2)", "", "from 1.5 to 22.5"),
        (["1.123456789", "2"], "DOUBLE", "", ""),
        (["1e10", "2"], "DOUBLE", "", ""),
        (["true", "false"], "BOOLEAN", "", ""),
        (["True", "FALSE"], "BOOLEAN", "", "the query writes them small"),
        (["yes", "no"], "STRING", "", ""),
        (["2024-01-31", "2024-02-01"], "DATE", "", "from 2024-01-31 to 2024-02-01"),
        (["2024-01-31T10:00:00Z", "2024-02-01 11:30"], "TIMESTAMP", "", ""),
        (["1/31/2024", "12/1/2024"], "DATE", "M/d/yyyy", ""),
        (["31/1/2024", "1/12/2024"], "DATE", "d/M/yyyy", ""),
        (["1/2/2024", "3/4/2024"], "DATE", "M/d/yyyy", "so does d/M/yyyy"),
        (["31.01.2024", "01.12.2024"], "DATE", "d.M.yyyy", ""),
        (["1/31/2024 9:05", "12/1/2024 23:59"], "TIMESTAMP", "M/d/yyyy H:mm", ""),
        (["1/31/2024 9:05 AM", "12/1/2024 11:59 PM"], "TIMESTAMP", "M/d/yyyy h:mm a", ""),
        (["5 Jan 2024", "12 Dec 2024"], "DATE", "d MMM yyyy", ""),
        ([*["1"] * 19, "one"], "INT", "", "about 1 values are no INT and would be rejected, such as 'one'"),
        (["", " "], "STRING", "", "empty in all records"),
        (
            ["2024-01-31"] * 12 + ["soon", "late"],
            "STRING",
            "",
            "12 of 14 values are a DATE, too few to be its type; others are such as 'late'",
        ),
        (["1/31/2024"] * 8 + ["soon", "late"], "STRING", "", "8 of 10 values are a DATE"),
        (["7"] * 8 + ["n/a"] * 2, "STRING", "", "8 of 10 values are a BIGINT"),
    ],
)
def test_types_by_the_platforms_own_forms(tmp_path: Path, values: list[str], wanted: str, form: str, remark: str) -> None:
    found = of_values(tmp_path, values)
    assert (str(found.type), "".join(found.profile.formats)) == (wanted, form)
    assert remark in "; ".join(found.notes)


def test_gaps_and_blanks(tmp_path: Path) -> None:
    found = proposed(tmp_path / "a.csv", "id,note,gap\n1, padded ,x\n2,bare,\n3,bare,y\n")
    assert (found["note"].required, found["note"].expression) == (True, "TRIM(note)")
    assert (found["gap"].required, found["gap"].expression) == (False, "NULLIF(TRIM(gap), '')")
    assert "empty in 1 of 3 records (33.3%)" in found["gap"].notes[0]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("amount,order_id\n1,a\n2,b\n3,c\n", ["order_id"]),
        ("shop,day,sum\n1,2024-01-01,5\n1,2024-01-02,5\n2,2024-01-01,5\n", ["shop", "day"]),
        # A record that comes again as it was is no other record.
        ("order_id,sum\n1,5\n2,5\n2,5\n", ["order_id"]),
        ("shop,sum\n1,5.5\n1,6.5\n", []),
        # Of twenty orders one was corrected: still the order's id.
        ("order_id,state\n" + "".join(f"{n},open\n" for n in range(20)) + "7,paid\n", ["order_id"]),
    ],
)
def test_key_candidates(tmp_path: Path, text: str, key: list[str]) -> None:
    found = [column for column in proposed(tmp_path / "a.csv", text).values() if column.key_position is not None]
    assert [column.name for column in sorted(found, key=lambda column: column.key_position or 0)] == key
    assert all(column.required for column in found)


def test_numbers_that_name_things_keep_what_is_no_number(tmp_path: Path) -> None:
    rows = "".join(f"{'C' if n == 7 else ''}{n},{n}.0,{n}.0\n" for n in range(20))
    found = proposed(tmp_path / "a.csv", f"invoice_no,customer_id,weight\n{rows}")
    assert {name: str(column.type) for name, column in found.items()} == {
        "invoice_no": "STRING", "customer_id": "STRING", "weight": "DECIMAL(18,1)",
    }  # fmt: skip
    assert "such as 'C7'" in found["invoice_no"].notes[0]
    assert found["customer_id"].expression == r"REGEXP_REPLACE(customer_id, '\\.0$', '')"


def test_a_text_with_few_values_is_a_choice_and_a_text_with_many_is_none(tmp_path: Path) -> None:
    rows = "".join(f"{n},{('open', 'paid')[n % 2]},name {n}\n" for n in range(40))
    found = proposed(tmp_path / "a.csv", f"id,state,name\n{rows}")
    assert (found["state"].choices, found["name"].choices) == (("open", "paid"), ())


def test_bytes_of_another_encoding_are_read(tmp_path: Path) -> None:
    found = proposed(tmp_path / "a.csv", "id,name\n1,Müller\n2,Jürgen\n".encode("cp1252"))
    assert found["name"].profile.values == {"Jürgen": 1, "Müller": 1}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.xlsx", "x", "ends in one of"),
        ("a.csv", "", "no records in it"),
        ("a.csv", "a,b\n", "no records in it"),
        ("a.jsonl", "nonsense\n", "no fields in its records"),
        ("a.csv", 'a,b\n1\n"2,3\n', "none of its 2 records could be read"),
        ("a.json", "nonsense", "no JSON document"),
        ("a.csv", "a,b\rc\n1,2\n", "is no list of names.*LF or CRLF, not in CR alone"),
        ("a.csv", f"a,{'b' * 131_073}\n1,2\n", "is no list of names.*131,072 characters"),
        ("a.csv", "a;b\n1;2\n", "only a comma separates fields, a semicolon does not"),
        ("a.csv", "a\tb\n1\t2\n", "only a comma separates fields, a tab does not"),
    ],
)
def test_a_sample_without_anything_to_see_is_told(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(LakehouseError, match=said):
        proposed(tmp_path / name, text)


def test_names() -> None:
    assert column_names(["InvoiceNo", "Invoice No.", "2nd", "Größe", "", "HTTPStatus", "data_quality_score"], ["data_quality_score"]) == {
        "InvoiceNo": "invoice_no", "Invoice No.": "invoice_no_2", "2nd": "n_2nd", "Größe": "gr_e", "": "field_5", "HTTPStatus": "http_status",
        "data_quality_score": "data_quality_score_2",
    }  # fmt: skip
    assert [spelled(name) for name in ("amount", "Order Date", "order", "a`b")] == ["amount", "`Order Date`", "`order`", "`a``b`"]

"""Bad input, one file a case: which of its rows are in silver, which were turned away and why, and which files are refused with what mend."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from lakehouse_platform.cli.quarantine import COLUMNS, quarantined
from lakehouse_platform.medallion import books
from lakehouse_platform.medallion.bronze import FilesRefused
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform_tests.properties.projects import Folder, column, load, source, table
from lakehouse_platform_tests.properties.worlds import World, world

HEADER = b"id,day,amount,note\n"
TWO_DIGITS = [{"property": "lakehouse.format", "value": "dd/MM/yy"}]


def silver(name: str, **day: Any) -> Folder:
    columns = [
        column("id", "INT", required=True), column("day", "DATE", **day), column("amount", "DECIMAL(5,2)", required=True),
        column("note", "STRING"), column("big", "BIGINT"), column("share", "DOUBLE"), column("file", "STRING", required=True),
    ]  # fmt: skip
    fields = "id, NULLIF(day, '') AS day, amount, note, NULLIF(big, '') AS big, NULLIF(share, '') AS share, source_file AS file"
    return table(f"silver/{name}", f"SELECT {fields} FROM bronze.{name}", columns, refresh="append", gate="off")


PROJECT = load(
    source("bronze/orders", "orders/*", file_format="csv"),
    silver("orders"),
    source("bronze/western", "western/*", file_format="csv", encoding="cp1252"),
    silver("western", customProperties=TWO_DIGITS),
    source("bronze/events", "events/*"),
    silver("events"),
)


@dataclass(frozen=True)
class Case:
    """A file, (id, note) of its rows in silver, and of the others (rule, field, text in the source) of every reason by row."""

    name: str
    content: bytes
    taken: list[tuple[int, str | None]]
    turned_away: dict[int, list[tuple[str, str | None, str | None]]] = field(default_factory=dict)


def undecodable(rule: str) -> list[tuple[str, str | None, str | None]]:
    return [(rule, None, None)]


CASES = [
    Case("orders/mixed_line_ends.csv", b"id,day,amount,note\r\n1,,1,crlf\r\n2,,1,lf\n3,,1,last", [(1, "crlf"), (2, "lf"), (3, "last")]),
    Case("orders/byte_order_mark.csv", b"\xef\xbb\xbf" + HEADER + b"1,,1,a\n", [(1, "a")]),
    Case("orders/undeclared_cp1252.csv", HEADER + b"1,,1,caf\xe9\n2,,1,cafe\n", [(2, "cafe")], {1: undecodable("undecodable_bytes")}),
    Case("western/declared_cp1252.csv", HEADER + b"1,,1,caf\xe9 \x80\n2,,1,\x81\n", [(1, "café €")], {2: undecodable("undecodable_bytes")}),
    Case(
        "orders/ragged_rows.csv",
        HEADER + b"1,,1,a\n2,,1\n3,,1,a,b\n\n4,,1,a\n,,,\n",
        [(1, "a"), (4, "a")],
        {
            2: undecodable("wrong_field_count"),
            3: undecodable("wrong_field_count"),
            5: [("id_type", "id", ""), ("amount_type", "amount", "")],
        },
    ),
    Case("orders/quoted_newlines.csv", HEADER + b'1,,1,"two\nlines"\r\n2,,1,"a\r\n""b"""\n', [(1, "two\nlines"), (2, 'a\r\n"b"')]),
    Case("orders/open_quote.csv", HEADER + b'1,,1,a\n2,,1,"never closed\n3,,1,b\n', [(1, "a")], {2: undecodable("open_quote")}),
    Case("orders/extra_column.csv", b"id,colour,day,amount,note\n1,red,,1,a\n", [(1, "a")]),
    Case("orders/other_order.csv", b"note,amount,id,day\na,1,1,\n", [(1, "a")]),
    Case("orders/optional_column_missing.csv", b"id,amount,day\n1,1,\n", [(1, None)]),
    Case("orders/required_column_missing.csv", b"id,day,note\n1,,a\n", [], {1: [("amount_required", "amount", None)]}),
    Case("orders/renamed_column.csv", b"id,day,Amount,note\n1,,1,a\n", [], {1: [("amount_required", "amount", None)]}),
    Case("orders/column_twice.csv", b"id,day,amount,note,amount\n1,,1,a,x\n", [(1, "a")]),
    Case("orders/empty.csv", b"", []),
    Case("orders/header_alone.csv", HEADER, []),
    Case("orders/header_without_line_end.csv", HEADER.rstrip(), []),
    Case("orders/blank_lines.csv", b"\n\n", [], {1: [("id_required", "id", None), ("amount_required", "amount", None)]}),
    Case(
        "orders/days.csv",
        HEADER + b"1,2016-02-29,1,a\n2,29/02/16,1,a\n3,29/02/18,1,a\n4,2018-02-29,1,a\n5,2018-2-9,1,a\n6,2018-02-09 junk,1,a\n7,today,1,a\n",
        [(1, "a")],
        {
            row: [("day_type", "day", text)]
            for row, text in enumerate(["29/02/16", "29/02/18", "2018-02-29", "2018-2-9", "2018-02-09 junk", "today"], 2)
        },
    ),
    Case(
        "western/days.csv",
        HEADER + b"1,29/02/16,1,a\n2,29/02/18,1,a\n3,2016-02-29,1,a\n",
        [(1, "a"), (3, "a")],
        {2: [("day_type", "day", "29/02/18")]},
    ),
    Case(
        "orders/numbers_past_their_type.csv",
        b"id,amount,big,share\n2147483647,999.99,9223372036854775807,1e308\n2147483648,1,0,0\n1,1000,0,0\n2,999.995,0,0\n3,1,9223372036854775808,0\n"
        b"4,1,0,1e309\n5,999.994,0,0\n1.5,1,0,0\n0x10,1,0,0\n6,NaN,,\n",
        [(5, None), (2147483647, None)],
        {
            2: [("id_type", "id", "2147483648")],
            3: [("amount_type", "amount", "1000")],
            4: [("amount_type", "amount", "999.995")],
            5: [("big_type", "big", "9223372036854775808")],
            6: [("share_type", "share", "1e309")],
            8: [("id_type", "id", "1.5")],
            9: [("id_type", "id", "0x10")],
            10: [("amount_type", "amount", "NaN")],
        },
    ),
    Case(
        "events/numbers_past_their_type.jsonl",
        b'{"id": 2147483648, "amount": 1}\n{"id": 1, "amount": 1000}\n{"id": 2, "amount": 1, "big": 1e19}\n{"id": 3, "amount": 1, "share": 1e309}\n'
        b'{"id": 4, "amount": 999.99, "big": -9223372036854775808}\n',
        [(4, None)],
        {
            1: [("id_type", "id", "2147483648")],
            2: [("amount_type", "amount", "1000")],
            3: [("big_type", "big", "10000000000000000000.0")],
            4: [("share_type", "share", "1e309")],
        },
    ),
    Case(
        "events/broken_in_the_middle.jsonl",
        b'{"id": 1, "amount": 1, "note": "a"}\n{"id": 2, "amou\n\x00\x00\xff\n}{\n{"id": 3, "amount": 1, "note": null}\n{"id": 4, "amount": 1',
        [(1, "a"), (3, None)],
        {2: undecodable("malformed_json"), 3: undecodable("undecodable_bytes"), 4: undecodable("malformed_json"), 6: undecodable("malformed_json")},
    ),
    Case("orders/whole.csv.gz", gzip.compress(HEADER + b"1,,1,a\n"), [(1, "a")]),
]
TRUNCATED = gzip.compress(HEADER + b"".join(b"%d,,1,a\n" % number for number in range(1000)))[:-30]


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[World, FilesRefused]]:
    """All files landed and taken at once; one of them is refused."""
    with world(PROJECT) as place:
        for name, content in {**{case.name: case.content for case in CASES}, "orders/truncated.csv.gz": TRUNCATED}.items():
            path = place.lakehouse.settings.landing / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with pytest.raises(FilesRefused) as refused:
            place.run("bronze/orders")
        place.run("bronze/western", "bronze/events", "silver/orders", "silver/western", "silver/events")
        yield place, refused.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_becomes_of_each_row(filled: tuple[World, FilesRefused], case: Case) -> None:
    place, _ = filled
    name = f"silver/{case.name.split('/')[0]}"
    rows = sorted((row["id"], row["note"]) for row in place.rows(name) if row["file"] == case.name)
    assert rows == sorted(case.taken)
    away = {
        row["source_row"]: [(reason["rule"], reason["field"], reason["source_text"]) for reason in row["reasons"]]
        for row in place.rows(f"{name}__quarantine")
        if row["source_file"] == case.name
    }
    assert away == case.turned_away


def test_values_are_exact(filled: tuple[World, FilesRefused]) -> None:
    rows = [row for row in filled[0].rows("silver/orders") if row["file"] == "orders/numbers_past_their_type.csv"]
    values = {(row["id"], row["amount"], row["big"], row["share"]) for row in rows}
    assert values == {(2147483647, Decimal("999.99"), 9223372036854775807, 1e308), (5, Decimal("999.99"), 0, 0.0)}
    days = [row["day"] for place in ("orders", "western") for row in filled[0].rows(f"silver/{place}") if row["file"] == f"{place}/days.csv"]
    assert days == [date(2016, 2, 29)] * 3


def test_reasons_say_what_is_wrong_and_quarantine_keeps_the_bytes(filled: tuple[World, FilesRefused]) -> None:
    place, _ = filled
    with place.lakehouse.session() as session:
        shown = [dict(zip(COLUMNS, row, strict=True)) for row in quarantined(place.lakehouse, session, "silver/orders", 100)]
    messages = {(row["source_file"], row["source_row"]): row["reasons"][0]["message"] for row in shown}
    assert messages["orders/ragged_rows.csv", 2] == "has 3 fields, the header has 4"
    assert messages["orders/renamed_column.csv", 1] == "is required and missing"
    assert messages["orders/open_quote.csv", 2] == 'a quote is never closed; the record starts with: 2,,1,"never closed'
    assert messages["orders/days.csv", 3] == "is no DATE as it stands"
    (kept,) = [row["raw_bytes"] for row in place.rows("silver/orders__quarantine") if row["source_file"] == "orders/undeclared_cp1252.csv"]
    assert kept == b"1,,1,caf\xe9"


def test_the_truncated_file_is_named_with_its_mend_and_lands_again_whole(filled: tuple[World, FilesRefused]) -> None:
    place, refused = filled
    assert len(refused.refused) == 1
    assert str(refused.refused[0]).startswith("orders/truncated.csv.gz: is no whole gzip file (")
    assert str(refused.refused[0]).endswith("). Mend: land it again, whole, or without .gz")
    assert not [row for row in place.rows("bronze/orders") if row["source_file"] == "orders/truncated.csv.gz"]


def test_every_row_ended_once(filled: tuple[World, FilesRefused]) -> None:
    place, _ = filled
    for name in ("orders", "western", "events"):
        cases = [case for case in CASES if case.name.startswith(f"{name}/")]
        accepted, rejected = sum(len(case.taken) for case in cases), sum(len(case.turned_away) for case in cases)
        with place.lakehouse.session() as session:
            found = books.total(books.entries(place.lakehouse, session, f"silver/{name}"))
        assert found == Accounts(read=accepted + rejected, accepted=accepted, rejected=rejected)


def test_an_empty_batch_commits_nothing_and_growth_adds_what_is_new() -> None:
    with world(PROJECT) as place:
        path = place.lakehouse.settings.landing / "orders" / "a.csv"
        path.parent.mkdir(parents=True)
        path.write_bytes(HEADER)
        assert place.run("bronze/orders").version is None
        first = place.run("silver/orders")
        assert (first.record, place.rows("silver/orders")) == (None, [])
        for content, rows in ((b"1,,1,a\n", 1), (b"1,,1,a\n2,,x,b\n", 1), (b"1,,1,a\n2,,x,b\n3,,1,c\n", 2)):
            path.write_bytes(HEADER + content)
            place.run("bronze/orders", "silver/orders")
            assert len(place.rows("silver/orders")) == rows
        assert [row["source_row"] for row in place.rows("silver/orders__quarantine")] == [2]
        again = place.run("bronze/orders", "silver/orders")
        assert again.record is None
        path.write_bytes(HEADER + b"1,,2,a\n2,,x,b\n3,,1,c\n")
        with pytest.raises(FilesRefused, match=r"orders/a.csv: record 1 was taken already and is not what it was. Mend: .*on_change"):
            place.run("bronze/orders")

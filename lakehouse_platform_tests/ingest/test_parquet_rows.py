"""A parquet file's rows become JSON records from which every value can be told exactly; a file that is broken is refused as a whole."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_platform.contracts.types import decimal
from lakehouse_platform.ingest import content
from lakehouse_platform.medallion import bronze
from lakehouse_platform_tests.ingest.landings import Landing, landing, settle

NOON = dt.datetime(2020, 1, 1, 12, 0, 0, 123456)  # noqa: DTZ001 -- a moment without a zone is one of the cases
LIST_OF_BINARY = pa.list_(pa.struct([("c", pa.binary())]))


@pytest.fixture
def place(tmp_path: Path) -> Landing:
    return landing(tmp_path, "in/*.parquet*", "parquet")


def packed(columns: dict[str, Any], **options: Any) -> bytes:
    """A parquet file of these columns."""
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([9007199254740993], pa.int64()), "9007199254740993"),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([-128], pa.int8()), "-128"),
        (pa.array([True]), "true"),
        (pa.array([Decimal("1234567890123.45")], pa.decimal128(15, 2)), "1234567890123.45"),
        (pa.array([Decimal("1.10")], pa.decimal128(18, 3)), "1.100"),
        (pa.array([Decimal("1234567890123456789012345678.0123456789")], pa.decimal128(38, 10)), "1234567890123456789012345678.0123456789"),
        (pa.array([0.1]), "0.1"),
        (pa.array([5e-324]), "5e-324"),
        (pa.array([0.1], pa.float32()), "0.1"),
        (pa.array([float("nan")]), '"NaN"'),
        (pa.array([float("-inf")], pa.float32()), '"-Infinity"'),
        (pa.array(['é "\\\n\x00{']), r'"é \"\\\n\u0000{"'),
        (pa.array(["a"]).dictionary_encode(), '"a"'),
        (pa.array([b"\xff\x00"]), '"/wA="'),
        (pa.array([dt.date(2018, 2, 9)]), '"2018-02-09"'),
        (pa.array([dt.time(1, 2, 3, 4)]), '"01:02:03.000004"'),
        (pa.array([NOON], pa.timestamp("us")), '"2020-01-01T12:00:00.123456"'),
        (pa.array([NOON], pa.timestamp("ms")), '"2020-01-01T12:00:00.123"'),
        (pa.array([NOON.replace(tzinfo=dt.UTC)], pa.timestamp("us", "Europe/Prague")), '"2020-01-01T12:00:00.123456Z"'),
        (pa.array([10**18 + 1], pa.timestamp("ns", "UTC")), '"2001-09-09T01:46:40.000000001Z"'),
        (pa.array([[1, None]], pa.list_(pa.int32())), "[1,null]"),
        (pa.array([[1, 2]], pa.list_(pa.int32(), 2)), "[1,2]"),
        (pa.array([{"a": Decimal("0.10"), "b": [{"c": b"x"}]}], pa.struct([("a", pa.decimal128(5, 2)), ("b", LIST_OF_BINARY)])),
         '{"a":0.10,"b":[{"c":"eA=="}]}'),
        (pa.array([[("k", [1]), ('"', None)]], pa.map_(pa.string(), pa.list_(pa.int64()))), '{"k":[1],"\\"":null}'),
        (pa.array([[(1, NOON)]], pa.map_(pa.int32(), pa.timestamp("us"))), '{"1":"2020-01-01T12:00:00.123456"}'),
        (pa.array([None], pa.null()), "null"),
        (pa.array([None], pa.decimal128(5, 2)), "null"),
        (pa.array([None], pa.struct([("a", pa.int32())])), "null"),
    ],
)  # fmt: skip
def test_the_text_of_a_value(place: Landing, values: pa.Array, text: str) -> None:
    place.put("in/a.parquet", packed({"v": values}))
    place.ingest()
    assert place.records() == [f'{{"v":{text}}}']
    json.loads(text)


def test_rows_are_numbered_in_order_and_decoded_like_any_record(place: Landing) -> None:
    numbers = range(5000)
    columns = {"n": pa.array(numbers), "price": pa.array([Decimal(number) / 100 for number in numbers], pa.decimal128(28, 9)), 'a/"b': ["x"] * 5000}
    place.put("in/a[1]*?.parquet", packed(columns, row_group_size=700, compression="gzip"))
    place.ingest()
    assert place.rows("source_row, json_extract_string(raw_data, '/n')::INT + 1 = source_row, source_header, raw_bytes")[4998:] == [
        (4999, True, None, None),
        (5000, True, None, None),
    ]
    rows = place.decoded(["n", "price", 'a/"b'], 'n, price__exact, "a/""b", _decode_failure', {"price": decimal(28, 9)})
    assert rows[4999] == ("4999", Decimal("49.99"), "x", None)
    assert all(failure is None for *_, failure in rows)


def test_names_that_differ_in_case_alone_are_kept(place: Landing) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([{"x": 2}]), pa.array([3])], names=["a", "s", "A"])
    sink = io.BytesIO()
    pq.write_table(table, sink)
    place.put("in/a.parquet", sink.getvalue())
    place.ingest()
    assert place.records() == ['{"a":1,"s":{"x":2},"A":3}']


def test_a_file_without_rows_or_bytes_is_no_record(place: Landing) -> None:
    place.put("in/a.parquet", packed({"v": pa.array([], pa.int64())}))
    place.put("in/b.parquet", b"")
    assert place.ingest().version is None


def broken(whole: bytes) -> dict[str, bytes]:
    middle = len(whole) // 3
    return {
        "truncated": whole[:-100],
        "headless": whole[100:],
        "scrambled": whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 200]) + whole[middle + 200 :],
        "no_parquet": b"a,b\n1,2\n",
    }


def test_broken_files_are_named_with_their_mend_and_the_others_are_taken(place: Landing) -> None:
    whole = packed({"v": [str(number) * 5 for number in range(2000)]}, use_dictionary=False)
    for name, content_of in broken(whole).items():
        place.put(f"in/{name}.parquet", content_of)
    place.put("in/fine.parquet", packed({"v": [1]}))
    place.put("in/packed.parquet.gz", whole)
    with pytest.raises(bronze.FilesRefused) as refused:
        place.ingest()
    for name in ("truncated", "headless", "scrambled", "no_parquet"):
        assert f"in/{name}.parquet: is no whole parquet file" in str(refused.value)
    assert str(refused.value).count("Mend: ") == 5
    assert place.records() == ['{"v":1}']


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array([Decimal(10) ** 40], pa.decimal256(50, 2)), "v is a decimal of 50 digits"),
        (pa.array([[({"a": 1}, 1)]], pa.map_(pa.struct([("a", pa.int32())]), pa.int32())), "v.key is of type"),
        (pa.array([b"\xff"]).view(pa.string()), "in/a.parquet"),
    ],
)
def test_what_has_no_exact_text_is_refused(place: Landing, values: pa.Array, said: str) -> None:
    place.put("in/a.parquet", packed({"v": values}))
    with pytest.raises(bronze.FilesRefused, match=said):
        place.ingest()


def test_a_row_that_is_too_long_is_refused(place: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "LONGEST_RECORD_BYTES", 100)
    place.put("in/a.parquet", packed({"v": ["x" * 200]}))
    with pytest.raises(bronze.FilesRefused, match=r"a row is 208 bytes of JSON, more than 100"):
        place.ingest()


def test_a_file_still_being_written_is_left_for_later(place: Landing) -> None:
    whole = packed({"v": [1, 2]})
    path = place.put("in/a.parquet", whole[:-20], is_settled=False)
    assert place.ingest().version is None
    path.write_bytes(whole)
    settle(path)
    place.ingest()
    assert place.records() == ['{"v":1}', '{"v":2}']

"""Whatever bytes land, bronze gives them back record by record, and silver's decoding never fails on one of them."""

from __future__ import annotations

import csv
import io
import json
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lakehouse_platform_tests.ingest.landings import Landing, landing

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NO_LINE_ENDS = st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@FEW
@given(st.lists(st.binary(min_size=1, max_size=40).filter(lambda line: not {10, 13} & set(line)), min_size=1, max_size=20))
def test_json_lines_of_any_bytes(records: list[bytes]) -> None:
    assume(not records[0].startswith(BOM_UTF8))
    found, failures = _round_trip("json", b"\n".join(records) + b"\n", lambda place: place.decoded(["a"], "_decode_failure"))
    assert [record.encode() if isinstance(record, str) else record for record in found] == records
    assert len(failures) == len(records)


@FEW
@given(st.lists(st.binary(min_size=1, max_size=40).filter(lambda line: not {10, 13, 34} & set(line)), min_size=1, max_size=20))
def test_csv_lines_of_any_bytes(records: list[bytes]) -> None:
    found, failures = _round_trip("csv", b"x,y\n" + b"\r\n".join(records), lambda place: place.decoded(["x"], "_decode_failure"))
    assert [record.encode() if isinstance(record, str) else record for record in found] == records
    assert len(failures) == len(records)


@FEW
@given(st.lists(st.tuples(st.text(), st.text(NO_LINE_ENDS), st.text('"\n\r,a ')), min_size=1, max_size=20))
def test_csv_values_of_any_text(values: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("x", "y", "z"), *values])
    content = text.getvalue().encode("utf-8", "surrogatepass")
    _, found = _round_trip("csv", content, lambda place: place.decoded(["x", "y", "z"]))
    for row, wanted in zip(found, values, strict=True):
        try:
            "".join(wanted).encode()
        except UnicodeEncodeError:
            assert row[3] == "undecodable_bytes"
        else:
            assert row == (*wanted, None)


@FEW
@given(st.lists(st.dictionaries(st.text(max_size=5), ANY_JSON, max_size=5), min_size=1, max_size=10))
def test_json_objects_of_any_value(objects: list[dict[str, Any]]) -> None:
    content = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects).encode("utf-8", "surrogatepass")
    found, failures = _round_trip("json", content, lambda place: place.decoded([], "_decode_failure"))
    for record, (failure,), one in zip(found, failures, objects, strict=True):
        if isinstance(record, bytes):
            assert failure == "undecodable_bytes"
        else:
            assert failure is None
            assert json.loads(record) == one


def _round_trip(file_format: str, content: bytes, decode: Callable[[Landing], list[Any]]) -> tuple[list[Any], list[Any]]:
    with TemporaryDirectory() as home:
        place = landing(Path(home), "in/*", file_format)
        place.put("in/file", content)
        place.ingest()
        return place.records(), decode(place)

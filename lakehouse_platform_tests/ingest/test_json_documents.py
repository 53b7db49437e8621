"""A JSON document becomes its records, byte for byte, wherever its bytes are cut; one that is broken is refused as a whole."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lakehouse_platform.ingest import content
from lakehouse_platform.ingest.content import FileRefused
from lakehouse_platform.ingest.json_documents import documents
from lakehouse_platform.ingest.landed import LandedFile
from lakehouse_platform.medallion import bronze
from lakehouse_platform_tests.ingest.landings import Landing, landing, settle

FILE = LandedFile(Path("in/a.json"), "in/a.json")
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.sampled_from('{}[],"\\ éa\n')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from('{}[],"\\a'), max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def place(tmp_path: Path) -> Landing:
    return landing(tmp_path, "in/*.json*", "documents")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ANY_JSON, max_size=6), st.integers(1, 30), st.sampled_from([None, 2]), st.booleans())
@example([1, 23, "a,]", True], 1, None, False)
def test_the_elements_of_an_array_wherever_it_is_cut(values: list[Any], size: int, indent: int | None, ascii_only: bool) -> None:
    whole = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    found = _cut(whole, size)
    assert [json.loads(record) for record in found] == values
    at = 0
    for record in found:
        at = whole.index(record, at) + len(record)  # each stands in the file as it is, in this order


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=3), ANY_JSON, max_size=4), st.integers(1, 30))
def test_one_object_is_one_record(value: dict[str, Any], size: int) -> None:
    text = json.dumps(value, indent=4).encode()
    assert _cut(b"\n" + text + b"\r\n", size) == [text]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=3), ANY_JSON, max_size=2), min_size=1, max_size=4), st.data())
def test_what_breaks_off_is_refused(values: list[Any], data: st.DataObject) -> None:
    whole = json.dumps(values).encode()
    with pytest.raises(FileRefused, match=r"in/a.json: .*breaks off.*Mend: land it again, whole"):
        _cut(whole[: data.draw(st.integers(1, len(whole) - 1))], 7)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'{"a": 1}\n{"a": 2}\n', "byte 9, after record 1: nothing more"),
        (b'[{"a": 1}]]', "byte 10, after record 1: nothing more"),
        (b'[{"a": 1} {"a": 2}]', "byte 10, after record 1: a comma"),
        (b'[{"a": 1}, ]', "byte 11, after record 1: a record"),
        (b"[,]", "byte 1: a record, or the array's end"),
        (b"}", "byte 0: an object or an array"),
        (b"name,price\n", "byte 0: an object or an array"),
        (b'"text"', "byte 0: an object or an array"),
    ],
)
def test_another_structure_is_refused_where_it_stands(text: bytes, place: str) -> None:
    with pytest.raises(FileRefused) as refused:
        _cut(text, 4)
    assert place in str(refused.value)
    assert "format: json" in str(refused.value)


def test_memory_is_bounded_by_the_longest_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "LONGEST_RECORD_BYTES", 100)
    assert len(_cut(b"[" + b",".join([b'{"a": "%s"}' % (b"x" * 50)] * 10) + b"]", 30)) == 10
    with pytest.raises(FileRefused, match=r"byte 12, after record 1: the record that starts there is longer than 100 bytes"):
        _cut(b'[ {"a": 1}, {"a": [%s]}]' % (b"1, " * 50), 30)


def test_records_are_kept_as_they_stand(place: Landing) -> None:
    place.put("in/a.json", b'\xef\xbb\xbf{\r\n  "a": 1.10,\r\n  "b": "\xc3\xa9"\r\n}\r\n')
    place.put("in/b.json", b'[\n  {"a": 2},\n  {"a": "caf\xe9"},\n  {"a": 4,, }, 5, null, [6],\n  {"a": 7}\n]\n')
    place.put("in/c.json", b"[]")
    place.put("in/d.json", b" \n")
    place.ingest()
    assert place.rows("raw_data, raw_bytes, source_header, source_file, source_row") == [
        ('{\r\n  "a": 1.10,\r\n  "b": "é"\r\n}', None, None, "in/a.json", 1),
        ('{"a": 2}', None, None, "in/b.json", 1),
        (None, b'{"a": "caf\xe9"}', None, "in/b.json", 2),
        ('{"a": 4,, }', None, None, "in/b.json", 3),
        ("5", None, None, "in/b.json", 4),
        ("null", None, None, "in/b.json", 5),
        ("[6]", None, None, "in/b.json", 6),
        ('{"a": 7}', None, None, "in/b.json", 7),
    ]
    assert place.decoded(["a"], "a, _decode_failure") == [
        ("1.1", None), ("2", None), (None, "undecodable_bytes"), (None, "malformed_json"), *[(None, "not_an_object")] * 3, ("7", None),
    ]  # fmt: skip


def test_bytes_of_another_encoding(tmp_path: Path) -> None:
    source = landing(tmp_path, "in/*.json", "documents", encoding="cp1252")
    source.put("in/a.json", '[{"a": "café €"}]'.encode("cp1252"))
    source.ingest()
    assert source.records() == ['{"a": "café €"}']


def test_a_broken_file_is_refused_and_a_young_one_waited_for(place: Landing) -> None:
    place.put("in/good.json", b'[{"a": 1}]')
    path = place.put("in/bad.json", b'[{"a": 2}, {"a": ', is_settled=False)
    place.ingest()
    assert place.records() == ['{"a": 1}']
    settle(path)
    with pytest.raises(bronze.FilesRefused, match=r"in/bad.json: is no JSON document .*at byte 11, after record 1: the file breaks off.*Mend"):
        place.ingest()
    place.put("in/bad.json", b'[{"a": 2}, {"a": 3}]')
    place.ingest()
    assert place.records() == ['{"a": 2}', '{"a": 3}', '{"a": 1}']


def _cut(whole: bytes, size: int) -> list[bytes]:
    class Slow(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    pieces: Iterator[list[bytes]] = documents(FILE, Slow(whole))
    return [record for piece in pieces for record in piece]

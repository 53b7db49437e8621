"""JSON records become fields: text as it stands, decimals exactly; records on whose meaning readers differ are turned away."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import decimal
from lakehouse_platform.ingest.decode import missing_kind
from lakehouse_platform_tests.ingest.landings import Landing, landing


@pytest.fixture
def lines(tmp_path: Path) -> Landing:
    return landing(tmp_path, "in/*.jsonl", "json")


def put(place: Landing, *records: str | bytes) -> None:
    place.put("in/a.jsonl", b"\n".join(record if isinstance(record, bytes) else record.encode() for record in records) + b"\n")
    place.ingest()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"a"', "a"),
        ('"a\\u0000\\n\\"b"', 'a\x00\n"b'),
        ('"\\ud83d\\udc0e"', "🐎"),
        ("17", "17"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("9223372036854775807", "9223372036854775807"),
        ("1.5", "1.5"),
        ("true", "true"),
        ("null", None),
        ('""', ""),
        ('{"b": [1, 2]}', '{"b":[1,2]}'),
    ],
)
def test_the_text_of_a_value(lines: Landing, value: str, text: str | None) -> None:
    put(lines, f'{{"a": {value}}}', '{"a/~\\"b": 1}')
    assert lines.decoded(["a", 'a/~"b'], outputs='a, "a/~""b", _decode_failure') == [(text, None, None), (None, "1", None)]


@pytest.mark.parametrize(
    ("value", "number", "text"),
    [
        ("1234567890123456.123456789", Decimal("1234567890123456.123456789"), "1234567890123456.0"),
        ("1.10", Decimal("1.1"), "1.1"),
        ("0.0000000005", Decimal("0.000000001"), "5e-10"),
        ("-2.5e3", Decimal(-2500), "-2500.0"),
        ('"1234567890123456.123456789"', Decimal("1234567890123456.123456789"), "1234567890123456.123456789"),
        ('" 7 "', Decimal(7), " 7 "),
        ("true", None, "true"),
        ('"0x10"', None, "0x10"),
        ("1e40", None, "1e40"),
        ('{"b": 1}', None, '{"b":1}'),
        ("null", None, None),
    ],
)
def test_decimals_are_exact(lines: Landing, value: str, number: Decimal | None, text: str | None) -> None:
    put(lines, f'{{"a": {value}}}')
    assert lines.decoded(["a"], "a__exact, a, _decode_failure", {"a": decimal(28, 9)}) == [(number, text, None)]


@pytest.mark.parametrize(
    ("record", "failure"),
    [
        ('{"a": 1', "malformed_json"),
        ("   ", "malformed_json"),
        ('{"a": 1} {"a": 2}', "malformed_json"),
        ('{"a": "\\ud800"}', "malformed_json"),
        ("[1]", "not_an_object"),
        ("null", "not_an_object"),
        ('"{"', "not_an_object"),
        (b'{"a": "\xff"}', "undecodable_bytes"),
        ('{"a": 1, "a": 1}', "duplicate_json_key"),
        ('{"a": 1, "\\u0061": 1}', "duplicate_json_key"),
        ('{"a": {"b": 1, "b": 2}}', "duplicate_json_key"),
        ('{"a": [{"b": {"c": 1, "c": 1}}]}', "duplicate_json_key"),
        ('{"a": ' * 5_000 + "1" + "}" * 5_000, "too_deeply_nested"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "too_deeply_nested"),
        ('{"a": ' + "[" * 199 + "]" * 199 + "}", None),
        ('{"a": [' + ", ".join(['{"b": "[{[\\"{"}'] * 300) + "]}", None),
        ('  {"a": 1}', None),
        ('{"a": 1, "A": 2}', None),
        ('{"a": "{{{", "b": {"a": 1, "b": {"a": 1}}}', None),
    ],
)
@pytest.mark.parametrize("first", ['{"a": 1}', '{"a": 1, "a": 2}', "no JSON"])
def test_records_that_cannot_be_decoded(lines: Landing, record: str | bytes, failure: str | None, first: str) -> None:
    put(lines, first, record, '{"a": "after"}')
    (_, found, after) = lines.decoded(["a"], "a, _decode_failure, _decode_error")
    assert found[1] == failure
    assert (found[2] is None) == (failure is None)
    assert after == ("after", None, None)


def test_how_a_value_is_missing(lines: Landing) -> None:
    put(lines, '{"a": null}', '{"b": 1}')
    assert lines.decoded(["a"], missing_kind(lines.source, "a")) == [("null",), ("missing",)]


def test_a_query_may_name_no_field(lines: Landing) -> None:
    put(lines, '{"a": 1}', "no JSON")
    assert lines.decoded([]) == [(None,), ("malformed_json",)]

"""Change events become the row that changed, the operation and its time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.contracts.types import decimal
from lakehouse_platform.ingest.decode import missing_kind
from lakehouse_platform_tests.ingest.landings import Landing, landing


@pytest.fixture
def changes(tmp_path: Path) -> Landing:
    return landing(tmp_path, "in/*.jsonl", "json", changes="plain")


def event(**given: Any) -> dict[str, Any]:
    return {"op": "u", "ts_ms": 1604707200000, "key": "A", "before": {"id": "old"}, "after": {"id": "new"}} | given


def put(place: Landing, *events: dict[str, Any]) -> None:
    place.put("in/a.jsonl", "".join(json.dumps(one) + "\n" for one in events).encode())
    place.ingest()


def test_fields_are_of_the_row_after_or_before_a_delete(changes: Landing) -> None:
    put(changes, *(event(op=operation) for operation in "curd"))
    rows = changes.decoded(["id"], "_operation, id, _change_timestamp, _decode_failure")
    moment = datetime(2020, 11, 7, tzinfo=UTC)
    assert rows == [("c", "new", moment, None), ("u", "new", moment, None), ("r", "new", moment, None), ("d", "old", moment, None)]


def test_times_to_the_millisecond_and_before_1970(changes: Landing) -> None:
    put(changes, event(ts_ms=1), event(ts_ms=-1), event(ts_ms="1500"))
    assert changes.decoded([], "epoch_us(_change_timestamp)") == [(1000,), (-1000,), (1_500_000,)]


@pytest.mark.parametrize(
    ("given", "failure"),
    [
        ({"op": "x"}, "unknown_operation"),
        ({"op": None}, "unknown_operation"),
        ({"ts_ms": None}, "invalid_change_time"),
        ({"ts_ms": 1.5}, "invalid_change_time"),
        ({"ts_ms": 10**15 - 1}, "invalid_change_time"),
        ({"ts_ms": "soon"}, "invalid_change_time"),
        ({"after": None}, "missing_row"),
        ({"after": "row"}, "missing_row"),
        ({"op": "d", "before": None}, "missing_row"),
        ({"op": "d", "after": None}, None),
        ({"op": "c", "before": None}, None),
        ({"op": "t", "before": None, "after": None}, "truncate_not_supported"),
    ],
)
def test_envelopes_that_cannot_be_decoded(changes: Landing, given: dict[str, Any], failure: str | None) -> None:
    put(changes, event(**given))
    ((found, error),) = changes.decoded(["id"], "_decode_failure, _decode_error")
    assert found == failure
    assert (error is None) == (failure is None)


def test_a_duplicate_key_inside_a_row_is_found(changes: Landing) -> None:
    changes.put("in/a.jsonl", b'{"op": "c", "ts_ms": 1, "after": {"id": 1, "id": 2}}\n')
    changes.ingest()
    assert changes.decoded(["id"], "_decode_failure") == [("duplicate_json_key",)]


def test_decimals_and_missing_values_are_of_the_right_row(changes: Landing) -> None:
    put(changes, event(after={"id": 1.10}, before={}), event(op="d", after={"id": 1}, before={}), event(after={"id": None}, before={"id": 2}))
    rows = changes.decoded(["id"], f"id__exact, id, {missing_kind(changes.source, 'id')}", {"id": decimal(10, 2)})
    assert rows[0][:2] == (Decimal("1.10"), "1.1")
    assert rows[1:] == [(None, None, "missing"), (None, None, "null")]

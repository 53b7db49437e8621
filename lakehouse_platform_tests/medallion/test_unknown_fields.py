"""Fields that neither the query reads nor the table knows: ignored, warned of or rejected, of every kind of record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lakehouse_platform.medallion.history import versions_since
from lakehouse_platform.medallion.record import CommitRecord
from lakehouse_platform.orchestration.checks import checks_of, counted_outcomes
from lakehouse_platform.problems import ProjectError
from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import World, world

SQL = "SELECT id, name FROM bronze.things WHERE name <> 'left out'"
COLUMNS = [column("id", "INT", required=True, key=1), column("name", "STRING")]
MODES = ["ignore", "warn", "reject"]
CSV = {
    "a.csv": ["id,name", "1,one", "one more,", "7,left out"],
    "b.csv": ["id,name,colour,size", "2,two,red,XL", "3,three,blue,M", "four,x,y,z", "5,no size,red"],
    "c.csv": ["name,id,size", "six,6,S"],
}


def project(mode: str, *, file_format: str = "csv", changes: str | None = None, known: tuple[str, ...] = ()) -> Project:
    attributes: dict[str, Any] = {"refresh": "scd1" if changes else "upsert", "unknown_fields": mode, "known_fields": list(known)}
    if mode == "ignore":
        del attributes["known_fields"]
    return load(
        source("bronze/things", "things/*", file_format=file_format, changes=changes), table("silver/things", SQL, COLUMNS, gate="off", **attributes)
    )


def filled(place: World, files: Mapping[str, list[Any]]) -> CommitRecord:
    for name, records in files.items():
        place.land(f"things/{name}", records)
    record = place.run("bronze/things", "silver/things").record
    assert record is not None
    return record


def turned_away(place: World) -> dict[int, list[tuple[str, str]]]:
    """Rules and messages by the row of its file, of the rows that were rejected."""
    return {row["source_row"]: [(reason["rule"], reason["message"]) for reason in row["reasons"]] for row in place.rows("silver/things__quarantine")}


@pytest.mark.parametrize("mode", MODES)
def test_columns_of_a_csv_file_beyond_those_known(mode: str) -> None:
    with world(project(mode)) as place:
        record = filled(place, CSV)
        ids = sorted(row["id"] for row in place.rows("silver/things"))
        scores = {row["data_quality_score"] for row in place.rows("silver/things")}
        counts = {rule: count for rule, count in record.rules.items() if rule.startswith("unknown_fields")}
    assert scores == {1.0}
    match mode:
        case "ignore":
            assert (ids, counts) == ([1, 2, 3, 6], {})
        case "warn":
            # All decoded records count, also those rejected for something else; the row that is too short could not be decoded.
            assert (ids, counts) == ([1, 2, 3, 6], {"unknown_fields": 4, "unknown_fields.size": 4, "unknown_fields.colour": 3})
        case _:
            assert (ids, counts) == ([1], {"unknown_fields": 4})


def test_a_rejected_record_names_its_fields_beside_its_other_reasons() -> None:
    with world(project("reject", known=("size",))) as place:
        filled(place, {"b.csv": CSV["b.csv"]})
        assert turned_away(place) == {
            1: [("unknown_fields", "holds fields that nobody knows: colour")],
            2: [("unknown_fields", "holds fields that nobody knows: colour")],
            3: [("id_type", "is no INT as it stands"), ("unknown_fields", "holds fields that nobody knows: colour")],
            4: [("wrong_field_count", "has 3 fields, the header has 4")],
        }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file_format", ["json", "documents"])
def test_keys_of_json_beyond_those_known(mode: str, file_format: str) -> None:
    other_case = {"id": 2, "name": "x", "Name": "x", "nested": {"id": 1}}
    records = [{"id": 1, "name": "x"}, other_case, {"id": 3, "name": {"deep": 1}}]
    with world(project(mode, file_format=file_format, known=("seen", "nested"))) as place:
        record = filled(place, {"a": records if file_format == "json" else [json.dumps(records)]})
        ids = sorted(row["id"] for row in place.rows("silver/things"))
    assert ids == ([1, 3] if mode == "reject" else [1, 2, 3])
    if mode != "ignore":
        assert record.rules["unknown_fields"] == 1


@pytest.mark.parametrize("mode", MODES)
def test_fields_of_change_events_but_not_of_deletes(mode: str) -> None:
    def event(operation: str, number: int, **more: Any) -> dict[str, Any]:
        state = {"id": number, "name": "x", **more}
        before, after = (state, None) if operation == "d" else (None, state)
        return {"op": operation, "ts_ms": 1_704_067_200_000 + number, "key": number, "before": before, "after": after, "source": "s"}

    events = [event("c", 1), event("c", 2, colour="red"), event("c", 3), event("d", 3, colour="red")]
    with world(project(mode, file_format="json", changes="plain")) as place:
        record = filled(place, {"a.jsonl": events})
        ids = sorted(row["id"] for row in place.rows("silver/things"))
    assert ids == ([1] if mode == "reject" else [1, 2])
    if mode != "ignore":
        assert record.rules["unknown_fields"] == 1


@pytest.mark.parametrize(("mode", "severity", "passes"), [("warn", "warning", False), ("reject", "error", False), ("ignore", None, None)])
def test_the_check_counts_and_names_them(mode: str, severity: str | None, passes: bool | None) -> None:
    with world(project(mode)) as place:
        filled(place, CSV)
        (known,) = place.lakehouse.project.tables.values()
        (entry,) = [entry for entry in versions_since(place.lakehouse, known.name) if entry.record is not None]
        assert entry.record is not None
        outcomes = {outcome.check.name: outcome for outcome in counted_outcomes(known, entry.record)}
    assert outcomes["decoding"].metadata["failing_rows"] == 1
    if severity is None:
        assert "unknown_fields" not in {check.name for check in checks_of(known)}
        return
    found = outcomes["unknown_fields"]
    assert (found.check.severity, found.passed, found.check.blocks, found.metadata["failing_rows"]) == (severity, passes, False, 4)
    named = {key for key in found.metadata if key.startswith("failing_rows ")}
    assert named == ({"failing_rows unknown_fields.size", "failing_rows unknown_fields.colour"} if mode == "warn" else set())


def test_only_what_rejects_rows_makes_other_code() -> None:
    versions = {
        given: project(*given[:1], known=given[1:]).tables["silver/things"].code_version
        for given in [("ignore",), ("warn",), ("warn", "size"), ("reject",), ("reject", "size")]
    }
    assert versions["ignore",] == versions["warn",] == versions["warn", "size"]
    assert len(set(versions.values())) == 3


@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("silver/things", {"known_fields": ["size"], "refresh": "append"}, "known_fields says nothing"),
        ("gold/things", {"unknown_fields": "warn", "refresh": "replace"}, "are of records"),
        ("silver/things", {"unknown_fields": "shout", "refresh": "append"}, "unknown_fields"),
    ],
)
def test_mistakes(name: str, attributes: dict[str, Any], message: str) -> None:
    below = [] if name.startswith("silver") else [table("silver/base", SQL, COLUMNS, refresh="append")]
    sql = SQL if name.startswith("silver") else "SELECT id, name FROM silver.base"
    with pytest.raises(ProjectError, match=message):
        load(source("bronze/things", "things/*", file_format="csv"), *below, table(name, sql, COLUMNS, **attributes))

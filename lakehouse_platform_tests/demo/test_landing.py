"""The demo's files land whole, once, where the shipped products look for them."""

from __future__ import annotations

import csv
import gzip
import json
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from lakehouse_platform.demo.landing import generate, land
from lakehouse_platform.problems import LakehouseError


def files_of(landing: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path.relative_to(landing)): (path.stat().st_mtime_ns, path.read_bytes()) for path in landing.rglob("*") if path.is_file()}


def test_generated_files_are_the_same_each_time_and_written_once(tmp_path: Path) -> None:
    counts = land(tmp_path / "one", None)
    first = files_of(tmp_path / "one")
    assert sorted(counts) == ["activity", "airports", "retail", "sensors"]
    assert sum(counts.values()) == len(first)
    assert land(tmp_path / "one", None) == counts
    assert files_of(tmp_path / "one") == first
    land(tmp_path / "two", None)
    assert {name: content for name, (_, content) in files_of(tmp_path / "two").items()} == {name: content for name, (_, content) in first.items()}
    generate(tmp_path / "three", seed=7)
    assert files_of(tmp_path / "three")["retail/generated-2010-12-01.csv"][1] != first["retail/generated-2010-12-01.csv"][1]


def test_generated_retail_has_the_dirt_of_the_real_one(tmp_path: Path) -> None:
    land(tmp_path, None)
    rows = [
        row
        for path in sorted((tmp_path / "retail").iterdir())
        for row in csv.DictReader(path.read_text(encoding="utf-8-sig", errors="replace").splitlines())
        if None not in row.values()
    ]
    assert len(rows) > 8_000
    assert len({tuple(row.values()) for row in rows}) < len(rows) - 50
    assert any(row["InvoiceNo"].startswith("C") and row["Quantity"].startswith("-") for row in rows)
    assert any(row["UnitPrice"].startswith("-") for row in rows)
    assert 0.1 < sum(row["CustomerID"] == "" for row in rows) / len(rows) < 0.4
    assert all(row["CustomerID"].endswith(".0") for row in rows if row["CustomerID"])
    assert any('"' in row["Description"] for row in rows)


def test_generated_events_are_late_doubled_and_broken(tmp_path: Path) -> None:
    land(tmp_path, None)
    lines = (tmp_path / "activity/generated-1.jsonl").read_bytes().splitlines()
    lines += gzip.decompress((tmp_path / "activity/generated-2.jsonl.gz").read_bytes()).splitlines()
    assert len(set(lines)) < len(lines)
    assert len([line for line in lines if not _is_json(line)]) >= 2
    assert any(b"user_status" in line for line in lines)


def test_generated_changes_follow_from_each_other(tmp_path: Path) -> None:
    land(tmp_path, None)
    assert sorted(path.name for path in (tmp_path / "airports").iterdir())[0] == "generated-1-snapshot.jsonl"
    changes = gzip.decompress((tmp_path / "airports/generated-2-changes.jsonl.gz").read_bytes()).splitlines()
    events = [json.loads(line) for line in changes]
    deleted = {event["key"] for event in events if event["op"] == "d"}
    assert deleted & {event["key"] for event in events if event["op"] == "c"}
    assert [event["ts_ms"] for event in events if isinstance(event["ts_ms"], int)] != sorted(
        event["ts_ms"] for event in events if isinstance(event["ts_ms"], int)
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a little of each known data set."""
    folder = tmp_path / "data"
    for name, content in {
        "online_retail/by-day/2010-12-01.csv": b"InvoiceNo\n1\n",
        "online_retail/LICENSE.md": b"free",
        "nab/data/realTweets/GOOG.csv": b"timestamp,value\n",
        "nab/data/README.md": b"read",
        "git_commits/file_changes.jsonl.gz": gzip.compress(b"{}\n"),
        "airports_cdc/airports_2020-11-06.csv.gz": gzip.compress('"icao","name"\n"AAAA","Şı ""x"""\n'.encode()),
        "airports_cdc/airports_2021-04-25.csv.gz": gzip.compress(b'"icao","name"\n"AAAA","later"\n'),
        "airports_cdc/cdc_events.jsonl.gz": gzip.compress(b"{}\n"),
        "unknown.txt": b"?",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    _pack(folder, "online_retail.tar.gz", ["online_retail"])
    _pack(folder, "nab.tar.gz", ["nab"])
    return folder


def test_known_data_sets_are_unpacked(tmp_path: Path, data: Path) -> None:
    assert land(tmp_path / "landing", data) == {"retail": 1, "activity": 1, "airports": 2, "sensors": 1}
    first = files_of(tmp_path / "landing")
    assert sorted(first) == [
        "activity/file_changes.jsonl.gz",
        "airports/2020-11-06_snapshot.jsonl",
        "airports/cdc_events.jsonl.gz",
        "retail/2010-12-01.csv",
        "sensors/realTweets/GOOG.csv",
    ]
    event = {"op": "r", "ts_ms": 1604620800000, "version": "20201106", "key": "AAAA", "before": None, "after": {"icao": "AAAA", "name": 'Şı "x"'}}
    assert json.loads(first["airports/2020-11-06_snapshot.jsonl"][1]) == event
    land(tmp_path / "landing", data)
    assert files_of(tmp_path / "landing") == first


def test_landed_files_need_not_settle(tmp_path: Path) -> None:
    land(tmp_path, None)
    assert all(path.stat().st_mtime < time.time() - 3600 for path in tmp_path.rglob("*.csv"))


def test_a_kill_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", _kill)
        with pytest.raises(KeyboardInterrupt):
            land(tmp_path, None)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".")] == []
    land(tmp_path, None)
    assert [path.name for path in tmp_path.rglob(".*")] == []


def test_a_folder_with_nothing_known_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LakehouseError, match=r"holds none of online_retail.tar.gz"):
        land(tmp_path / "landing", tmp_path)


def _pack(folder: Path, name: str, members: Sequence[str]) -> None:
    with tarfile.open(folder / name, "w:gz") as archive:
        for member in members:
            archive.add(folder / member, member)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _kill(*_: object) -> None:
    raise KeyboardInterrupt

"""Files by location: the same on this machine's disk and in an object store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse_platform.problems import TransientFault
from lakehouse_platform.storage import files, objects
from lakehouse_platform_tests.faulty_store import Fault, FaultyStore

# What hive paths and people make of names; `%20` stands in storage as it stands here.
HOSTILE = ("d=a%20b/part.parquet", "d=a b/ü ☃.txt", "d=x+y&z=1/#?.json", "d=%2F/f")


@pytest.fixture(params=["disk", pytest.param("object store", marks=pytest.mark.s3)])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder that has no files yet."""
    return str(tmp_path / "below") if request.param == "disk" else f"{request.getfixturevalue('bucket')}/some/below"


def test_a_folder_that_is_not_there_is_empty(folder: str) -> None:
    assert list(files.walk(folder)) == []
    assert files.listed(folder) == []
    assert files.folders(folder) == []
    assert files.read(f"{folder}/x") is None
    assert files.size_bytes(f"{folder}/x") is None
    assert not files.exists(f"{folder}/x")
    files.delete([f"{folder}/x", f"{folder}/y/z"])


def test_a_file_is_found_by_every_way_to_look(folder: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    assert files.put(f"{folder}/a/b/c.json", b"{}")
    assert files.put(f"{folder}/top", b"12345")
    assert {(file.path, file.size_bytes) for file in files.walk(folder)} == {("a/b/c.json", 2), ("top", 5)}
    assert [(file.path, file.size_bytes) for file in files.listed(folder)] == [("top", 5)]
    assert [file.path for file in files.listed(f"{folder}/a/b")] == ["c.json"]
    assert files.folders(folder) == ["a"]
    assert files.folders(f"{folder}/a") == ["b"]
    assert files.read(f"{folder}/top") == b"12345"
    assert files.size_bytes(f"{folder}/a/b/c.json") == 2
    assert all(before <= file.modified <= datetime.now(UTC) + timedelta(seconds=5) for file in files.walk(folder))


def test_a_folder_is_no_prefix(folder: str) -> None:
    files.put(f"{folder}/t/a", b"1")
    files.put(f"{folder}/t__changes/b", b"2")
    assert [file.path for file in files.walk(f"{folder}/t")] == ["a"]
    assert [file.path for file in files.listed(f"{folder}/t")] == ["a"]
    assert files.folders(folder) == ["t", "t__changes"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_what_stands_in_storage(folder: str, name: str) -> None:
    location = f"{folder}/{name}"
    assert files.put(location, b"here")
    (found,) = files.walk(folder)
    assert found.path == name
    assert files.read(f"{folder}/{found.path}") == b"here"
    files.delete([location])
    assert not files.exists(location)


def test_a_name_is_taken_once(folder: str) -> None:
    assert files.put(f"{folder}/log/0.json", b"first", if_absent=True)
    assert not files.put(f"{folder}/log/0.json", b"second", if_absent=True)
    assert files.read(f"{folder}/log/0.json") == b"first"
    assert files.put(f"{folder}/log/0.json", b"third")
    assert files.read(f"{folder}/log/0.json") == b"third"
    assert [file.path for file in files.listed(f"{folder}/log")] == ["0.json"]


def test_of_many_who_put_one_name_at_once_one_wins(folder: str) -> None:
    def put(number: int) -> list[int]:
        return [name for name in range(5) if files.put(f"{folder}/{name}", str(number).encode(), if_absent=True)]

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(put, range(8)))
    assert sorted(name for names in won for name in names) == list(range(5))
    for number, names in enumerate(won):
        for name in names:
            assert files.read(f"{folder}/{name}") == str(number).encode()


@pytest.mark.parametrize("count", [3, 30])
def test_sizes_of_those_that_are_there(folder: str, count: int) -> None:
    files.put(f"{folder}/elsewhere/own.parquet", b"123")
    for number in range(count):
        files.put(f"{folder}/t/d={number}/x.parquet", b"0" * number)
    locations = [f"{folder}/t/d={number}/x.parquet" for number in range(count)]
    asked = [*locations, f"{folder}/t/gone", f"{folder}/elsewhere/own.parquet"]
    expected = {location: number for number, location in enumerate(locations)} | {f"{folder}/elsewhere/own.parquet": 3}
    assert files.sizes(f"{folder}/t", asked) == expected
    assert files.sizes(f"{folder}/nowhere", [f"{folder}/nowhere/{number}" for number in range(count)]) == {}


def test_deleting_takes_those_files_alone(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_DELETED_AT_ONCE", 10)
    names = [f"{folder}/{number}" for number in range(25)]
    for name in names:
        files.put(name, b"")
    files.delete([*names[1:], f"{folder}/never"])
    assert [file.path for file in files.walk(folder)] == ["0"]


def test_many_sizes_take_one_list(bucket: str, faulty: FaultyStore) -> None:
    locations = [f"{bucket}/t/{number}.parquet" for number in range(50)]
    for location in locations:
        files.put(location, b"12")
    faulty.requests.clear()
    assert len(files.sizes(f"{bucket}/t", locations)) == 50
    assert [request.method for request in faulty.requests] == ["GET"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_store_that_fails_is_a_transient_fault_that_names_the_file(bucket: str, faulty: FaultyStore, when: str) -> None:
    faulty.fail(Fault("before" if when == "before" else "after", "PUT", "/x", status=503))
    with pytest.raises(TransientFault, match=rf"{bucket}/x: the object store did not answer as it should.*503"):
        files.put(f"{bucket}/x", b"content")
    assert files.read(f"{bucket}/x") == (None if when == "before" else b"content")


def test_a_fault_that_passes_is_not_seen_by_the_caller(bucket: str, faulty: FaultyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_STORE_RETRIES", "3")
    fault = faulty.fail(Fault("before", "PUT", "/x", times=2))
    assert files.put(f"{bucket}/x", b"content")
    assert fault.hit == 2
    assert files.read(f"{bucket}/x") == b"content"


def test_an_answer_that_never_comes_is_a_fault(bucket: str, faulty: FaultyStore) -> None:
    faulty.fail(Fault("after", "PUT", "/x", status=None))
    with pytest.raises(TransientFault, match="error sending request"):
        files.put(f"{bucket}/x", b"content")
    assert files.read(f"{bucket}/x") == b"content"

"""A file from anywhere lands whole, under a name of its source's files, and only where it would be taken."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lakehouse_platform.ingest.content import FileRefused
from lakehouse_platform.ingest.landing_name import NoName, landing_name
from lakehouse_platform.medallion.arrival import put
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.ingest.landings import NAME, Landing, landing

NOWHERE = Path("nowhere")


@pytest.fixture
def csv(tmp_path: Path) -> Landing:
    return landing(tmp_path / "home", "in/*.csv", "csv")


@pytest.fixture
def given(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / "elsewhere" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    return write


def names(place: Landing) -> list[str]:
    """Every file below the landing folder, also those set aside."""
    root = place.lakehouse.settings.landing
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("pattern", "file_name", "name", "values", "found"),
    [
        ("in/*.csv", "a.csv", None, {}, "in/a.csv"),
        ("*", "a.csv", None, {}, "a.csv"),
        ("in/*.csv", "a.txt", "b.csv", {}, "in/b.csv"),
        ("in/*.csv", "a.txt", "in/b.csv", {}, "in/b.csv"),
        ("in/{group}/{sensor}.csv", "s1.csv", None, {"group": "g"}, "in/g/s1.csv"),
        ("in/{group}/{sensor}.csv", "data.csv", None, {"group": "g", "sensor": "s2"}, "in/g/s2.csv"),
        ("in/{group}/{sensor}.csv", "data.csv", "in/g/s3.csv", {}, "in/g/s3.csv"),
        ("in/*/{day}-*.csv", "x.csv", "in/a/mo-1.csv", {"day": "mo"}, "in/a/mo-1.csv"),
        ("in/{day}-*.csv", "mo-1.csv", None, {"day": "mo"}, "in/mo-1.csv"),
        ("in/all.csv", "a.csv", None, {}, "in/all.csv"),
        ("in/*.csv*", "a.csv.gz", None, {}, "in/a.csv.gz"),
    ],
)
def test_the_name_that_a_file_lands_under(pattern: str, file_name: str, name: str | None, values: Mapping[str, str], found: str) -> None:
    assert landing_name(landing(NOWHERE, pattern, "csv").source, file_name, name=name, values=values) == found


@pytest.mark.parametrize(
    ("pattern", "file_name", "name", "values", "said"),
    [
        ("in/*.csv", "a.txt", None, {}, r"a.txt does not match \*.csv.*--as NAME.csv"),
        ("in/{group}/{sensor}.csv", "s1.csv", None, {}, "needs group. Mend: --value group="),
        ("in/{group}/{sensor}.csv", "s1.csv", None, {"groop": "g"}, "has no groop"),
        ("in/{group}/{sensor}.csv", "s1.csv", None, {"group": "a/b"}, "no part of a path"),
        ("in/{group}/{sensor}.csv", "s1.csv", None, {"group": ".."}, "no part of a path"),
        ("in/{group}/{sensor}.csv", "s1.csv", "in/../s1.csv", {}, "is no name"),
        ("in/{group}/{sensor}.csv", "s1.csv", "in/h/s1.csv", {"group": "g"}, "another group"),
        ("in/{day}-*.csv", "tu-1.csv", None, {"day": "mo"}, r"does not match mo-\*.csv"),
        ("in/*/*.csv", "a.csv", None, {}, "leaves its folder open.*--as in/NAME/NAME.csv"),
        ("in/*.csv", "a.csv", "out/a.csv", {}, "is no name"),
        ("in/*.csv", "a.csv", ".a.csv", {}, "is no name"),
        ("in/*.csv", "/etc/a.csv", "/in/a.csv", {}, "is no name"),
        ("in/*.csv", "a.csv.gz", "a.csv", {}, "known as packed"),
        ("in/*", "a.csv", "a.zst", {}, "known as packed"),
    ],
)
def test_a_name_that_cannot_be_told(pattern: str, file_name: str, name: str | None, values: Mapping[str, str], said: str) -> None:
    with pytest.raises(NoName, match=said):
        landing_name(landing(NOWHERE, pattern, "csv").source, file_name, name=name, values=values)


def test_a_file_lands_at_rest_and_is_taken_whole(csv: Landing, given: Callable[[str, bytes], Path]) -> None:
    path = given("a.csv", b"x\n1\n2")
    arrival = put(csv.lakehouse, NAME, path)
    assert (arrival.source_file, arrival.what, names(csv)) == ("in/a.csv", "landed", ["in/a.csv"])
    csv.ingest()
    assert csv.records() == ["1", "2"]  # the last record has no line end, and nobody waits for one
    assert path.read_bytes() == b"x\n1\n2"


def test_content_that_is_there_or_was_taken_does_not_land_again(csv: Landing, given: Callable[[str, bytes], Path]) -> None:
    landed = csv.put("in/a.csv", b"x\n1\n")
    assert put(csv.lakehouse, NAME, landed).what == "was landed before"
    assert put(csv.lakehouse, NAME, given("a.csv", b"x\n1\n")).what == "was landed before"
    csv.ingest()
    landed.unlink()
    for name in ("a.csv", "b.csv"):
        assert put(csv.lakehouse, NAME, given(name, b"x\n1\n")).what == "was taken already"
    assert put(csv.lakehouse, NAME, given("empty.csv", b"")).what == "holds no record"
    assert put(csv.lakehouse, NAME, given("header.csv", b"x\r\n")).what == "holds no record after its header"
    assert names(csv) == []


@pytest.mark.parametrize("content", [b"x,y\r1,2\r", b"x,y\r1,2\r3,4", b"x,y\r1,2\r\n"])
def test_lines_that_end_in_cr_alone_are_refused(csv: Landing, given: Callable[[str, bytes], Path], content: bytes) -> None:
    told = r"in/a.csv: holds no record after its header, since its lines end in CR alone. Mend: .* LF or CRLF"
    with pytest.raises(FileRefused, match=told):
        put(csv.lakehouse, NAME, given("a.csv", content))
    assert names(csv) == []
    csv.put("in/a.csv", content)
    csv.put("in/b.csv", b"x,y\n1,2\n")
    with pytest.raises(LakehouseError, match=told):
        csv.ingest()
    assert csv.records() == ["1,2"]


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("content", [b"x\n7\n", b"x\n1\n2\n"])
def test_a_name_that_other_content_has_is_refused(csv: Landing, given: Callable[[str, bytes], Path], content: bytes, is_there: bool) -> None:
    landed = csv.put("in/a.csv", b"x\n1\n")
    csv.ingest()
    if not is_there:
        landed.unlink()
    with pytest.raises(LakehouseError, match=r"in/a.csv: another content has that name; nothing was done. Mend: .*--as"):
        put(csv.lakehouse, NAME, given("a.csv", content))
    assert names(csv) == (["in/a.csv"] if is_there else [])
    assert put(csv.lakehouse, NAME, given("a.csv", content), name="b.csv").what == "landed"


def test_two_commands_at_once_with_one_name(csv: Landing, given: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    link, both = os.link, threading.Barrier(2)

    def link_together(*paths: Path) -> None:
        both.wait(10)
        link(*paths)

    monkeypatch.setattr(os, "link", link_together)
    ends: list[str] = []

    def run(name: str) -> None:
        try:
            ends.append(put(csv.lakehouse, NAME, given(name, b"x\n%s\n" % name.encode()), name="a.csv").what)
        except LakehouseError as error:
            ends.append(str(error))

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(end.split(";")[0] for end in ends) == ["in/a.csv: another content has that name", "landed"]
    assert names(csv) == ["in/a.csv"]


def test_a_broken_file_does_not_land(tmp_path: Path, given: Callable[[str, bytes], Path]) -> None:
    place = landing(tmp_path / "home", "in/*", "csv")
    with pytest.raises(FileRefused, match=r"in/a.csv.gz: is no whole gzip file.*Mend"):
        put(place.lakehouse, NAME, given("a.csv.gz", gzip.compress(b"x\n1\n" * 100)[:-9]))
    assert names(place) == []


def test_a_kill_while_it_is_copied_leaves_nothing_that_is_taken(
    csv: Landing, given: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr(os, "fsync", killed)
        killing.setattr(Path, "unlink", lambda *_, **__: None)  # a process that is killed cleans nothing up
        with pytest.raises(KeyboardInterrupt):
            put(csv.lakehouse, NAME, given("a.csv", b"x\n1\n"))
    assert len(names(csv)) == 1
    assert csv.ingest().version is None
    assert put(csv.lakehouse, NAME, given("a.csv", b"x\n1\n")).what == "landed"


def test_a_landing_folder_that_cannot_be_written(csv: Landing, given: Callable[[str, bytes], Path]) -> None:
    csv.lakehouse.settings.landing.parent.mkdir(parents=True)
    csv.lakehouse.settings.landing.write_bytes(b"a file in the folder's place")
    with pytest.raises(LakehouseError, match="cannot be landed"):
        put(csv.lakehouse, NAME, given("a.csv", b"x\n1\n"))

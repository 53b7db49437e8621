"""Files become bronze records: all of them, once, as they came, whatever happens in between."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import pytest

from lakehouse_platform.delta import commit as delta_commit
from lakehouse_platform.delta.log import commits
from lakehouse_platform.ingest.records import RecordStream
from lakehouse_platform.medallion import bronze
from lakehouse_platform.medallion.record import record_of
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.ingest.landings import NAME, Landing, landing, settle


@pytest.fixture
def csv(tmp_path: Path) -> Landing:
    return landing(tmp_path, "in/*.csv*", "csv")


@pytest.fixture
def lines(tmp_path: Path) -> Landing:
    return landing(tmp_path, "in/*.jsonl*", "json")


def test_records_and_their_metadata(csv: Landing) -> None:
    csv.put("in/a.csv", b"x,y\n1,2\n3,4\n")
    csv.put("in/b.csv", b"y,x\n5,6\n")
    result = csv.ingest()
    assert csv.rows("raw_data, raw_bytes, source_header, source_file, source_row") == [
        ("1,2", None, "x,y", "in/a.csv", 1),
        ("3,4", None, "x,y", "in/a.csv", 2),
        ("5,6", None, "y,x", "in/b.csv", 1),
    ]
    (metadata,) = set(csv.rows("batch_id, ingestion_timestamp::DATE = ingestion_date, length(content_hash) = 64"))
    assert result.record is not None
    assert metadata == (result.record.batch_id, True, True)
    assert (result.version, result.files_read, result.rows_read) == (0, 2, 3)
    assert list(result.record.partitions.values()) == [3]


def test_the_commit_says_what_it_took_and_the_table_only_grows(csv: Landing) -> None:
    csv.put("in/a.csv", b"x\n1\n")
    csv.ingest()
    snapshot = csv.lakehouse.snapshot(NAME)
    assert snapshot is not None
    assert snapshot.configuration["delta.appendOnly"] == "true"
    assert snapshot.partition_columns == ("ingestion_date",)
    (logged,) = [record_of(commit.metadata) for commit in commits(snapshot.location)]
    assert logged is not None
    assert (logged.step, logged.rows, logged.notes) == ("ingest", 1, {"files": 1, "bytes": 4})
    assert not {"raw_data", "source_header"} & set(snapshot.files[0].maximums)


def test_nothing_new_commits_nothing(csv: Landing) -> None:
    assert csv.ingest().version is None
    csv.put("in/a.csv", b"x\n1\n")
    csv.ingest()
    again = csv.ingest()
    assert (again.version, again.record, again.rows_read) == (0, None, 0)


def test_one_commit_takes_many_files(csv: Landing) -> None:
    for number in range(60):
        csv.put(f"in/{number}.csv", f"x\n{number}\n".encode())
    assert csv.ingest().version == 0
    assert sorted(int(value) for (value,) in csv.rows()) == list(range(60))


def test_a_limit_takes_some_files_now_and_the_others_next_time(csv: Landing) -> None:
    for number in range(3):
        csv.put(f"in/{number}.csv", f"x\n{number}\n".encode())
    assert [csv.ingest(limit_files=2).rows_read for _ in range(3)] == [2, 1, 0]


def test_known_content_is_skipped_under_any_name(csv: Landing) -> None:
    csv.put("in/a.csv", b"x\n1\n")
    csv.put("in/copy.csv", b"x\n1\n")
    csv.ingest()
    csv.put("in/renamed.csv.gz", gzip.compress(b"x\n1\n"))
    csv.put("in/still_fresh.csv", b"x\n1\n", is_settled=False)
    csv.ingest()
    assert csv.rows("source_file, raw_data") == [("in/a.csv", "1")]


def test_equal_content_of_other_path_values_is_other_content(tmp_path: Path) -> None:
    sensors = landing(tmp_path, "in/{place}/{sensor_id}.csv", "csv")
    sensors.put("in/hall/a.csv", b"x\n1\n")
    sensors.put("in/hall/b.csv", b"x\n1\n")
    sensors.put("in/ha/lla.csv", b"x\n1\n")
    sensors.ingest()
    assert sensors.rows("place, sensor_id, raw_data") == [("ha", "lla", "1"), ("hall", "a", "1"), ("hall", "b", "1")]


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"x,y\r\n1,2\r\n3,4\n5,6\r\n", ["1,2", "3,4", "5,6"]),
        (b"\xef\xbb\xbfx,y\n1,2\n", ["1,2"]),
        (b'x,y\n"a\nb","c\r\n""d"\n3,4\n', ['"a\nb","c\r\n""d"', "3,4"]),
        (b'"x\nz",y\n1,2\n', ["1,2"]),
        (b"x,y\n\n1,2\n\r\n3,4\n\n", ["1,2", "3,4"]),
        (b"x\n1\n\n2\n", ["1", "", "2"]),
        (b"x,y\n1,2\n3,4", ["1,2", "3,4"]),
        (b"x,y\ncaf\xe9,2\n3,4\n", [b"caf\xe9,2", "3,4"]),
        (b'x,y\n1,"2\n3,4\n5,6', ['1,"2\n3,4\n5,6']),
        (b"x,y\n\x00,2\n", ["\x00,2"]),
        (b"x,y\n", []),
        (b"", []),
    ],
)
def test_what_a_record_is(csv: Landing, content: bytes, records: list[str | bytes]) -> None:
    csv.put("in/a.csv", content)
    csv.ingest()
    assert csv.records() == records


def test_a_byte_order_mark_belongs_to_no_record(tmp_path: Path) -> None:
    lines = landing(tmp_path, "in/*.jsonl", "json", on_change="append")
    lines.put("in/a.jsonl", b'\xef\xbb\xbf{"a":1}\n')
    lines.ingest()
    lines.put("in/a.jsonl", b'\xef\xbb\xbf{"a":2}\n')
    lines.ingest()
    assert lines.records() == ['{"a":1}', '{"a":2}']


def test_headers_lose_their_byte_order_mark_and_line_end(csv: Landing) -> None:
    csv.put("in/a.csv", b"\xef\xbb\xbfx,y\r\n1,2\r\n")
    csv.ingest()
    assert csv.rows("source_header") == [("x,y",)]


@pytest.mark.parametrize(
    ("encoding", "content", "record"),
    [("cp1252", b"\x80 5", "€ 5"), ("cp1252", b"\x81", b"\x81"), ("latin-1", b"caf\xe9\x80", "café\x80")],
)
def test_encodings(tmp_path: Path, encoding: str, content: bytes, record: str | bytes) -> None:
    source = landing(tmp_path, "in/*.csv", "csv", encoding=encoding)
    source.put("in/a.csv", b"pri\xe9,y\n" + content + b",ok\n\xe9,ok\n")
    source.ingest()
    assert source.records() == [record + ",ok" if isinstance(record, str) else record + b",ok", "é,ok"]
    assert source.rows("source_header")[0] == ("prié,y",)


def test_records_across_chunks(csv: Landing) -> None:
    records = [f'{number},"{"long " * (number % 500)}\n{"x" * (number % 3000)}"' for number in range(1500)]
    content = "n,text\n" + "\n".join(records) + "\n"
    assert len(content) > 2 << 20
    csv.put("in/a.csv.gz", gzip.compress(content.encode()))
    csv.ingest()
    assert csv.records() == records


def test_an_unterminated_record_waits_until_the_file_rests(lines: Landing) -> None:
    path = lines.put("in/a.jsonl", b'{"a":1}\n{"a":', is_settled=False)
    lines.ingest()
    assert lines.records() == ['{"a":1}']
    path.write_bytes(b'{"a":1}\n{"a":2}')
    lines.ingest()
    assert lines.records() == ['{"a":1}']
    settle(path)
    lines.ingest()
    lines.ingest()
    assert lines.rows("raw_data, source_row") == [('{"a":1}', 1), ('{"a":2}', 2)]


@pytest.mark.parametrize("name", ["in/a.jsonl", "in/a.jsonl.gz"])
def test_growth_adds_the_new_records(lines: Landing, name: str) -> None:
    content = b""
    for added in (b'{"a":1}\n{"a":2}\n', b'{"a":3}', b'\n{"a":4}\r\n', b"\n", b'{"a":5}\n'):
        content += added
        lines.put(name, gzip.compress(content) if name.endswith(".gz") else content)
        lines.ingest()
    assert lines.rows("raw_data, source_row") == [(f'{{"a":{number}}}', number) for number in range(1, 6)]


@pytest.mark.parametrize(
    ("changed", "record"),
    [(b"x\n1\n7\n", "record 2"), (b"x\n1\n", "record 2"), (b"x\n1\n22\n", "record 2"), (b"z\n1\n2\n", "the header")],
)
def test_changed_content_is_refused_and_named(csv: Landing, changed: bytes, record: str) -> None:
    csv.put("in/a.csv", b"x\n1\n2")
    csv.ingest()
    csv.put("in/a.csv", changed)
    csv.put("in/b.csv", b"x\n9\n")
    with pytest.raises(bronze.FilesRefused, match=rf"in/a.csv: {record}.*on_change"):
        csv.ingest()
    assert csv.rows("source_file, raw_data") == [("in/a.csv", "1"), ("in/a.csv", "2"), ("in/b.csv", "9")]


def test_an_open_quote_at_the_end_that_goes_on_is_changed_content(csv: Landing) -> None:
    csv.put("in/a.csv", b'x,y\n1,"2\n')
    csv.ingest()
    csv.put("in/a.csv", b'x,y\n1,"2\n3"\n')
    with pytest.raises(bronze.FilesRefused, match="record 1"):
        csv.ingest()


def test_changed_content_can_be_appended(tmp_path: Path) -> None:
    source = landing(tmp_path, "in/*.csv", "csv", on_change="append")
    source.put("in/a.csv", b"x\n1\n2\n")
    source.ingest()
    source.put("in/a.csv", b"x\n1\n7\n")
    source.ingest()
    assert source.rows("raw_data, source_row") == [("1", 1), ("2", 2), ("1", 3), ("7", 4)]
    source.put("in/a.csv", b"x\n1\n7\n8\n")
    source.ingest()
    assert source.rows("raw_data, source_row")[4:] == [("8", 5)]


def test_changed_content_can_replace_the_old(tmp_path: Path) -> None:
    source = landing(tmp_path, "in/*.csv", "csv", on_change="replace")
    source.put("in/a.csv", b"x\n1\n2\n")
    source.put("in/b.csv", b"x\n3\n")
    source.ingest()
    source.put("in/a.csv", b"x\n1\n7\n")
    result = source.ingest()
    assert source.rows("source_file, source_row, raw_data") == [("in/a.csv", 1, "1"), ("in/a.csv", 2, "7"), ("in/b.csv", 1, "3")]
    assert result.record is not None
    assert list(result.record.partitions.values()) == [3]


def test_replaced_content_that_comes_back_is_taken_again(tmp_path: Path) -> None:
    source = landing(tmp_path, "in/*.csv", "csv", on_change="replace")
    for content in (b"x\n1\n", b"x\n2\n", b"x\n1\n", b"x\n2\n3\n", b"x\n2\n"):
        source.put("in/a.csv", content)
        source.ingest()
        assert [record.encode() for record in source.records()] == content.split()[1:]
        os.utime(source.lakehouse.settings.landing / "in" / "a.csv", (0, 0))
        assert source.ingest().record is None


def test_growth_of_content_that_was_replaced_is_no_growth_of_what_is_held(tmp_path: Path) -> None:
    source = landing(tmp_path, "in/*.csv", "csv", on_change="replace")
    for content in (b"x\n1\n", b"x\n2\n", b"x\n1\n3\n"):
        source.put("in/a.csv", content)
        source.ingest()
    assert source.rows("source_row, raw_data") == [(1, "1"), (2, "3")]


@pytest.mark.parametrize("emptied", [b"x\n", b""])
def test_a_replaced_file_without_records_takes_its_old_ones_along(tmp_path: Path, emptied: bytes) -> None:
    source = landing(tmp_path, "in/*.csv", "csv", on_change="replace")
    source.put("in/a.csv", b"x\n1\n2\n")
    source.put("in/b.csv", b"x\n3\n")
    source.ingest()
    source.put("in/a.csv", emptied)
    result = source.ingest()
    assert source.records() == ["3"]
    assert result.record is not None
    assert (result.rows_read, result.record.rows, list(result.record.partitions.values())) == (0, 1, [1])
    assert source.ingest().record is None
    source.put("in/a.csv", b"x\n1\n2\n")
    source.ingest()
    assert source.records() == ["1", "2", "3"]


def test_a_record_of_a_commit_tells_the_tables_rows_and_the_result_the_batchs(csv: Landing) -> None:
    csv.put("in/a.csv", b"x\n1\n2\n")
    csv.ingest()
    csv.put("in/b.csv", b"x\n3\n")
    result = csv.ingest()
    assert result.record is not None
    assert (result.rows_read, result.record.rows) == (1, 3)


def test_bad_files_are_named_after_the_good_ones_landed(csv: Landing) -> None:
    csv.put("in/a.csv", b"x\n1\n")
    csv.put("in/broken.csv.gz", gzip.compress(b"x\n2\n" * 100)[:-20])
    csv.put("in/no_gzip.csv.gz", b"x\n3\n")
    with pytest.raises(bronze.FilesRefused, match=r"(?s)in/broken.csv.gz: .*Mend.*in/no_gzip.csv.gz: .*Mend"):
        csv.ingest()
    assert csv.records() == ["1"]


def test_a_name_that_is_no_text_is_refused(csv: Landing) -> None:
    csv.put("in/a.csv", b"x\n1\n")
    csv.put(os.fsdecode(b"in/caf\xe9.csv"), b"x\n2\n")
    with pytest.raises(bronze.FilesRefused, match=r"rename"):
        csv.ingest()
    assert csv.records() == ["1"]


def test_a_gzip_file_still_arriving_is_left_for_later(csv: Landing) -> None:
    packed = gzip.compress(b"x\n1\n")
    csv.put("in/a.csv.gz", packed[:-6], is_settled=False)
    assert csv.ingest().version is None
    csv.put("in/a.csv.gz", packed)
    csv.ingest()
    assert csv.records() == ["1"]


def test_a_record_without_end_is_refused(csv: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_platform.ingest.content.LONGEST_RECORD_BYTES", 1000)
    csv.put("in/a.csv", b'x,y\n1,"' + b"never closed\n" * 200)
    with pytest.raises(bronze.FilesRefused, match=r"in/a.csv: the record that starts at byte 4 is longer"):
        csv.ingest()


def test_a_crash_before_the_commit_loses_and_doubles_nothing(csv: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    csv.put("in/a.csv", b"x\n1\n")
    csv.ingest()
    csv.put("in/b.csv", b"x\n2\n")
    with monkeypatch.context() as crashing:
        crashing.setattr(bronze, "commit", _crash)
        with pytest.raises(KeyboardInterrupt):
            csv.ingest()
    assert csv.records() == ["1"]
    csv.ingest()
    assert csv.records() == ["1", "2"]


def test_a_crash_after_the_commit_doubles_nothing(csv: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    csv.put("in/a.csv", b"x\n1\n")

    def commit_and_crash(*values: object, **options: object) -> int:
        delta_commit.create_table(*values, **options)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr(bronze, "create_table", commit_and_crash)
        with pytest.raises(KeyboardInterrupt):
            csv.ingest()
    assert csv.ingest().record is None
    assert csv.records() == ["1"]


def test_two_workers_take_each_record_once(csv: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    csv.put("in/a.csv", b"x\n1\n")
    csv.ingest()
    csv.put("in/b.csv", b"x\n2\n")
    others = [csv.ingest]

    def commit_second(*values: object, **options: object) -> int:
        if others:
            others.pop()()
        return delta_commit.commit(*values, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(bronze, "commit", commit_second)
    csv.ingest()
    assert csv.records() == ["1", "2"]


def test_a_file_that_changes_while_it_is_read_is_not_taken(csv: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv.put("in/a.csv", b"x\n1\n")

    def stream_of_changing_file(*values: object) -> RecordStream:
        path.write_bytes(b"x\n2\n")
        os.utime(path, (time.time() - 30, time.time() - 30))
        return RecordStream(*values)  # type: ignore[arg-type]

    with monkeypatch.context() as changing:
        changing.setattr(bronze, "RecordStream", stream_of_changing_file)
        with pytest.raises(LakehouseError, match=r"in/a.csv changed while being read"):
            csv.ingest()
    csv.ingest()
    assert csv.records() == ["2"]


def _crash(*_: object, **__: object) -> int:
    raise KeyboardInterrupt

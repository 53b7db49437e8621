"""Every format, plain and packed: each content is taken once, whatever its name and whatever happens in between; changed content is told."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_platform.delta import commit as delta_commit
from lakehouse_platform.medallion import bronze
from lakehouse_platform_tests.ingest.landings import Landing, landing, settle
from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import world


def zstd(content: bytes, frame_bytes: int = 1 << 30) -> bytes:
    """Frames of zstd, one for each so many bytes; as a stream, so that no frame says how long it is."""
    frames = b""
    for start in range(0, max(len(content), 1), frame_bytes):
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content[start : start + frame_bytes])
        frames += sink.getvalue().to_pybytes()
    return frames


@dataclass(frozen=True)
class Kind:
    """A format as it lands."""

    file_format: str
    suffix: str

    def content(self, numbers: Sequence[int]) -> bytes:
        match self.file_format:
            case "csv":
                plain = b"x\n" + b"".join(b"%d\n" % number for number in numbers)
            case "json":
                plain = b"".join(b'{"x": %d}\n' % number for number in numbers)
            case "documents":
                plain = json.dumps([{"x": number} for number in numbers], indent=2).encode()
            case _:
                sink = io.BytesIO()
                pq.write_table(pa.table({"x": pa.array(numbers, pa.int64())}), sink)
                plain = sink.getvalue()
        match Path(self.suffix).suffix:
            case ".gz":
                return gzip.compress(plain)
            case ".zst":
                return zstd(plain)
            case _:
                return plain

    def numbers(self, place: Landing) -> list[int]:
        return [int(record) if self.file_format == "csv" else json.loads(record)["x"] for record in place.records()]


KINDS = [Kind("csv", ".csv"), Kind("csv", ".csv.zst"), Kind("json", ".jsonl.gz"), Kind("json", ".jsonl.zst"), Kind("documents", ".json")]
KINDS += [Kind("documents", ".json.gz"), Kind("documents", ".json.zst"), Kind("parquet", ".parquet")]
WHOLE = [kind for kind in KINDS if kind.file_format in ("documents", "parquet")]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.suffix[1:])
each_whole = pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.suffix[1:])


def source_of(home: Path, kind: Kind, on_change: str = "fail") -> Landing:
    return landing(home, "in/*", kind.file_format, on_change=on_change)


@each_kind
def test_content_is_taken_once_whatever_its_name(tmp_path: Path, kind: Kind) -> None:
    place = source_of(tmp_path, kind)
    path = place.put(f"in/a{kind.suffix}", kind.content([1, 2]))
    assert place.ingest().rows_read == 2
    path.rename(path.with_name(f"b{kind.suffix}"))
    assert place.ingest().record is None
    place.put(f"in/a{kind.suffix}", kind.content([1, 2]))
    place.put(f"in/c{kind.suffix}", kind.content([1, 2]))
    place.put(f"in/d{kind.suffix}", kind.content([3]))
    assert place.ingest().rows_read == 1
    assert sorted(kind.numbers(place)) == [1, 2, 3]


@each_kind
def test_a_crash_on_either_side_of_the_commit_loses_and_doubles_nothing(tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    place = source_of(tmp_path, kind)
    place.put(f"in/a{kind.suffix}", kind.content([1]))
    place.ingest()
    place.put(f"in/b{kind.suffix}", kind.content([2, 3]))

    def crash(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    def commit_and_crash(*values: object, **options: object) -> int:
        delta_commit.commit(*values, **options)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    for crashing in (crash, commit_and_crash):
        with monkeypatch.context() as patched:
            patched.setattr(bronze, "commit", crashing)
            with pytest.raises(KeyboardInterrupt):
                place.ingest()
    assert place.ingest().record is None
    assert kind.numbers(place) == [1, 2, 3]


@each_whole
def test_a_file_of_one_piece_that_grows_is_a_changed_file(tmp_path: Path, kind: Kind) -> None:
    place = source_of(tmp_path, kind)
    place.put(f"in/a{kind.suffix}", kind.content([1, 2]))
    place.ingest()
    place.put(f"in/a{kind.suffix}", kind.content([1, 2, 3]))
    with pytest.raises(bronze.FilesRefused, match=rf"in/a{kind.suffix}: was taken already and has grown .*{kind.file_format}.*Mend: .*on_change"):
        place.ingest()
    place.put(f"in/a{kind.suffix}", kind.content([1, 7, 3]))
    with pytest.raises(bronze.FilesRefused, match=r"record 2 was taken already and is not what it was.*Mend"):
        place.ingest()
    assert kind.numbers(place) == [1, 2]


@each_whole
@pytest.mark.parametrize(("on_change", "numbers"), [("append", [1, 2, 1, 2, 3]), ("replace", [1, 2, 3])])
def test_a_grown_file_of_one_piece_as_the_source_says(tmp_path: Path, kind: Kind, on_change: str, numbers: list[int]) -> None:
    place = source_of(tmp_path, kind, on_change=on_change)
    for content in ([1, 2], [1, 2, 3]):
        place.put(f"in/a{kind.suffix}", kind.content(content))
        place.ingest()
    assert kind.numbers(place) == numbers
    assert place.rows("source_row") == [(row,) for row in range(1, len(numbers) + 1)]
    assert place.ingest().record is None


@each_kind
@pytest.mark.parametrize("on_change", ["fail", "append", "replace"])
def test_a_file_that_was_emptied(tmp_path: Path, kind: Kind, on_change: str) -> None:
    place = source_of(tmp_path, kind, on_change=on_change)
    place.put(f"in/a{kind.suffix}", kind.content([1, 2]))
    place.ingest()
    path = place.put(f"in/a{kind.suffix}", b"", is_settled=False)
    assert place.ingest().record is None  # it may be about to be written
    settle(path)
    if on_change == "fail":
        with pytest.raises(bronze.FilesRefused, match=rf"in/a{kind.suffix}: record 1 was taken already and is not what it was.*Mend"):
            place.ingest()
    else:
        assert (place.ingest().record is None) == (on_change == "append")
    assert kind.numbers(place) == ([] if on_change == "replace" else [1, 2])
    place.put(f"in/a{kind.suffix}", kind.content([1, 2]))
    place.ingest()
    assert kind.numbers(place) == [1, 2]


def test_packings_of_one_content_are_one_content(tmp_path: Path) -> None:
    place = landing(tmp_path, "in/*", "csv")
    content = b"x\n1\n"
    for name, packed in {"a.csv": content, "b.csv.gz": gzip.compress(content), "c.csv.zst": zstd(content), "d.csv.zst": zstd(content, 1)}.items():
        place.put(f"in/{name}", packed)
    assert place.ingest().rows_read == 1


def test_zstd_of_many_frames_and_chunks(tmp_path: Path) -> None:
    place = landing(tmp_path, "in/*", "csv")
    records = [f"{number},{'y' * (number % 97)}" for number in range(60_000)]
    content = ("x,y\n" + "\n".join(records) + "\n").encode()
    assert len(content) > 2 << 20
    place.put("in/a.csv.zst", zstd(content, 700_001))
    place.ingest()
    assert place.records() == records


def test_zstd_that_grows_adds_the_new_records(tmp_path: Path) -> None:
    place = landing(tmp_path, "in/*", "json")
    frames = b""
    for added in (b'{"a":1}\n{"a":2}\n', b'{"a":3}', b'\n{"a":4}\r\n', b'{"a":5}\n'):
        frames += zstd(added)
        place.put("in/a.jsonl.zst", frames)
        place.ingest()
    assert place.rows("raw_data, source_row") == [(f'{{"a":{number}}}', number) for number in range(1, 6)]


@pytest.mark.parametrize("name", ["csv.zst", "csv.gz"])
def test_packed_files_that_break_off_or_are_none(tmp_path: Path, name: str) -> None:
    place = landing(tmp_path, "in/*", "csv")
    content = b"x\n" + b"".join(os.urandom(8).hex().encode() + b"\n" for _ in range(5000))
    packed = zstd(content, 20_000) if name == "csv.zst" else gzip.compress(content)
    place.put(f"in/cut.{name}", packed[:-20])
    place.put(f"in/none.{name}", content)
    place.put(f"in/trailed.{name}", packed + b"and more")
    place.put("in/fine.csv", b"x\n1\n")
    with pytest.raises(bronze.FilesRefused) as refused:
        place.ingest()
    kind = "zstd" if name == "csv.zst" else "gzip"
    for each in ("cut", "none", "trailed"):
        assert f"in/{each}.{name}: is no whole {kind} file" in str(refused.value)
    assert str(refused.value).count(f"Mend: land it again, whole, or without .{name[4:]}") == 3
    assert place.records() == ["1"]
    place.put(f"in/young.{name}", packed[:-20], is_settled=False)
    with pytest.raises(bronze.FilesRefused, match="3 landed file"):
        place.ingest()


NOON = datetime(2024, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
PARQUET = {
    "id": pa.array([9007199254740993], pa.int64()),
    "price": pa.array([Decimal("1234567890123.45")], pa.decimal128(15, 2)),
    "at": pa.array([NOON], pa.timestamp("us", "Europe/Prague")),
    "local": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ms")),
    "day": pa.array([date(2024, 1, 31)]),
    "share": pa.array([0.1], pa.float32()),
    "live": pa.array([True]),
    "part": pa.array([{"name": 'a "b"', "tags": ["x"]}]),
}


def test_parquet_comes_to_silver_with_every_value_as_it_was() -> None:
    kinds = {"id": "BIGINT", "price": "DECIMAL(28,9)", "at": "TIMESTAMP", "local": "TIMESTAMP", "day": "DATE", "share": "DOUBLE", "live": "BOOLEAN"}
    columns = [column(name, kind, required=True) for name, kind in kinds.items()] + [column("name", "STRING")]
    sql = f"SELECT {', '.join(kinds)}, get_json_object(part, '$.name') AS name FROM bronze.things"
    project = load(source("bronze/things", "in/*", file_format="parquet"), table("silver/things", sql, columns, refresh="append"))
    with world(project) as place:
        sink = io.BytesIO()
        pq.write_table(pa.table(PARQUET), sink)
        (place.lakehouse.settings.landing / "in").mkdir(parents=True)
        (place.lakehouse.settings.landing / "in" / "a.parquet").write_bytes(sink.getvalue())
        place.run("bronze/things", "silver/things")
        (row,) = place.contents("silver/things")
    assert [row[name] for name in (*kinds, "name")] == [
        9007199254740993, Decimal("1234567890123.450000000"), NOON, NOON.replace(microsecond=123000), date(2024, 1, 31), 0.1, True, 'a "b"',
    ]  # fmt: skip

"""DuckDB's files in an object store: what is asked of the store, what a failure of it means, and what goes over the wire encrypted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import BIGINT, STRING
from lakehouse_platform.delta.commit import commit, create_table
from lakehouse_platform.delta.files import Field
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import files
from lakehouse_platform_tests.faulty_store import Fault, FaultyStore

COLUMNS = (Field("number", BIGINT), Field("day", STRING))


@pytest.fixture
def session(bucket: str, faulty: FaultyStore, tmp_path: Path) -> Iterator[Session]:
    with open_session(Settings(home=tmp_path, tables=bucket, threads=2)) as opened:
        yield opened


def rows_of_days(days: int) -> str:
    return f"SELECT i AS number, 'day ' || (i % {days}) AS day FROM range(1000) AS r(i)"


def test_each_file_is_asked_for_once(session: Session, bucket: str, faulty: FaultyStore) -> None:
    written = session.write(rows_of_days(10), f"{bucket}/t", ["day"])
    assert Counter(request.method for request in faulty.requests) == {"PUT": 10, "HEAD": 10}
    create_table(f"{bucket}/t", COLUMNS, ["day"], added=written)
    faulty.requests.clear()
    snapshot = open_snapshot(f"{bucket}/t")
    assert snapshot is not None
    found = session.rows(f"SELECT count(*), sum(number), count(DISTINCT day) FROM ({snapshot_scan(snapshot)})")
    assert found == [(1000, 499_500, 10)]
    asked = Counter(request.method for request in faulty.seen(path=r"\.parquet"))
    assert asked["HEAD"] <= 10
    assert asked["GET"] <= 20


def test_a_large_file_goes_in_parts_and_comes_back_whole(bucket: str, faulty: FaultyStore, tmp_path: Path) -> None:
    """Threads share an open file: with one position for all of them they read each other's bytes."""
    with open_session(Settings(home=tmp_path, tables=bucket, threads=4)) as session:
        # Texts that hardly compress, 10 MB of them in three row groups.
        session.table("given", "SELECT i, md5(i::VARCHAR) || md5('x' || i::VARCHAR) AS text FROM range(300000) AS r(i)")
        (file,) = session.write("SELECT * FROM given", f"{bucket}/t", [])
        assert file.size_bytes > 9_000_000
        assert len(faulty.seen("PUT", "partNumber")) >= 2
        assert files.size_bytes(f"{bucket}/t/{file.path}") == file.size_bytes
        summed = "SELECT count(*), sum(hash(i, text)::HUGEINT) FROM"
        expected = session.row(f"{summed} given")
        for _ in range(5):
            assert session.row(f"{summed} read_parquet('{bucket}/t/{file.path}')") == expected


@pytest.mark.parametrize("name", ["a b#c?d%20e=f&ü", "x/y:z", "..", "+"])
def test_hostile_partition_values(session: Session, bucket: str, name: str) -> None:
    written = session.write(f"SELECT 1::BIGINT AS number, '{name}' AS day", f"{bucket}/t", ["day"])
    create_table(f"{bucket}/t", COLUMNS, ["day"], added=written)
    snapshot = open_snapshot(f"{bucket}/t")
    assert snapshot is not None
    assert session.rows(snapshot_scan(snapshot)) == [(1, name)]


def test_a_fault_while_a_file_is_written_or_read_is_transient(session: Session, bucket: str, faulty: FaultyStore) -> None:
    faulty.fail(Fault("before", "PUT", r"\.parquet", status=503))
    with pytest.raises(TransientFault, match="the object store did not answer as it should"):
        session.write("SELECT 1 AS x", f"{bucket}/t", [])
    faulty.heal()
    (file,) = session.write("SELECT 1 AS x", f"{bucket}/t", [])
    faulty.fail(Fault("before", "GET", r"\.parquet", status=503))
    with pytest.raises(TransientFault, match="503"):
        session.rows(f"FROM read_parquet('{bucket}/t/{file.path}')")
    assert session.rows(f"FROM read_parquet('{bucket}/t/{file.path}')") == [(1,)]


def test_a_refusal_is_no_transient_fault(session: Session, bucket: str, faulty: FaultyStore) -> None:
    faulty.fail(Fault("instead", "PUT", r"\.parquet", status=403, body=b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"))
    with pytest.raises(LakehouseError, match=rf"{bucket}: http://\S+ refuses these credentials here; .* No\.\)") as refused:
        session.write("SELECT 1 AS x", f"{bucket}/t", [])
    assert not isinstance(refused.value, TransientFault)
    assert "Traceback" not in str(refused.value)


def test_an_error_of_the_query_stays_one(session: Session, bucket: str) -> None:
    with pytest.raises(LakehouseError, match="division by zero") as refused:
        session.write("SELECT 1 // (i - i) AS x FROM range(3) AS r(i)", f"{bucket}/t", [])
    assert not isinstance(refused.value, TransientFault)


def test_server_side_encryption_is_asked_for_with_every_file(
    bucket: str, faulty: FaultyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SERVER_SIDE_ENCRYPTION", "AES256")
    location = f"{bucket}/t"
    with open_session(Settings(home=tmp_path, tables=bucket)) as session:
        written = session.write("SELECT 1::BIGINT AS number, 'a' AS day", location, [])
        create_table(location, COLUMNS, [], added=written)
        snapshot = open_snapshot(location)
        assert snapshot is not None
        commit(snapshot, added=session.write("SELECT 2::BIGINT AS number, 'b' AS day", location, []))
        text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=1000))
        session.write(f"SELECT i AS number, md5(i::VARCHAR || '{text}') || md5(i::VARCHAR) AS day FROM range(300000) AS r(i)", f"{bucket}/large", [])
    files.put(f"{location}/_tags/first.json", b"{}", if_absent=True)
    puts = [request for request in faulty.requests if request.method == "PUT" and "partNumber" not in request.path]
    begun = [request for request in faulty.requests if request.method == "POST" and "?uploads" in request.path]
    assert {request.path.split("/")[-1].split("?")[0].split(".")[-1] for request in puts} == {"parquet", "json"}
    assert len(begun) == 1
    assert [request.path for request in [*puts, *begun] if request.headers.get("x-amz-server-side-encryption") != "AES256"] == []
    for key in faulty.store.keys(bucket):
        assert faulty.store.client().head_object(Bucket=bucket.removeprefix("s3://"), Key=key)["ServerSideEncryption"] == "AES256"


def test_a_key_of_the_key_server_goes_with_every_file(bucket: str, faulty: FaultyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    for name, value in {"SERVER_SIDE_ENCRYPTION": "aws:kms", "SSE_KMS_KEY_ID": key, "SSE_BUCKET_KEY_ENABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    # Answered here: a real store would ask its key server.
    faulty.fail(Fault("instead", "PUT", "", status=200, headers={"ETag": '"1"'}, times=None))
    with open_session(Settings(home=tmp_path, tables=bucket)) as session:
        session.write("SELECT 1::BIGINT AS number, 'a' AS day", f"{bucket}/t", [])
    with pytest.raises(LakehouseError):
        # What was not kept cannot be opened.
        create_table(f"{bucket}/u", COLUMNS, [])
    files.put(f"{bucket}/t/x", b"")
    puts = faulty.seen("PUT")
    assert {request.path.rsplit(".", 1)[-1].split("/")[-1] for request in puts} == {"parquet", "json", "x"}
    for request in puts:
        said = {name.lower(): value for name, value in request.headers.items()}
        assert said["x-amz-server-side-encryption"] == "aws:kms"
        assert said["x-amz-server-side-encryption-aws-kms-key-id"] == key
        assert said["x-amz-server-side-encryption-bucket-key-enabled"] == "true"


def test_buckets_stand_in_the_path(session: Session, bucket: str, faulty: FaultyStore) -> None:
    session.write("SELECT 1 AS x", f"{bucket}/t", [])
    open_snapshot(f"{bucket}/t")
    files.listed(f"{bucket}/t")
    name = bucket.removeprefix("s3://")
    assert all(request.path.startswith(f"/{name}") for request in faulty.requests)

"""Who a client is and where its store is: what cannot work is told at once, by the location and the variable to set."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_platform.contracts.types import BIGINT
from lakehouse_platform.delta.ambiguous import CommitUnknown
from lakehouse_platform.delta.commit import create_table
from lakehouse_platform.delta.files import Field
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import open_session
from lakehouse_platform.problems import LakehouseError, TransientFault
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage import files, options
from lakehouse_platform.storage.options import client_options
from lakehouse_platform_tests.faulty_store import Fault, FaultyStore
from lakehouse_platform_tests.object_store import S3Server

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
Call = Callable[[str], object]


def opened_by_duckdb(location: str) -> None:
    with open_session(Settings(tables=location)) as session:
        session.write("SELECT 1 AS x", location, [])


CALLS: dict[str, Call] = {
    "delta-rs opens": open_snapshot,
    "delta-rs creates": lambda location: create_table(location, [Field("x", BIGINT)], []),
    "obstore reads": lambda location: files.read(f"{location}/_delta_log/0.json"),
    "obstore puts": lambda location: files.put(f"{location}/x", b""),
    "obstore lists": lambda location: list(files.walk(location)),
    "DuckDB writes": opened_by_duckdb,
}


def unset(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.delenv(name)


def refusal(call: Call, location: str) -> LakehouseError:
    """The error of a call, which must come within seconds."""
    began = time.monotonic()
    with pytest.raises(LakehouseError) as refused:
        call(location)
    assert time.monotonic() - began < 10
    assert "Traceback" not in str(refused.value)
    assert "Debug source" not in str(refused.value)
    assert location.split("/")[2] in str(refused.value)
    return refused.value


def is_final(told: LakehouseError) -> bool:
    """Whether nobody tries it again, but to learn what became of a commit: tables are opened before, which tells it as it is."""
    return isinstance(told, CommitUnknown) or not isinstance(told, TransientFault)


every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@every_call
def test_no_bucket(s3: S3Server, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    told = refusal(call, "s3://there-is-none/tables")
    assert is_final(told)
    assert "there is no bucket there-is-none at http://127.0.0.1" in str(told)
    assert "LAKEHOUSE_TABLES" in str(told)


@every_call
def test_credentials_that_are_refused(bucket: str, faulty: FaultyStore, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    body = b"<Error><Code>InvalidAccessKeyId</Code><Message>The key does not exist in our records.</Message></Error>"
    faulty.fail(Fault("instead", ".*", "", status=403, body=body, times=None))
    told = refusal(call, f"{bucket}/t")
    assert is_final(told)
    assert "AWS_ACCESS_KEY_ID" in str(told)


@every_call
def test_no_credentials_anywhere(bucket: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    unset(monkeypatch, *KEYS)
    told = refusal(call, f"{bucket}/t")
    assert is_final(told)
    assert "there are no credentials; set AWS_ACCESS_KEY_ID" in str(told)


@every_call
def test_a_server_that_is_not_there(bucket: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LAKEHOUSE_STORE_RETRIES", "1")
    told = refusal(call, f"{bucket}/t")
    assert isinstance(told, TransientFault)
    assert "http://127.0.0.1:1 cannot be reached" in str(told)
    assert "AWS_ENDPOINT_URL" in str(told)


@every_call
def test_a_store_that_is_overloaded_is_a_transient_fault(
    bucket: str, faulty: FaultyStore, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    faulty.fail(Fault("before", ".*", "", status=503, times=None))
    assert isinstance(refusal(call, f"{bucket}/t"), TransientFault)


@pytest.mark.parametrize(
    ("answer", "told", "is_transient"),
    [
        ((403, "RequestTimeTooSkewed"), "set the clocks by NTP", False),
        ((403, "AccessDenied"), "refuses these credentials here", False),
        ((400, "AuthorizationHeaderMalformed"), "set AWS_REGION to the bucket's", False),
        ((301, "PermanentRedirect"), "set AWS_REGION to the bucket's", False),
        ((501, "NotImplemented"), "takes no such request", False),
        ((400, "RequestTimeout"), "did not answer as it should", True),
        ((500, "InternalError"), "did not answer as it should", True),
        ((503, "SlowDown"), "did not answer as it should", True),
    ],
)
def test_what_a_code_of_the_store_means(bucket: str, faulty: FaultyStore, answer: tuple[int, str], told: str, is_transient: bool) -> None:
    status, code = answer
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Some words.</Message></Error>".encode()
    faulty.fail(Fault("instead", ".*", "", status=status, body=body, times=None))
    for call in ("delta-rs opens", "obstore puts"):
        error = refusal(CALLS[call], f"{bucket}/t")
        assert told in str(error)
        assert isinstance(error, TransientFault) == is_transient
        # Of a redirect the client tells no words of the store.
        assert status == 301 or "Some words." in str(error)


def test_no_region_where_it_matters(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unset(monkeypatch, "AWS_REGION")
    assert open_snapshot(f"{bucket}/t") is None
    unset(monkeypatch, "AWS_ENDPOINT_URL")
    assert "set AWS_REGION" in str(refusal(open_snapshot, f"{bucket}/t"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert client_options(bucket) == {"max_retries": "10"}


def test_an_endpoint_without_encryption_must_be_meant(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unset(monkeypatch, "AWS_ALLOW_HTTP")
    assert "set AWS_ALLOW_HTTP=true" in str(refusal(open_snapshot, f"{bucket}/t"))


def test_a_client_without_conditional_put_is_refused(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    assert "overwrite each other's commits" in str(refusal(open_snapshot, f"{bucket}/t"))


def test_a_scheme_that_no_client_knows() -> None:
    with pytest.raises(LakehouseError, match=r"ftp://host/t: there is no object store ftp://; write one of s3://"):
        open_snapshot("ftp://host/t")
    assert client_options("/some/path") is None


def test_the_role_of_the_machine_is_asked_for_once_and_briefly(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Amazon's machines the client fetches credentials itself; elsewhere it would ask nobody for a minute."""
    unset(monkeypatch, *KEYS, "AWS_EC2_METADATA_DISABLED")
    # An address of documentation: nobody answers, as at 169.254.169.254 in most networks.
    monkeypatch.setattr(options, "_MACHINE_ROLE", ("192.0.2.1", 80))
    options._knock.cache_clear()
    assert "there are no credentials" in str(refusal(open_snapshot, f"{bucket}/t"))
    endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://").split(":")
    monkeypatch.setattr(options, "_MACHINE_ROLE", (endpoint[0], int(endpoint[1])))
    assert client_options(bucket) == {"max_retries": "10"}
    options._knock.cache_clear()


@pytest.fixture
def profiles(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variables, but the files of Amazon's tools."""
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text(
        f"[default]\nregion = eu-west-1\nendpoint_url = {s3.endpoint}\n"
        f"[profile lake]\nregion = eu-west-3\nendpoint_url = {s3.endpoint}\n"
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/lake\nsource_profile = default\n",
        encoding="utf-8",
    )
    credentials.write_text(
        "[default]\naws_access_key_id = lakehouse\naws_secret_access_key = lakehouse-secret\n"
        "[lake]\naws_access_key_id = lakehouse\naws_secret_access_key = lakehouse-secret\n",
        encoding="utf-8",
    )
    for name in (*KEYS, "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(("profile", "region"), [(None, "eu-west-1"), ("lake", "eu-west-3")])
def test_a_profile_is_read_for_both_clients(s3: S3Server, profile: str | None, region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if profile is not None:
        monkeypatch.setenv("AWS_PROFILE", profile)
    bucket = s3.new_bucket()
    assert (client_options(bucket) or {})["aws_region"] == region
    for call in CALLS.values():
        monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
        call(f"{bucket}/t")
    assert {key.split("/")[1] for key in s3.keys(bucket)} >= {"_delta_log", "x"}


@pytest.mark.usefixtures("profiles")
def test_what_a_variable_says_counts_before_a_profile(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    for name in KEYS:
        monkeypatch.setenv(name, "other")
    assert client_options(bucket) == {"max_retries": "10"}


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(("profile", "told"), [("role", "must be fetched (role_arn): run `eval"), ("gone", "AWS_PROFILE names gone")])
def test_a_profile_that_gives_no_keys(bucket: str, profile: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", profile)
    assert told in str(refusal(open_snapshot, f"{bucket}/t"))


def test_a_file_of_profiles_that_is_none_is_named(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset(monkeypatch, *KEYS)
    broken = tmp_path / "credentials"
    broken.write_text("no section = at all", encoding="utf-8")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(broken))
    assert f"{broken} cannot be read" in str(refusal(open_snapshot, f"{bucket}/t"))

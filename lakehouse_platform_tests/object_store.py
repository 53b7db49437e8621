"""An S3 server for tests: moto's by default, MinIO with LAKEHOUSE_TEST_S3=minio. Not here: making it fail (faulty_store.py).

A test takes the fixture `bucket`: the URL of a bucket of its own, with the variables that every client reads, in this process and in those it starts.
"""

from __future__ import annotations

import atexit
import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Thread
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen
from uuid import uuid4

import boto3
import pytest

from lakehouse_platform_tests.e2e.server import free_port

KEY_ID, SECRET, REGION = "lakehouse", "lakehouse-secret", "us-east-1"
_INSTALL = "go install github.com/minio/minio@latest"
_START_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    """A server that is up. `endpoint` is its URL, without a bucket."""

    endpoint: str

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """The variables by which clients reach it, or reach it by way of another endpoint."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            # Whatever else of this machine's a client would take.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def new_bucket(self) -> str:
        """The URL of a bucket that is new and empty."""
        name = f"lake-{uuid4().hex}"
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def client(self) -> boto3.client:
        """Amazon's own client, to look at what is there."""
        return _client(self.endpoint)

    def keys(self, url: str) -> list[str]:
        """The names of all objects of a bucket or below a folder, without the bucket."""
        parts = urlsplit(url)
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=parts.netloc, Prefix=parts.path.lstrip("/"))
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@cache
def _client(endpoint: str) -> boto3.client:
    return boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, region_name=REGION)


@contextmanager
def running_server() -> Iterator[S3Server]:
    """A server of its own, gone at the end."""
    if os.environ.get("LAKEHOUSE_TEST_S3", "moto") == "minio":
        with TemporaryDirectory(prefix="lakehouse-minio-") as folder, _minio(_minio_binary(), folder) as endpoint:
            yield S3Server(endpoint)
    else:
        with _moto() as endpoint:
            yield S3Server(endpoint)


@cache
def server() -> S3Server:
    """The server of this process: started when it is first asked for, gone with the process."""
    running = running_server()
    started = running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    return started


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with the variables by which this process and its children reach it."""
    found = server()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def bucket(s3: S3Server) -> str:
    """The URL of a bucket of this test's own."""
    return s3.new_bucket()


@contextmanager
def _moto() -> Iterator[str]:
    """In a process of its own: calls that hold Python's lock while they wait for an answer would wait for ever on a server of this process."""
    process = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with _ended_at_last(process):
        port = process.stdout.readline().strip()
        assert port, "moto's server did not start: `python -m lakehouse_platform_tests.object_store` tells why"
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _minio(binary: str, folder: str) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    # A key of 32 zeros: without one it encrypts nothing, and refuses who asks for it.
    keys = f"tests:{base64.b64encode(bytes(32)).decode()}"
    environment = {**os.environ, "MINIO_ROOT_USER": KEY_ID, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_CI_CD": "1", "MINIO_KMS_SECRET_KEY": keys}
    command = [binary, "server", folder, "--address", address, "--quiet"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    with _ended_at_last(process):
        began = time.monotonic()
        while not _is_live(f"http://{address}/minio/health/live"):
            assert process.poll() is None, f"{' '.join(command)} ended with {process.returncode}"
            assert time.monotonic() - began < _START_SECONDS, f"{' '.join(command)} did not answer within {_START_SECONDS} s"
            time.sleep(0.05)
        yield f"http://{address}"


def _minio_binary() -> str:
    found = os.environ.get("LAKEHOUSE_TEST_MINIO") or shutil.which("minio")
    if found and Path(found).is_file():
        return found
    reason = f"there is no MinIO ({found or 'none in PATH'}): `{_INSTALL}`, or name the program in LAKEHOUSE_TEST_MINIO"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def _ended_at_last(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _is_live(url: str) -> bool:
    with suppress(URLError, ConnectionError, TimeoutError), urlopen(url, timeout=5) as response:
        return bool(response.status == 200)
    return False


def _serve() -> None:
    """Moto's server on a free port, which is told on standard output; until standard input ends, as it does with the process that asked."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    backend = DomainDispatcherApplication(create_backend_app)
    one_at_a_time = Lock()

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        # moto looks whether an object is there and then puts it, so that two conditional puts at once may both succeed.
        with one_at_a_time:
            return backend(environ, start_response)

    listening = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    print(listening.server_port, flush=True)  # noqa: T201 -- for who started this process
    Thread(target=listening.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    _serve()

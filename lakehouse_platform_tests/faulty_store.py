"""A proxy in front of an object store that fails requests on purpose and notes all of them. Not here: the store (object_store.py).

LAKEHOUSE_STORE_RETRIES=0 (docs/storage.md) switches the client's own retries off, so that each fault reaches the caller. The proxy is of the
test's own process, so that faults can follow what the test does; deltalake's `restore` and `is_deltatable` hold Python's lock while they wait
for an answer, and would wait for it in vain.
"""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

from lakehouse_platform_tests.object_store import S3Server

_ABOUT_ONE_CONNECTION = ("connection", "transfer-encoding", "content-length", "date", "server")


@dataclass
class Fault:
    """What is to go wrong. `method` and `path` are patterns; a path holds its query (`/bucket/table/_delta_log/00…1.json`, `/bucket?list-type=2&…`).

    `when`: `before` the store sees the request, `after` it has done what was asked, or `instead`: answered here with `status`, `body` and `headers`.
    `status` None closes the connection without an answer. `share` of those that fit fail, at most `times` (None: always), after the first `skip`.
    `hold` makes each that fits wait for that event first, so that a test can put something between.
    """

    when: Literal["before", "after", "instead"]
    method: str = "PUT"
    path: str = ""
    status: int | None = 503
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int | None = 1
    share: float = 1.0
    skip: int = 0
    hold: Event | None = None
    fitted: int = field(default=0, init=False)
    hit: int = field(default=0, init=False)


@dataclass(frozen=True)
class Request:
    """A request as it came, and how it ended: the status that the client saw, None where the connection was closed."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int | None
    fault: Fault | None


@dataclass(frozen=True)
class _Answer:
    status: int | None
    headers: Mapping[str, str]
    body: bytes


class FaultyStore:
    """The proxy. Faults may be added and removed while it runs; the same seed and order of requests give the same faults."""

    def __init__(self, store: S3Server, seed: int = 0) -> None:
        self.store = store
        self.requests: list[Request] = []
        self._faults: list[Fault] = []
        self._random = random.Random(seed)
        self._lock = Lock()
        self._server = _Server(self)

    @property
    def endpoint(self) -> str:
        """Its URL, in the place of the store's own."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def environment(self) -> dict[str, str]:
        """The variables by which clients reach the store by way of it."""
        return self.store.environment(self.endpoint)

    def fail(self, fault: Fault) -> Fault:
        """Let a fault happen from now on; the first of several that fit happens. Gives it back: `hit` counts."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """No more faults."""
        with self._lock:
            self._faults.clear()

    def seen(self, method: str = "", path: str = "") -> list[Request]:
        """The requests so far that fit both patterns."""
        return [request for request in list(self.requests) if re.search(method, request.method) and re.search(path, request.path)]

    def fault_of(self, method: str, path: str) -> Fault | None:
        """The fault that is to befall a request, which is counted by asking."""
        with self._lock:
            for fault in self._faults:
                if re.fullmatch(fault.method, method) and re.search(fault.path, path) and fault.times != fault.hit:
                    fault.fitted += 1
                    if fault.fitted > fault.skip and self._random.random() < fault.share:
                        fault.hit += 1
                        return fault
        return None

    @contextmanager
    def running(self) -> Iterator[FaultyStore]:
        """Answer requests until the end."""
        thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@pytest.fixture
def faulty(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStore]:
    """A proxy that this process and its children go by from now on, without the client's own retries."""
    with FaultyStore(s3).running() as proxy:
        for name, value in {**proxy.environment(), "LAKEHOUSE_STORE_RETRIES": "0"}.items():
            monkeypatch.setenv(name, value)
        yield proxy


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # Eight processes that connect at once must not be refused.
    request_queue_size = 128

    def __init__(self, proxy: FaultyStore) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed says nothing worth a trace."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in two writes would wait for the client's delayed acknowledgement, 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.proxy.fault_of(self.command, self.path)
        if fault is not None and fault.hold is not None:
            fault.hold.wait()
        answer = _Answer(fault.status, fault.headers, fault.body) if fault else None
        if fault is None or fault.when == "after":
            forwarded = self._forwarded(body)
            answer = answer or forwarded
        assert answer is not None
        # Noted before the client can go on, so that a test finds it.
        self.server.proxy.requests.append(Request(self.command, self.path, dict(self.headers.items()), answer.status, fault))
        self._give(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve  # noqa: N815 -- the base class's names

    def _forwarded(self, body: bytes) -> _Answer:
        # The Host header is part of the signature: the store gets the one that the client signed.
        connection = HTTPConnection(urlsplit(self.server.proxy.store.endpoint).netloc, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "connection":
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return _Answer(answer.status, dict(answer.getheaders()), answer.read())
        except (OSError, HTTPException):
            return _Answer(502, {}, b"")
        finally:
            connection.close()

    def _give(self, answer: _Answer) -> None:
        if answer.status is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _ABOUT_ONE_CONNECTION:
                self.send_header(name, value)
        # The answer to HEAD has the length of what it leaves out.
        length = {name.lower(): value for name, value in answer.headers.items()}.get("content-length")
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
        """Nothing: `requests` holds what came."""

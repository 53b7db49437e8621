"""Asks a running Dagster webserver what it shows, and finds it a port. Not here: starting one."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen


@dataclass(frozen=True)
class Server:
    """A running webserver of this machine."""

    port: int

    def ask(self, query: str, **variables: Any) -> Any:
        """The data that GraphQL gives."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def answers(self) -> bool:
        """Whether it can be asked already."""
        try:
            self.ask("{ version }")
        except (URLError, ConnectionError, TimeoutError):
            return False
        return True

    def shows_page(self) -> bool:
        """Whether a browser gets its first page."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/", timeout=60) as response:
                return response.status == 200 and b"<html" in response.read().lower()
        except (URLError, ConnectionError, TimeoutError):
            return False


def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> float:
    """Wait until something holds, and give how long it took in seconds; fails by name after `seconds`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, f"waited {seconds} s for {what}"
        time.sleep(0.2)
    return time.monotonic() - began


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port

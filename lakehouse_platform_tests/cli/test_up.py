"""`lakehouse up`: the page comes, its logs are where it says, and when it ends nothing that it started is left, however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from lakehouse_platform.cli.server import port_refusal
from lakehouse_platform.orchestration.services import running_services
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform_tests.orchestration.shop import write_shop

ROOT = Path(__file__).parents[2]
SECONDS = 120
LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename } } } } }"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A shop; whatever still runs over it after the test is killed."""
    settings = write_shop(tmp_path)
    yield settings
    for process in processes(settings):
        os.kill(process, signal.SIGKILL)


def start(settings: Settings, port: int, folder: Path) -> subprocess.Popen[str]:
    """`lakehouse up` in a folder that has a dagster.yaml of its own."""
    (folder / "dagster.yaml").write_text("telemetry: {enabled: true}\n", encoding="utf-8")
    environment = {**os.environ, "LAKEHOUSE_HOME": str(settings.home), "LAKEHOUSE_PROJECT": str(settings.project), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "lakehouse_platform.cli", "up", "--port", str(port)]
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def processes(settings: Settings) -> list[int]:
    """Every process whose environment names this lakehouse."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"LAKEHOUSE_HOME={settings.home}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def loaded(port: int) -> str:
    """How the code location stands in the webserver; empty while it does not answer."""
    request = Request(f"http://127.0.0.1:{port}/graphql", json.dumps({"query": LOCATIONS}).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=10) as response:
            (entry,) = json.load(response)["data"]["workspaceOrError"]["locationEntries"]
    except (URLError, ConnectionError, TimeoutError):
        return ""
    return "" if entry["locationOrLoadError"] is None else str(entry["locationOrLoadError"]["__typename"])


def wait_for(what: str, is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
        time.sleep(0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_the_page_comes_and_sigterm_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    port = free_port()
    running = start(settings, port, tmp_path)
    wait_for("the page with the project", lambda: loaded(port) or running.poll() is not None)
    assert loaded(port) == "RepositoryLocation"
    assert port_refusal("127.0.0.1", port) is not None
    assert port_refusal("127.0.0.1", free_port()) is None
    with pytest.raises(LakehouseError, match=rf"runs already over .* \(process {running.pid}\)"), running_services(settings, "", 0, lambda: True):
        pass

    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, said
    assert processes(settings) == []
    logs = settings.home / "logs"
    assert f"http://127.0.0.1:{port} is up" in said
    assert str(logs) in said
    assert "dagster.yaml" not in said
    assert {path.name for path in logs.iterdir()} == {"code.log", "webserver.log", "daemon.log"}
    assert "Daemon threads shut down" in (logs / "daemon.log").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent is gone")
def test_killed_at_once_it_leaves_nothing_either(settings: Settings, tmp_path: Path) -> None:
    running = start(settings, free_port(), tmp_path)
    wait_for("the code server", lambda: len(processes(settings)) > 1)
    time.sleep(1)
    running.kill()
    running.communicate(timeout=SECONDS)
    wait_for("its children to go", lambda: not processes(settings))

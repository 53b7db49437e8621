"""Dagster's processes over a lakehouse: code server, webserver and daemon, started and stopped together. Not here: what they serve.

Each has a session of its own, so that Ctrl-C reaches only who started them, who stops them in order; and each dies with that process.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from lakehouse_platform.orchestration.instance import prepare_home
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings, given_variables

MODULE = "lakehouse_platform.definitions"
_LOCATION = "lakehouse_platform"
STOP_SECONDS = 30
_CHILD = "lakehouse_platform.orchestration.child"


@dataclass(frozen=True)
class Service:
    """A process that was started; what it says stands in `log`."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]


def logs_folder(settings: Settings) -> Path:
    """Where the services' logs are; of each there is that of the last start and the one before."""
    return settings.home.absolute() / "logs"


@contextmanager
def running_services(settings: Settings, host: str, port: int, waiting: Callable[[], bool]) -> Iterator[tuple[Service, ...]]:
    """The three services, up: the page answers. Stopped at the end, with everything that they started.

    `waiting` is asked while they start; once it gives False, the services are given as they are. Raises LakehouseError when one ends by itself.
    """
    prepare_home(settings)
    with ExitStack() as stack:
        stack.enter_context(_alone(settings))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lakehouse-")))
        socket, workspace = folder / "code", folder / "workspace.yaml"
        location = {"socket": str(socket), "location_name": _LOCATION}
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}), encoding="utf-8")
        start = _starter(settings, stack)
        code = start("code", ["dagster", "code-server", "start", "--module-name", MODULE, "--location-name", _LOCATION, "--socket", str(socket)])
        # The daemon would look again for a code server that is not there yet only after a minute.
        _wait(socket.exists, (code,), waiting)
        web = start("webserver", ["dagster_webserver", "--host", host, "--port", str(port), "--workspace", str(workspace)])
        daemon = start("daemon", ["dagster._daemon", "run", "--workspace", str(workspace)])
        services = (code, web, daemon)
        _wait(lambda: _answers(f"http://{'[' + host + ']' if ':' in host else host}:{port}/server_info"), services, waiting)
        yield services


def ended(services: Sequence[Service]) -> Service | None:
    """A service that has ended by itself, if one has."""
    return next((service for service in services if service.process.poll() is not None), None)


def end_of_log(service: Service, lines: int = 20) -> str:
    """The last lines of a service's log."""
    return "\n".join(service.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def up_process(settings: Settings) -> str | None:
    """The id of the process that is `lakehouse up` over this home; None where none runs. The file outlives it, its lock does not."""
    path = settings.dagster_home / "up.lock"
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip()
    return None


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the home's lock, which goes with this process however it ends: two daemons would start each run twice."""
    path = settings.dagster_home / "up.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            message = f"`lakehouse up` runs already over {settings.home.absolute()} (process {file.read().strip()}): stop that one first"
            raise LakehouseError(message) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _starter(settings: Settings, stack: ExitStack) -> Callable[[str, list[str]], Service]:
    folder = logs_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    environment = _environment(settings)

    def start(name: str, arguments: list[str]) -> Service:
        log = folder / f"{name}.log"
        if log.exists():
            log.replace(folder / f"{name}.log.1")
        command = [sys.executable, "-W", "ignore::FutureWarning", "-m", _CHILD, str(os.getpid()), *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 -- our own interpreter, no shell
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        stack.callback(_stop, process)
        return Service(name, log, process)

    return start


def _environment(settings: Settings) -> dict[str, str]:
    """Of these processes and of all runs: every path absolute, wherever they are."""
    return {**os.environ, "DAGSTER_HOME": str(settings.dagster_home), **given_variables(settings)}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a service in good order, then whatever is left of its process group: such as a run, which the next one takes up."""
    try:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(is_ready: Callable[[], bool], services: Sequence[Service], waiting: Callable[[], bool]) -> None:
    while waiting() and not is_ready():
        gone = ended(services)
        if gone is not None:
            raise LakehouseError(f"the {gone.name} ended while it started:\n{end_of_log(gone)}\nAll that it said is in {gone.log}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 -- our own address
            return bool(response.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False

"""The command that starts Dagster's webserver and daemon over the lakehouse. Not here: the processes (orchestration/services.py)."""

from __future__ import annotations

import signal
import socket
import threading
from typing import Annotated

import typer

from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.cli.opening import open_lakehouse
from lakehouse_platform.cli.output import tell, working


def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web page")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Start Dagster's webserver and daemon; Ctrl-C or SIGTERM stops them and everything that they run."""
    settings = open_lakehouse().settings
    refusal = port_refusal(host, port)
    if refusal is not None:
        raise typer.BadParameter(f"{host}:{port} cannot be listened on ({refusal}); choose another", param_hint="--port")
    stopped = _stop_signals()
    with working("Starting the webserver and the daemon") as status:
        from lakehouse_platform.orchestration.services import STOP_SECONDS, end_of_log, ended, logs_folder, running_services

        with running_services(settings, host, port, lambda: not stopped.is_set()) as services:
            status.stop()
            if not stopped.is_set():
                tell(f"http://{host}:{port} is up; files that land in {settings.landing} are taken up by themselves.")
                tell(f"Logs: {logs_folder(settings)}. Ctrl-C stops it.")
            while not stopped.wait(1) and ended(services) is None:
                pass
            gone = None if stopped.is_set() else ended(services)
            if gone is None:
                tell(f"Stopping: a run has {STOP_SECONDS} s to end, Ctrl-C again kills it.")
            else:
                tell(f"The {gone.name} ended by itself, so the others stop:\n{end_of_log(gone)}")
    if gone is not None:
        raise typer.Exit(ExitCode.FAILED)


def _stop_signals() -> threading.Event:
    """What Ctrl-C, SIGTERM and a closed terminal set; a second one interrupts."""
    stopped = threading.Event()

    def stop(*_: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    # Ctrl-C stops it also where a shell ignores that for its background jobs (and children would take that over); nohup stays nohup.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    return stopped


def port_refusal(host: str, port: int) -> str | None:
    """Why an address cannot be listened on; None where it can. Dagster's webserver would take it for a crash of its own."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None

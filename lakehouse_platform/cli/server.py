"""The command that starts Dagster's webserver and daemon over the lakehouse. Not here: what they load (definitions.py)."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Annotated

import typer

from lakehouse_platform.cli.opening import open_lakehouse
from lakehouse_platform.cli.output import tell, working


def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web page")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Start Dagster's webserver and daemon; stop them with Ctrl-C or SIGTERM."""
    settings = open_lakehouse().settings
    _refuse_taken(host, port)
    with working("Preparing Dagster"):
        from lakehouse_platform.orchestration.instance import prepare_home

        prepare_home(settings)
    tell(f"http://{host}:{port} in some seconds; files that land in {settings.landing} are taken up by themselves.")
    # `dagster dev` warns that `dg dev` supersedes it; that one wants a checkout, this must work from an installed package too.
    quiet = ["-W", "ignore::FutureWarning"]
    command = [sys.executable, *quiet, "-m", "dagster", "dev", "--module-name", "lakehouse_platform.definitions", "--host", host, "--port", str(port)]
    environment = {**os.environ, "DAGSTER_HOME": str(settings.dagster_home), "LAKEHOUSE_HOME": str(settings.home.absolute())}
    # This process becomes Dagster, so that Ctrl-C and signals reach it without a middleman.
    # A shell starts its background jobs with SIGINT ignored, and Dagster would take that over for SIGTERM too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execve(sys.executable, command, environment)  # noqa: S606 -- our own interpreter, no shell


def _refuse_taken(host: str, port: int) -> None:
    """Dagster goes on without its page, and with a second daemon, when the port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise typer.BadParameter(f"{host}:{port} cannot be listened on ({error.strerror}); choose another", param_hint="--port") from error

"""Whether Dagster's instance is well: its databases, its settings, runs that died. Not here: mending any of it (running.py ends dead runs)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._daemon.controller import all_daemons_live

from lakehouse_platform.findings import Finding, Status
from lakehouse_platform.orchestration.instance import INSTANCE_CONFIG, open_instance
from lakehouse_platform.orchestration.resources import running_folder
from lakehouse_platform.orchestration.running import dead_runs
from lakehouse_platform.orchestration.services import up_process
from lakehouse_platform.settings import Settings


def instance_findings(settings: Settings) -> Iterator[Finding]:
    """Every finding about the instance in the lakehouse's home; one that is not there yet is made by the first run."""
    home = settings.dagster_home
    if not (home / "dagster.yaml").exists():
        yield Finding("dagster", str(home), Status.OK, "there is no instance yet; the first run makes it")
        return
    broken = list(_databases(home))
    yield from broken
    if broken:
        return
    try:
        with open_instance(settings) as instance:
            yield Finding("dagster", str(home), Status.OK, f"opens, {instance.get_runs_count():,} runs")
            yield from _runs(settings, instance)
            yield Finding("dagster", "daemon", Status.OK, _daemon(settings, instance))
    except (dg.DagsterError, OSError, yaml.YAMLError) as error:
        yield Finding("dagster", str(home), Status.FAILED, f"does not open: {error}", f"correct {home / 'dagster.yaml'}, or move it away to get ours")
        return
    yield from _configuration(home / "dagster.yaml")


def _daemon(settings: Settings, instance: dg.DagsterInstance) -> str:
    """Who runs the daemon. The lock of `lakehouse up` knows at once; only of a daemon that somebody else runs there is nothing but its beats."""
    process = up_process(settings)
    if process is not None:
        return f"is running, by `lakehouse up` (process {process})"
    # A beat comes every 30 s; Dagster's own tolerance of half an hour calls a daemon alive long after it is gone.
    if all_daemons_live(instance, heartbeat_tolerance_seconds=30):
        return "ran within the last 30 s, but not by a `lakehouse up` that still does"
    return "is not running: `lakehouse up` starts it"


def _databases(home: Path) -> Iterator[Finding]:
    """SQLite files that are damaged: a full disk or a copy of a running instance makes such."""
    for path in sorted([*home.glob("history/*.db"), *home.glob("schedules/*.db")]):
        try:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                ((answer,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            answer = str(error)
        if answer != "ok":
            mend = "move the folder away: runs and their history begin anew, the tables do not depend on them"
            yield Finding("dagster", str(path), Status.FAILED, f"is damaged: {answer}", mend)


def _runs(settings: Settings, instance: dg.DagsterInstance) -> Iterator[Finding]:
    dead = dead_runs(instance, running_folder(settings))
    if dead:
        message = f"{len(dead)} runs were killed and still count as started, such as {dead[0]}"
        yield Finding("dagster", "runs", Status.WARNING, message, "`lakehouse materialize`, or `lakehouse up`, ends them and takes up what they left")
    else:
        yield Finding("dagster", "runs", Status.OK, "none was killed and not taken up")


def _configuration(path: Path) -> Iterator[Finding]:
    config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    missing = [name for name in INSTANCE_CONFIG if name != "telemetry" and not _contains(config.get(name), INSTANCE_CONFIG[name])]
    if missing:
        message = f"{path} differs from ours in {', '.join(missing)}"
        yield Finding(
            "dagster", "dagster.yaml", Status.WARNING, message, "keep it where it is meant: one writer a table and the end of dead runs hang on it"
        )


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_contains(found.get(key), value) for key, value in wanted.items())
    return bool(found == wanted)

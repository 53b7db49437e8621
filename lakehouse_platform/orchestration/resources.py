"""What a run is given: the lakehouse, and who listens to its steps. Not here: how a step uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.orchestration.running import marked_alive
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import Project

LAKEHOUSE, LISTENER = "lakehouse", "listener"

# Called with a table's name when its step starts (None) and with what it gave when it ends.
Listener = Callable[[str, StepResult | None], None]


def resources(settings: Settings, project: Project, listener: Listener | None = None) -> dict[str, object]:
    """The resources of all jobs, by name."""
    return {LAKEHOUSE: _lakehouse_resource(Lakehouse(settings, project)), LISTENER: dg.ResourceDefinition.hardcoded_resource(listener or _unheard)}


def running_folder(settings: Settings) -> Path:
    """Where runs hold their locks."""
    return settings.dagster_home / "running"


def _lakehouse_resource(lakehouse: Lakehouse) -> dg.ResourceDefinition:
    def held(context: dg.InitResourceContext) -> Iterator[Lakehouse]:
        if context.run is None:
            # A sensor's tick, not a run.
            yield lakehouse
            return
        with marked_alive(running_folder(lakehouse.settings), context.run.run_id):
            yield lakehouse

    return dg.ResourceDefinition(held, description="The tables of this project, where the settings say")


def _unheard(table: str, result: StepResult | None) -> None:
    """Nobody listens: Dagster's log says it all."""

"""Puts a project's definitions together: the assets of its defs folder with the platform's jobs, sensors and resources. Not here: any of these."""

from __future__ import annotations

import warnings
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import dagster as dg

from lakehouse_platform.orchestration.assets import definitions_of
from lakehouse_platform.orchestration.automation import automation_sensor, schedules
from lakehouse_platform.orchestration.backfills import throttled
from lakehouse_platform.orchestration.jobs import platform_jobs
from lakehouse_platform.orchestration.maintenance import maintain_job, maintain_schedule, maintenance_sensor
from lakehouse_platform.orchestration.resources import Listener, resources
from lakehouse_platform.orchestration.sensors import file_sensor
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import Project, load_project
from lakehouse_platform.tables.python_files import defs_package


def build_definitions(settings: Settings, listener: Listener | None = None) -> dg.Definitions:
    """All definitions of the settings' project. Raises ProjectError with every mistake of every table."""
    project_at.cache_clear()
    project = project_of(settings)
    tree = dg.ComponentTree.from_module(defs_module=_defs_module(settings), project_root=project.root.parent)
    platform = dg.Definitions(
        jobs=[*platform_jobs(project), maintain_job(project)],
        schedules=[*schedules(project), maintain_schedule()],
        sensors=[automation_sensor(), maintenance_sensor(), *(file_sensor(source) for source in project.sources)],
        resources=resources(settings, project, listener),
        executor=dg.in_process_executor,
    )
    with warnings.catch_warnings():
        # Dagster warns of its own use of its beta and preview classes, at each load.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        merged = dg.Definitions.merge(tree.build_defs(), *(definitions_of(project, name) for name in project.declared), platform)
        return throttled(merged, settings.backfill_partitions)


def project_of(settings: Settings) -> Project:
    """The project that the settings name: the user's own, or the shipped products."""
    return project_at(settings.defs_root)


@lru_cache(maxsize=8)
def project_at(defs_root: Path) -> Project:
    """The project of a defs folder, loaded once for all components of a load."""
    return load_project(defs_root)


def _defs_module(settings: Settings) -> ModuleType:
    return import_module("lakehouse_platform.defs") if settings.project is None else defs_package(settings.defs_root)

"""Puts a project's definitions together: the assets of its defs folder with the platform's jobs, sensors and resources. Not here: any of these."""

from __future__ import annotations

import sys
import warnings
from functools import lru_cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import dagster as dg

from lakehouse_platform.orchestration.automation import automation_sensor
from lakehouse_platform.orchestration.jobs import increment_job
from lakehouse_platform.orchestration.resources import Listener, resources
from lakehouse_platform.orchestration.sensors import file_sensor
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import Project, load_project

USER_MODULE = "lakehouse_project_defs"


def build_definitions(settings: Settings, listener: Listener | None = None) -> dg.Definitions:
    """All definitions of the settings' project. Raises ProjectError with every mistake of every table."""
    project_at.cache_clear()
    project = project_of(settings)
    tree = dg.ComponentTree.from_module(defs_module=_defs_module(settings), project_root=project.root.parent)
    platform = dg.Definitions(
        jobs=[increment_job(project, source) for source in project.sources],
        sensors=[automation_sensor(), *(file_sensor(source) for source in project.sources)],
        resources=resources(settings, project, listener),
        executor=dg.in_process_executor,
    )
    with warnings.catch_warnings():
        # Dagster warns of its own use of its beta and preview classes, at each load.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.Definitions.merge(tree.build_defs(), platform)


def project_of(settings: Settings) -> Project:
    """The project that the settings name: the user's own, or the shipped products."""
    return project_at(settings.defs_root)


@lru_cache(maxsize=8)
def project_at(defs_root: Path) -> Project:
    """The project of a defs folder, loaded once for all components of a load."""
    return load_project(defs_root)


def _defs_module(settings: Settings) -> ModuleType:
    # A user's defs are made a package without being installed, so that Python files in them load, and may import each other.
    if settings.project is None:
        return import_module("lakehouse_platform.defs")
    root = settings.defs_root
    spec = spec_from_loader(USER_MODULE, loader=None, is_package=True)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"{root} cannot be made a package")
    spec.submodule_search_locations.append(str(root))
    module = module_from_spec(spec)
    sys.modules[USER_MODULE] = module
    return module

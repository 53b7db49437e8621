"""What a command works on: the lakehouse of the settings, and tables found by the name that a user typed. Not here: commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lakehouse_platform.cli.output import working

if TYPE_CHECKING:
    from lakehouse_platform.medallion.lakehouse import Lakehouse
    from lakehouse_platform.settings import Settings


def choose_project(folder: Path | None) -> None:
    """Make a folder the project of this command and of every process that it starts."""
    if folder is None:
        return
    if not (folder / "defs").is_dir():
        raise typer.BadParameter(f"{folder} has no folder defs; `lakehouse init` begins a project", param_hint="--project")
    os.environ["LAKEHOUSE_PROJECT"] = str(folder.absolute())


def open_lakehouse() -> Lakehouse:
    """The lakehouse that the settings name. Raises ProjectError with every mistake of its project."""
    with working("Loading the project"):
        from lakehouse_platform.medallion.lakehouse import Lakehouse
        from lakehouse_platform.tables.project import load_project

        settings = read_settings()
        if not settings.defs_root.is_dir():
            raise typer.BadParameter(f"{settings.project} has no folder defs", param_hint="LAKEHOUSE_PROJECT")
        return Lakehouse(settings, load_project(settings.defs_root))


def read_settings() -> Settings:
    """The settings of the environment, or the mistakes in them by the names that the user wrote."""
    from pydantic import ValidationError

    from lakehouse_platform.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        mistakes = (f"LAKEHOUSE_{str(mistake['loc'][0]).upper()}: {mistake['msg']}" for mistake in error.errors())
        raise typer.BadParameter("; ".join(mistakes), param_hint="the environment") from error


def table_name(lakehouse: Lakehouse, typed: str) -> str:
    """The table or source that a user means by `silver/orders` or `silver.orders`."""
    name = typed.replace(".", "/", 1)
    known = [*lakehouse.project.sources, *lakehouse.project.tables]
    if name not in known:
        raise typer.BadParameter(f"there is no table {typed}; there are {', '.join(known)}")
    return name


def typed_version(lakehouse: Lakehouse, table: str, typed: str | None) -> int:
    """The version that a user means by a number, a timestamp or a tag; the newest where none is given."""
    from lakehouse_platform.delta.snapshot import VersionGone
    from lakehouse_platform.medallion.time_travel import made_snapshot, version_of

    try:
        return made_snapshot(lakehouse, table).version if typed is None else version_of(lakehouse, table, typed)
    except VersionGone as error:
        raise typer.BadParameter(str(error)) from error


def silver_name(lakehouse: Lakehouse, typed: str) -> str:
    """A silver table by the name that a user typed: only those judge rows."""
    name = table_name(lakehouse, typed)
    if not name.startswith("silver/"):
        raise typer.BadParameter(f"{typed} judges no rows; silver tables do: {', '.join(silver_tables(lakehouse))}")
    return name


def silver_tables(lakehouse: Lakehouse) -> list[str]:
    """All silver tables."""
    return [name for name in lakehouse.project.tables if name.startswith("silver/")]

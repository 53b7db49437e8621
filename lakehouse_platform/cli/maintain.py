"""The command that maintains tables, and what it shows of it. Not here: what maintenance does (medallion/upkeep.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_platform.cli.opening import open_lakehouse, table_name
from lakehouse_platform.cli.output import Format, FormatOption, show, tell, working
from lakehouse_platform.cli.runs import fail_with, open_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse_platform.medallion.lakehouse import Lakehouse
    from lakehouse_platform.medallion.table_metrics import Metrics
    from lakehouse_platform.medallion.upkeep import Upkeep

_COLUMNS = (
    *("table", "files", "files_after", "bytes", "bytes_after", "packable"),
    *("deleted_files", "deleted_bytes", "removed_commits", "oldest_version", "version"),
)


def maintain(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables; all, and the platform's own, where none are named")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, and tell what would be packed, deleted and removed")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only this: optimize, vacuum or clean_log; may be repeated")] = None,
    retention_hours: Annotated[
        float | None, typer.Option(min=0, help="How long versions stay readable after they were replaced, instead of what each table says")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why less than 168 hours are enough; the commit keeps it")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Keep tables in shape by their `maintenance`: small files are packed, files that no version needs deleted, logs cleaned.

    Tables beside a table (quarantine, change events) go with it. Whatever is needed stays: versions within retention, those with a tag, what tables
    downstream have not read yet.
    """
    from lakehouse_platform.medallion.upkeep import Upkeep, Work
    from lakehouse_platform.problems import LakehouseError

    lakehouse = open_lakehouse()
    named = [_named(lakehouse, name) for name in tables] if tables else None
    known = (*lakehouse.project.sources, *lakehouse.project.tables)
    # Tables of Python assets are none of the project's: they are maintained here and now, without a run.
    others = [name for name in named or () if name not in known]
    names = [name for name in named if name in known] if named is not None else None
    try:
        if strange := set(only or ()) - set(Work):
            raise typer.BadParameter(f"{', '.join(sorted(strange))} is none of {', '.join(Work)}", param_hint="--only")
        work = tuple(Work(each) for each in only) if only else tuple(Work)
        upkeep = Upkeep(work, retention_hours, reason, dry_run)
    except LakehouseError as error:
        raise typer.BadParameter(str(error), param_hint="--retention-hours") from error
    if dry_run:
        _show([*_looked_at(lakehouse, names, upkeep), *_done(lakehouse, others, upkeep)], output)
        tell("Nothing was changed: deleted and removed is what would be, packable what would be packed.")
        return
    runs = []
    if names is None or names:
        with open_runs() as runner:
            runs.append(runner.maintain(names, upkeep))
    _show([*(each for run in runs for each in _noted(lakehouse, run.run_id)), *_done(lakehouse, others, upkeep)], output)
    fail_with(runs)


def _named(lakehouse: Lakehouse, typed: str) -> str:
    """A table of the project, or a Python asset's below the same root."""
    name = typed.replace(".", "/")
    return name if lakehouse.snapshot(name) is not None else table_name(lakehouse, typed)


def _done(lakehouse: Lakehouse, names: Sequence[str], upkeep: Upkeep) -> list[Metrics]:
    from uuid import uuid4

    from lakehouse_platform.medallion.table_metrics import note
    from lakehouse_platform.medallion.upkeep import maintain

    found, run_id = [], uuid4().hex
    for name in names:
        with working(f"Maintaining {name}"), lakehouse.session() as session:
            metrics = maintain(lakehouse, session, name, upkeep, run_id=run_id)
            if metrics is not None:
                found.append(metrics)
                if not upkeep.dry_run:
                    note(lakehouse, session, metrics)
    return found


def _looked_at(lakehouse: Lakehouse, names: Sequence[str] | None, upkeep: Upkeep) -> list[Metrics]:
    from lakehouse_platform.medallion.upkeep import beside, maintain, system_tables

    found = []
    chosen = (*lakehouse.project.sources, *lakehouse.project.tables) if names is None else names
    every = [each for name in chosen for each in beside(lakehouse, name)]
    for name in [*every, *(system_tables(lakehouse) if names is None else [])]:
        with working(f"Looking at {name}"), lakehouse.session() as session:
            found.append(maintain(lakehouse, session, name, upkeep, run_id=""))
    return [each for each in found if each is not None]


def _noted(lakehouse: Lakehouse, run_id: str) -> list[Metrics]:
    from lakehouse_platform.medallion.table_metrics import noted

    with lakehouse.session() as session:
        return noted(lakehouse, session, run_id)


def _show(found: Sequence[Metrics], output: Format) -> None:
    rows = [
        (
            *(each.table_name, each.files_before, each.files_after, each.bytes_before, each.bytes_after, each.packable_files_after),
            *(each.deleted_files, each.deleted_bytes, each.removed_commits, each.oldest_version, each.version_after),
        )
        for each in found
    ]
    show(_COLUMNS, rows, output, only_json=("oldest_version",), empty="There is no table to maintain: none has data yet, or `maintenance` is off.")

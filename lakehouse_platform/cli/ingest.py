"""Takes one file in: lands it and runs the increment of its source. Not here: how a file lands (medallion/arrival.py), runs (runs.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lakehouse_platform.cli.opening import open_lakehouse, table_name
from lakehouse_platform.cli.output import Format, FormatOption, tell, working
from lakehouse_platform.cli.runs import changes, fail_with, open_runs, show_changes, tell_unmet, versions


def ingest(
    file: Annotated[Path, typer.Argument(help="A file, from anywhere; it is copied", exists=True, dir_okay=False, readable=True)],
    to: Annotated[str, typer.Option("--to", help="The source that it is for, such as bronze/orders")],
    name: Annotated[str | None, typer.Option("--as", help="Land it under this name, or this path below the landing folder")] = None,
    value: Annotated[list[str] | None, typer.Option(help="What a {name} in the source's path is here: name=text; may be repeated")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Land a file for a source, whole or not at all, and take in what is new: the source's records and everything downstream.

    Content that was taken before is not taken again, whatever its name; a name that other content has is refused.
    """
    lakehouse = open_lakehouse()
    source = table_name(lakehouse, to)
    if source not in lakehouse.project.sources:
        raise typer.BadParameter(f"{to} is no source; there are {', '.join(lakehouse.project.sources)}", param_hint="--to")
    with working(f"Landing {file}"):
        from lakehouse_platform.ingest.landing_name import NoName
        from lakehouse_platform.medallion.arrival import put

        try:
            arrival = put(lakehouse, source, file, name=name, values=_values(value or ()))
        except NoName as error:
            raise typer.BadParameter(str(error)) from error
    tell(f"{file}: {arrival.what}" + (f" as {arrival.source_file}" if arrival.what == "landed" else ""))
    with open_runs() as runner:
        before = versions(lakehouse)
        runs = [runner.increment(source)]
    show_changes(changes(lakehouse, before), runs, output)
    tell_unmet(runs)
    fail_with(runs)


def _values(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise typer.BadParameter(f"{', '.join(wrong)} says no value: give name=text", param_hint="--value")
    return {name: text for name, _, text in pairs}

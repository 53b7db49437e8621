"""Commands for a project of one's own: begin one, add a table to it, run its fixtures. Not here: what they write (scaffold), how fixtures run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from lakehouse_platform.cli.opening import open_lakehouse
from lakehouse_platform.cli.output import tell, working

tables = typer.Typer(help="The tables of your own project.", no_args_is_help=True)
_TABLE = re.compile(r"(bronze|silver|gold)[/.][a-z][a-z0-9_]*")


@tables.command("new")
def new_table(
    table: Annotated[str, typer.Argument(help="Layer and name of the table to make, such as silver/orders")],
    origin: Annotated[str, typer.Option("--from", help="A sample file, or a table: a source for silver, a silver table for gold")],
) -> None:
    """Propose a table from a sample of its data, and write it into the project: types, key, gaps, choices and partitions as they were measured."""
    if not _TABLE.fullmatch(table):
        raise typer.BadParameter(f"{table} is no name of a table; write bronze/, silver/ or gold/ and lower-case letters, digits and _")
    lakehouse = open_lakehouse()
    if lakehouse.settings.project is None:
        raise typer.BadParameter("the shipped products are not yours to change; `lakehouse init DIR` begins a project", param_hint="--project")
    from lakehouse_platform.scaffold.new_table import propose, write
    from lakehouse_platform.tables.project import load_project

    with working("Measuring the sample"):
        proposals = propose(lakehouse, table.replace(".", "/", 1), origin)
        written = write(proposals)
    for path in written:
        tell(f"  {_shown(path)}")
    # What was written must load; where it does not, its mistakes are told as all others are.
    load_project(lakehouse.project.root)
    tell(_NEXT[proposals[-1].table.split("/", maxsplit=1)[0]].format(table=proposals[-1].table, path=_shown(proposals[-1].folder)))


_NEXT = {
    "bronze": "Next: put files into the landing folder that it names, and `lakehouse table new {table} --from FILE` with silver in place of bronze.",
    "silver": "Next: read {path}/contract.yaml and decide what its remarks leave open; then `lakehouse materialize {table}`.",
    "gold": "Next: read {path}/transform.sql and make it say what the table is for; then `lakehouse materialize {table}`.",
}


def _shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

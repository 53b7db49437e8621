"""Commands for a project of one's own: begin one, add a table to it, run its fixtures. Not here: what they write (scaffold), how fixtures run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.cli.opening import open_lakehouse, table_name
from lakehouse_platform.cli.output import Format, FormatOption, show, tell, working

tables = typer.Typer(help="The tables of your own project.", no_args_is_help=True)
FOLDER = "tests"
_TABLE = re.compile(r"(bronze|silver|gold)[/.][a-z][a-z0-9_]*")


def init(folder: Annotated[Path, typer.Argument(help="The folder to make; it may be there, and hold nothing", file_okay=False)]) -> None:
    """Begin a project of your own: an example product from raw file to gold, its cases, a test, CI, and a README with the first commands."""
    from lakehouse_platform.scaffold.new_project import new_project

    for path in new_project(folder):
        tell(f"  {_shown(path)}")
    going = "" if folder.absolute() == Path.cwd() else f"cd {folder}, and "
    tell(f"Next: {going}the first five commands of its README.md.")


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
    made = proposals[-1]
    taking = (
        f"`lakehouse ingest {origin} --to bronze/{made.table.partition('/')[2]}`"
        if Path(origin).is_file()
        else f"`lakehouse materialize {made.table}`"
    )
    tell(_NEXT[made.table.partition("/")[0]].format(folder=_shown(made.folder), taking=taking))


def test(
    table: Annotated[str | None, typer.Argument(help="A table; all that have cases by default")] = None, output: FormatOption = Format.TABLE
) -> None:
    """Run the cases in the tables' folders (`tests/*.yaml`): given rows in, expected rows out; exit code 3 when one differs."""
    from lakehouse_platform.fixtures.running import run_cases

    lakehouse = open_lakehouse()
    names = [table_name(lakehouse, table)] if table is not None else list(lakehouse.project.tables)
    results = []
    for name in names:
        known = lakehouse.project.tables.get(name)
        if known is not None:
            with working(f"Testing {name}"):
                results += list(run_cases(lakehouse.settings, lakehouse.project, known))
    if not results:
        tell(f"There are no cases: write one into the folder {FOLDER} of a table's folder, such as {FOLDER}/late_orders.yaml.")
    rows = [(result.table, result.case, "differs" if result.differences else "passed", _told(result.differences, output)) for result in results]
    show(("table", "case", "status", "differences"), rows, output)
    if any(result.differences for result in results):
        raise typer.Exit(ExitCode.CHECKS)


def _told(differences: tuple[str, ...], output: Format) -> str | tuple[str, ...]:
    return differences if output is Format.JSON else "\n".join(differences)


_NEXT = {
    "bronze": "Next: {taking} takes a file in; `lakehouse table new` with silver/ in place of bronze/ proposes a table over it.",
    "silver": "Next: read {folder}/contract.yaml and decide what its remarks leave open; then {taking}.",
    "gold": "Next: read {folder}/transform.sql and make it say what the table is for; then {taking}.",
}


def _shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

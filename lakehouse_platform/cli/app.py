"""All commands of `lakehouse` in one application. Not here: what they do. Commands import what they need when they run: `--help` must be quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lakehouse_platform.cli import catalogue, demo, doctor, history, ingest, maintain, project, quarantine, query, rulings, runs, server, versions
from lakehouse_platform.cli.opening import choose_project

app = typer.Typer(
    name="lakehouse",
    help="A lakehouse whose tables are folders. LAKEHOUSE_HOME says where the data lives (.lakehouse).",
    epilog="Exit codes: 0 done, 1 failed, 2 a mistake in the command, 3 a check failed, 4 the project has mistakes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(is_asked: bool) -> None:  # noqa: FBT001 -- the form of an option's callback
    if is_asked:
        from lakehouse_platform.doctor.machine import platform_version

        typer.echo(f"lakehouse {platform_version()}")
        raise typer.Exit


@app.callback()
def options(
    *,
    project: Annotated[
        Path | None, typer.Option(help="Folder with your own defs/; by default the shipped products", file_okay=False, exists=True)
    ] = None,
    version: Annotated[  # noqa: ARG001 -- its callback answers before anything else is read
        bool, typer.Option("--version", help="Say which version this is, and nothing else", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """A lakehouse whose tables are folders. LAKEHOUSE_HOME says where the data lives (.lakehouse)."""
    choose_project(project)


app.command("demo")(demo.demo)
app.command("materialize")(runs.materialize)
app.command("ingest")(ingest.ingest)
app.command("rebuild")(history.rebuild)
app.command("restore")(history.restore)
app.command("check")(runs.check)
app.command("maintain")(maintain.maintain)
app.command("query")(query.query)
app.command("tables")(catalogue.tables)
app.command("history")(versions.history)
app.command("diff")(versions.diff)
app.command("changes")(versions.changes)
app.command("tag")(versions.tag)
app.command("tags")(versions.tags)
app.command("untag")(versions.untag)
app.command("accounts")(catalogue.accounts)
app.command("lineage")(catalogue.lineage)
app.command("up")(server.up)
app.command("doctor")(doctor.doctor)
quarantine.app.command("replay")(history.replay)
quarantine.app.command("blocked")(rulings.blocked)
quarantine.app.command("release")(rulings.release)
quarantine.app.command("reject")(rulings.reject)
app.add_typer(quarantine.app, name="quarantine")
app.command("init")(project.init)
app.command("test")(project.test)
app.add_typer(project.tables, name="table")

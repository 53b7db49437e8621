"""The command that runs Spark SQL over the tables. Not here: translating it (engine)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_platform.cli.opening import open_lakehouse
from lakehouse_platform.cli.output import Format, FormatOption, show, tell, working
from lakehouse_platform.problems import ProjectError

if TYPE_CHECKING:
    from lakehouse_platform.engine.duckdb import Session
    from lakehouse_platform.medallion.lakehouse import Lakehouse

_ROWS_ON_SCREEN = 100


def query(
    sql: Annotated[str, typer.Argument(help='One SELECT in Spark SQL: "SELECT count(*) FROM silver.order_lines"')],
    limit: Annotated[int | None, typer.Option(min=1, help=f"Show at most so many rows; {_ROWS_ON_SCREEN} in a table, all in JSON")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Query the tables with Spark SQL."""
    lakehouse = open_lakehouse()
    wanted = limit or (_ROWS_ON_SCREEN if output is Format.TABLE else None)
    try:
        with working("Querying"), lakehouse.session() as session:
            columns, rows = selected(lakehouse, session, sql, None if wanted is None else wanted + 1)
    except ProjectError as error:
        # Here the mistake stands in what was typed, not in the project's files.
        raise typer.BadParameter("; ".join(f"line {problem.line}: {problem.message}. {problem.mend}" for problem in error.problems)) from error
    show(columns, rows[:wanted], output)
    if wanted is not None and len(rows) > wanted:
        tell(f"There are more than {wanted} rows; --limit shows more.")


def selected(lakehouse: Lakehouse, session: Session, sql: str, limit: int | None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of Spark SQL over the tables as they are now. Raises ProjectError or LakehouseError for what cannot run."""
    from lakehouse_platform.engine.query import parse_select
    from lakehouse_platform.engine.scan import snapshot_scan
    from lakehouse_platform.engine.transpile import to_duckdb

    parsed = parse_select(sql, Path("query"))
    relations, schemas = {}, {}
    for position, name in enumerate(parsed.inputs):
        snapshot = lakehouse.snapshot(name)
        if snapshot is None:
            raise typer.BadParameter(f"there is no table {name.replace('/', '.')}; `lakehouse tables` shows what there is, `lakehouse demo` fills it")
        relations[name], schemas[name] = f"input_{position}", {column.name: column.type for column in snapshot.columns}
        session.view(relations[name], snapshot_scan(snapshot))
    # From outside, two columns of one name have two names, which a row of JSON needs.
    translated = f"SELECT * FROM ({to_duckdb(parsed, relations, schemas)})"
    return list(session.describe(translated)), session.rows(translated if limit is None else f"{translated} LIMIT {limit}")

"""The command that runs Spark SQL over the tables. Not here: running it (medallion/selecting.py)."""

from __future__ import annotations

from typing import Annotated

import typer

from lakehouse_platform.cli.opening import open_lakehouse
from lakehouse_platform.cli.output import Format, FormatOption, show, tell, working
from lakehouse_platform.problems import ProjectError

_ROWS_ON_SCREEN = 100
_HINTS = {
    **dict.fromkeys(("SHOW",), "`lakehouse tables` shows what there is"),
    **dict.fromkeys(("DESCRIBE", "DESC"), "`lakehouse query 'SELECT * FROM silver.orders' --limit 1` shows a table's columns"),
    **dict.fromkeys(
        ("ALTER", "CREATE", "DELETE", "DROP", "INSERT", "MERGE", "OPTIMIZE", "REPLACE", "TRUNCATE", "UPDATE", "VACUUM"),
        "queries only read: tables change by their folders and `lakehouse materialize`",
    ),
    **dict.fromkeys(("EXPLAIN", "REFRESH", "SET", "USE"), "write one SELECT, with WITH for steps before it"),
}


def query(
    sql: Annotated[str, typer.Argument(help='One SELECT in Spark SQL: "SELECT count(*) FROM silver.order_lines"')],
    limit: Annotated[int | None, typer.Option(min=1, help=f"Show at most so many rows; {_ROWS_ON_SCREEN} in a table, all in JSON")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Query the tables with Spark SQL."""
    word = sql.split(maxsplit=1)[0].upper() if sql.strip() else ""
    if word in _HINTS:
        raise typer.BadParameter(f"{word} is no SELECT: {_HINTS[word]}")
    from lakehouse_platform.delta.snapshot import VersionGone
    from lakehouse_platform.medallion.selecting import NoSuchTable, selected

    lakehouse = open_lakehouse()
    wanted = limit or (_ROWS_ON_SCREEN if output is Format.TABLE else None)
    try:
        with working("Querying"), lakehouse.session() as session:
            columns, rows = selected(lakehouse, session, sql, None if wanted is None else wanted + 1)
    except ProjectError as error:
        # Here the mistake stands in what was typed, not in the project's files.
        raise typer.BadParameter("; ".join(f"line {problem.line}: {problem.message}. Mend: {problem.mend}" for problem in error.problems)) from error
    except (NoSuchTable, VersionGone) as error:
        raise typer.BadParameter(str(error)) from error
    show(columns, rows[:wanted], output, empty="The query gives no rows.")
    if wanted is not None and len(rows) > wanted:
        tell(f"There are more than {wanted} rows; --limit shows more.")

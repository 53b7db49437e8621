"""The command that runs Spark SQL over the tables. Not here: translating it (engine)."""

from __future__ import annotations

import difflib
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
    lakehouse = open_lakehouse()
    wanted = limit or (_ROWS_ON_SCREEN if output is Format.TABLE else None)
    try:
        with working("Querying"), lakehouse.session() as session:
            columns, rows = selected(lakehouse, session, sql, None if wanted is None else wanted + 1)
    except ProjectError as error:
        # Here the mistake stands in what was typed, not in the project's files.
        raise typer.BadParameter("; ".join(f"line {problem.line}: {problem.message}. Mend: {problem.mend}" for problem in error.problems)) from error
    show(columns, rows[:wanted], output, empty="The query gives no rows.")
    if wanted is not None and len(rows) > wanted:
        tell(f"There are more than {wanted} rows; --limit shows more.")


def selected(lakehouse: Lakehouse, session: Session, sql: str, limit: int | None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of Spark SQL over the tables as they are now. Raises ProjectError or LakehouseError for what cannot run."""
    from lakehouse_platform.engine.query import parse_select
    from lakehouse_platform.engine.scan import snapshot_scan
    from lakehouse_platform.engine.spelling import quote
    from lakehouse_platform.engine.transpile import to_duckdb
    from lakehouse_platform.tables.storage import POSITION

    parsed = parse_select(sql, Path("query"))
    relations, schemas = {}, {}
    for position, name in enumerate(parsed.inputs):
        snapshot = lakehouse.snapshot(name) if not name.startswith("/") else None
        if snapshot is None:
            raise typer.BadParameter(_no_table(lakehouse, name))
        # Where a row came from orders the rows of a key; who wants to see it names it.
        hidden = [POSITION.name] if POSITION.name not in sql else []
        columns = [column for column in snapshot.columns if column.name not in hidden]
        relations[name], schemas[name] = f"input_{position}", {column.name: column.type for column in columns}
        names = ", ".join(quote(column.name) for column in columns)
        session.view(relations[name], f"SELECT {names} FROM ({snapshot_scan(snapshot)})")
    # From outside, two columns of one name have two names, which a row of JSON needs.
    translated = f"SELECT * FROM ({to_duckdb(parsed, relations, schemas)})"
    return list(session.describe(translated)), session.rows(translated if limit is None else f"{translated} LIMIT {limit}")


def _no_table(lakehouse: Lakehouse, name: str) -> str:
    """That there is no such table (yet), and which was meant."""
    known = [*lakehouse.project.sources, *lakehouse.project.tables]
    layer, _, entity = name.partition("/")
    if name in known:
        return f"{layer}.{entity} has not been made yet below {lakehouse.settings.tables_root}: `lakehouse materialize {name}` makes it"
    same = [each for each in known if each.split("/")[1] == entity]
    near = same or difflib.get_close_matches(name, known, n=1, cutoff=0.8 if layer else 0.7)
    typed = f"{layer}.{entity}" if layer else entity
    hint = f"did you mean {' or '.join(each.replace('/', '.') for each in near)}?" if near else "`lakehouse tables` shows what there is"
    return f"there is no table {typed}{'' if layer else ', which names no layer'}; {hint}"

"""Commands that show the rows that were turned away, and why. Not here: judging rows (quality)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_platform.cli.opening import open_lakehouse, silver_name, silver_tables
from lakehouse_platform.cli.output import Format, FormatOption, show, working

if TYPE_CHECKING:
    from lakehouse_platform.engine.duckdb import Session
    from lakehouse_platform.medallion.lakehouse import Lakehouse

app = typer.Typer(help="The rows that were turned away, and why.", no_args_is_help=True)

COLUMNS = ("table", "outcome", "reasons", "raw_data", "source_file", "source_row", "ingestion_timestamp", "run_id")


@app.command("list")
def list_tables(output: FormatOption = Format.TABLE) -> None:
    """Show how many rows of each table were turned away, by rule; a row that broke two rules counts under both."""
    lakehouse = open_lakehouse()
    rows: list[tuple[Any, ...]] = []
    with working("Reading the quarantine"), lakehouse.session() as session:
        for table in silver_tables(lakehouse):
            visible = _visible(lakehouse, session, table)
            if visible is not None:
                sql = f"SELECT outcome, rule, count(*) FROM (SELECT outcome, unnest(reasons).rule AS rule FROM ({visible})) GROUP BY ALL ORDER BY ALL"
                rows += [(table, *row) for row in session.rows(sql)]
    show(("table", "outcome", "rule", "rows"), rows, output)


@app.command("show")
def show_table(
    table: Annotated[str, typer.Argument(help="A silver table, such as silver/order_lines")],
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many rows")] = 20,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show rows of a table that were turned away: every reason, the raw record and where it came from."""
    lakehouse = open_lakehouse()
    name = silver_name(lakehouse, table)
    with working("Reading the quarantine"), lakehouse.session() as session:
        rows = quarantined(lakehouse, session, name, limit)
    show(COLUMNS, rows, output)


def quarantined(lakehouse: Lakehouse, session: Session, table: str, limit: int) -> list[tuple[Any, ...]]:
    """The first rows that a table turned away, in the order of its source."""
    visible = _visible(lakehouse, session, table)
    if visible is None:
        return []
    columns = ", ".join(COLUMNS[1:])
    sql = f"SELECT {columns} FROM ({visible}) ORDER BY ingestion_timestamp, source_file, source_row LIMIT {limit}"
    return [(table, *row) for row in session.rows(sql)]


def _visible(lakehouse: Lakehouse, session: Session, table: str) -> str | None:
    from lakehouse_platform.medallion.books import committed_batches
    from lakehouse_platform.quality.quarantine import quarantine_name, visible_rows

    snapshot = lakehouse.snapshot(quarantine_name(table))
    return None if snapshot is None else visible_rows(snapshot, committed_batches(lakehouse, session, table))

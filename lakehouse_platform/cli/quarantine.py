"""Commands that show the rows that were turned away, and why. Not here: judging rows (quality)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_platform.cli.opening import open_lakehouse, silver_name, silver_tables
from lakehouse_platform.cli.output import Format, FormatOption, Lines, show, show_records, working

if TYPE_CHECKING:
    from lakehouse_platform.engine.duckdb import Session
    from lakehouse_platform.medallion.lakehouse import Lakehouse

app = typer.Typer(help="The rows that were turned away, and why.", no_args_is_help=True)

COLUMNS = ("table", "outcome", "reasons", "raw_data", "raw_bytes", "source_file", "source_row", "ingestion_timestamp", "run_id")
# For people, on lines of their own.
_SHOWN = ("outcome", "because", "record", "from", "arrived", "run_id")


@app.command("list")
def list_tables(output: FormatOption = Format.TABLE) -> None:
    """Show how many rows of each table were turned away, by rule; a row that broke two rules counts under both.

    Failing rows of a batch that waits for a decision (`held`) are not the table's yet.
    """
    lakehouse = open_lakehouse()
    rows: list[tuple[Any, ...]] = []
    with working("Reading the quarantine"), lakehouse.session() as session:
        for table in silver_tables(lakehouse):
            visible = _visible(lakehouse, session, table)
            if visible is not None:
                sql = f"SELECT outcome, rule, count(*) FROM (SELECT outcome, unnest(reasons).rule AS rule FROM ({visible})) GROUP BY ALL ORDER BY ALL"
                rows += [(table, *row, None) for row in session.rows(sql)]
            rows += [(table, *row) for row in _held_rules(lakehouse, session, table)]
    show(("table", "outcome", "rule", "rows", "held"), rows, output, only_filled=("held",), empty="No row was turned away.")


@app.command("show")
def show_table(
    table: Annotated[str, typer.Argument(help="A silver table, such as silver/order_lines")],
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many rows")] = 20,
    batch: Annotated[str | None, typer.Option(help="Show the failing rows of this blocked batch, which are held for review")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show rows of a table that were turned away: every reason, the raw record and where it came from."""
    lakehouse = open_lakehouse()
    name = silver_name(lakehouse, table)
    with working("Reading the quarantine"), lakehouse.session() as session:
        held = None if batch is None else _held(lakehouse, session, name, batch)
        rows = quarantined(lakehouse, session, name, limit, held)
    empty = f"{name} has turned no row away."
    if output is Format.JSON:
        show(COLUMNS, rows, output)
    else:
        show_records(_SHOWN, [_for_people(dict(zip(COLUMNS, row, strict=True))) for row in rows], output, empty=empty)


def _for_people(row: dict[str, Any]) -> tuple[object, ...]:
    """A row by what one looks for: why, what came, from where. Bytes that are no text are shown as Python writes them."""
    reasons = Lines(
        f"{reason['rule']}: {f'{field} ' if (field := reason['field']) else ''}{reason['message']}"
        + (f" ({reason['source_text']!r})" if reason["source_text"] is not None else "")
        for reason in row["reasons"]
    )
    record = repr(bytes(row["raw_bytes"]))[2:-1] if row["raw_data"] is None and row["raw_bytes"] is not None else row["raw_data"]
    where = f"{row['source_file']}, record {row['source_row']}"
    return row["outcome"], reasons, record, where, row["ingestion_timestamp"], row["run_id"]


def quarantined(lakehouse: Lakehouse, session: Session, table: str, limit: int, held: str | None = None) -> list[tuple[Any, ...]]:
    """The first rows that a table turned away, or of a relation of held ones, in the order of its source."""
    visible = held or _visible(lakehouse, session, table)
    if visible is None:
        return []
    columns = ", ".join(COLUMNS[1:])
    sql = f"SELECT {columns} FROM ({visible}) ORDER BY ingestion_timestamp, source_file, source_row LIMIT {limit}"
    return [(table, *row) for row in session.rows(sql)]


def _held_rules(lakehouse: Lakehouse, session: Session, table: str) -> list[tuple[Any, ...]]:
    """(outcome, rule, rows, batch) of the batch that a table waits on."""
    from lakehouse_platform.medallion.blocks import waiting

    block = waiting(lakehouse, session, table, lakehouse.snapshot(table))
    if block is None:
        return []
    batch_id = block.decision.batch_id
    rules = f"SELECT outcome, unnest(reasons).rule AS rule FROM ({_held(lakehouse, session, table, batch_id)})"
    return [(*row, batch_id) for row in session.rows(f"SELECT outcome, rule, count(*) FROM ({rules}) GROUP BY ALL ORDER BY ALL")]


def _held(lakehouse: Lakehouse, session: Session, table: str, batch: str) -> str:
    """SQL of the held rows of the batch that a table waits on, named by the beginning of its id."""
    from lakehouse_platform.engine.scan import snapshot_scan
    from lakehouse_platform.medallion.blocks import waiting
    from lakehouse_platform.quality.quarantine import open_quarantine, quarantine_name

    block = waiting(lakehouse, session, table, lakehouse.snapshot(table))
    if block is None or not block.decision.batch_id.startswith(batch):
        waits = "waits on no batch" if block is None else f"waits on batch {block.decision.batch_id}"
        raise typer.BadParameter(f"{table} {waits}", param_hint="--batch")
    quarantine = open_quarantine(lakehouse.location(quarantine_name(table)))
    files = tuple(file for file in quarantine.files if file.partition_values.get("batch_id") == block.decision.batch_id)
    return snapshot_scan(quarantine, files)


def _visible(lakehouse: Lakehouse, session: Session, table: str) -> str | None:
    from lakehouse_platform.medallion.books import committed_batches
    from lakehouse_platform.quality.quarantine import quarantine_name, visible_rows

    snapshot = lakehouse.snapshot(quarantine_name(table))
    return None if snapshot is None else visible_rows(snapshot, committed_batches(lakehouse, session, table))

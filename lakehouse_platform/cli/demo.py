"""The command that takes raw files to gold and shows what became of them. Not here: making or unpacking the files (lakehouse_platform/demo)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_platform.cli import quarantine, runs
from lakehouse_platform.cli.exits import ExitCode
from lakehouse_platform.cli.opening import open_lakehouse, silver_tables
from lakehouse_platform.cli.output import Format, FormatOption, show, tell, working

if TYPE_CHECKING:
    from lakehouse_platform.medallion.lakehouse import Lakehouse

_GOLD_SAMPLE = (
    "SELECT date, country, invoice_count, gross_revenue, cancelled_revenue, net_revenue FROM gold.daily_sales ORDER BY net_revenue DESC, date LIMIT 5"
)
_NEXT = """Next:
  lakehouse query "SELECT segment, count(*), sum(revenue) FROM gold.customer_value GROUP BY segment"
  lakehouse lineage gold/daily_sales.net_revenue
  lakehouse check silver/order_lines
  lakehouse up            # the same tables as assets in Dagster's UI"""


def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder with the real data sets; generated data of the same shape by default", exists=True, file_okay=False)
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Take the four data products from raw files to gold, and show the accounting. Run again, it reads nothing new."""
    lakehouse = open_lakehouse()
    if "gold/daily_sales" not in lakehouse.project.tables:
        raise typer.BadParameter("the demo shows the shipped products; `lakehouse materialize '*'` runs your own", param_hint="--project")
    _land(lakehouse, data)
    with runs.open_runs() as runner:
        done = runs.increments(runner, lakehouse, list(lakehouse.project.tables))
    if output is Format.TABLE:
        _show_tables(lakehouse)
    is_balanced = _show_accounts(lakehouse, output)
    runs.fail_with(done)
    if not is_balanced:
        tell("The accounts do not add up: rows were lost or doubled.")
        raise typer.Exit(ExitCode.FAILED)
    if output is Format.TABLE:
        _show_samples(lakehouse)
        tell(_NEXT)


def _land(lakehouse: Lakehouse, data: Path | None) -> None:
    from lakehouse_platform.demo.landing import land

    with working("Unpacking files into landing" if data is not None else "Generating files into landing"):
        landed = land(lakehouse.settings.landing, data)
    for domain, files in landed.items():
        tell(f"  landing/{domain}: {files:,} files")


def _show_tables(lakehouse: Lakehouse) -> None:
    rows = [
        (name, 0 if (snapshot := lakehouse.snapshot(name)) is None else snapshot.rows)
        for name in (*lakehouse.project.sources, *lakehouse.project.tables)
    ]
    show(("table", "rows"), rows, Format.TABLE, title="Tables")


def _show_samples(lakehouse: Lakehouse) -> None:
    from lakehouse_platform.medallion.selecting import selected

    with lakehouse.session() as session:
        columns, rows = selected(lakehouse, session, _GOLD_SAMPLE, None)
        show(columns, rows, Format.TABLE, title="gold/daily_sales, the best days")
        rejected = [row for table in silver_tables(lakehouse) for row in quarantine.quarantined(lakehouse, session, table, 2)]
    shown = [(table, "; ".join(f"{reason['rule']}: {reason['message']}" for reason in reasons), raw) for table, _, reasons, raw, *_ in rejected]
    show(("table", "reasons", "raw_data"), shown, Format.TABLE, title="Turned away, and why")


def _show_accounts(lakehouse: Lakehouse, output: Format) -> bool:
    """Show the sum of each table's accounts; gives whether those of every commit add up."""
    from lakehouse_platform.medallion.books import entries, total
    from lakehouse_platform.quality.accounts import Accounts

    with lakehouse.session() as session:
        found = {name: entries(lakehouse, session, name) for name in silver_tables(lakehouse)}
    columns = ("table", *Accounts().ends)
    rows = [(name, *total(of_table).ends.values()) for name, of_table in found.items()]
    show(columns, rows, output, title="What became of every row: read = accepted + duplicates + rejected + late + filtered")
    return all(entry.accounts.balance == 0 for of_table in found.values() for entry in of_table)

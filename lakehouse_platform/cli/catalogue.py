"""Commands that tell what tables there are, what became of their rows and where their columns come from. Not here: their versions (versions.py)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_platform.cli.opening import open_lakehouse, silver_name, silver_tables, table_name
from lakehouse_platform.cli.output import Format, FormatOption, show, tell, working

if TYPE_CHECKING:
    from lakehouse_platform.engine.duckdb import Session
    from lakehouse_platform.medallion.books import Entry
    from lakehouse_platform.medallion.lakehouse import Lakehouse
    from lakehouse_platform.quality.accounts import Accounts


def tables(output: FormatOption = Format.TABLE) -> None:
    """Show every table with its rows, files and version; `stale` where rows of it were made by another contract or query than the present one."""
    lakehouse = open_lakehouse()
    with working("Opening the tables"), lakehouse.session() as session:
        rows = [_table_row(lakehouse, session, name) for name in (*lakehouse.project.sources, *lakehouse.project.tables)]
    columns = ("table", "refresh", "owner", "rows", "files", "version", "stale", "blocked_since", "location")
    show(columns, rows, output, only_json=("owner", "location"), only_filled=("stale", "blocked_since"), empty="The project has no tables.")
    if output is Format.TABLE:
        tell(f"They are below {' and '.join(lakehouse.settings.table_roots)}; --format json tells owners and places, null: not made yet.")


def accounts(
    table: Annotated[str | None, typer.Argument(help="A silver table; all of them by default")] = None, output: FormatOption = Format.TABLE
) -> None:
    """Show what became of every row that was read, by table and run."""
    from lakehouse_platform.medallion.books import entries
    from lakehouse_platform.quality.accounts import DUPLICATE_KINDS, Accounts

    lakehouse = open_lakehouse()
    names = [silver_name(lakehouse, table)] if table is not None else silver_tables(lakehouse)
    with working("Reading the books"), lakehouse.session() as session:
        found = [entry for name in names for entry in entries(lakehouse, session, name)]
    columns = ("table", "run_id", *asdict(Accounts()))
    rows = [(table, run_id, *asdict(total).values()) for (table, run_id), total in _by_run(found).items()]
    if output is Format.TABLE:
        rows = [tuple(None if name in DUPLICATE_KINDS and not value else value for name, value in zip(columns, row, strict=True)) for row in rows]
    show(columns, rows, output, only_filled=DUPLICATE_KINDS, empty="No row has been read yet.")


def lineage(
    table: Annotated[str, typer.Argument(help="A table, or one of its columns: gold/daily_sales.net_revenue")], output: FormatOption = Format.TABLE
) -> None:
    """Show which columns a table's columns are computed from, back to the source's fields."""
    from lakehouse_platform.tables.lineage import origins

    lakehouse = open_lakehouse()
    name, column = _table_and_column(lakehouse, table)
    known = lakehouse.project.tables.get(name)
    columns = [] if known is None else [each.name for each in known.contract.columns]
    if column is not None and column not in columns:
        raise typer.BadParameter(f"{name} has no column {column}; it has {', '.join(columns)}")
    rows = [tuple(asdict(origin).values()) for origin in origins(lakehouse.project, name, column)]
    show(("table", "column", "source_table", "source_column", "steps"), rows, output)


def _table_row(lakehouse: Lakehouse, session: Session, name: str) -> tuple[object, ...]:
    from lakehouse_platform.medallion.blocks import waiting
    from lakehouse_platform.medallion.stale import CODE_CHANGED, is_stale

    snapshot = lakehouse.snapshot(name)
    table = lakehouse.project.tables.get(name)
    refresh = "ingest" if table is None else str(table.refresh)
    owner = lakehouse.project.sources[name].attributes.owner if table is None else table.contract.owner
    state = (None, None, None) if snapshot is None else (snapshot.rows, len(snapshot.files), snapshot.version)
    block = waiting(lakehouse, session, name, snapshot)
    stale = CODE_CHANGED if table is not None and is_stale(lakehouse, table) else None
    return (name, refresh, owner, *state, stale, None if block is None else block.since, lakehouse.location(name))


def _by_run(found: list[Entry]) -> dict[tuple[str, str], Accounts]:
    from lakehouse_platform.quality.accounts import Accounts

    totals: dict[tuple[str, str], Accounts] = {}
    for entry in found:
        key = (entry.table, entry.run_id)
        totals[key] = totals.get(key, Accounts()) + entry.accounts
    return totals


def _table_and_column(lakehouse: Lakehouse, typed: str) -> tuple[str, str | None]:
    parts = typed.replace("/", ".").split(".")
    return table_name(lakehouse, ".".join(parts[:2])), ".".join(parts[2:]) or None

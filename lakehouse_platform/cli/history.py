"""Commands that make something else of the past: a table computed anew, rejected rows judged again, an earlier version. Not here: how (medallion)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_platform.cli.opening import open_lakehouse, silver_name, table_name, typed_version
from lakehouse_platform.cli.output import Format, FormatOption, show, tell, working
from lakehouse_platform.cli.runs import fail_with, open_runs, tell_unmet

if TYPE_CHECKING:
    from lakehouse_platform.medallion.record import CommitRecord

_COLUMN_NOTES = ("columns_only_before", "columns_only_after", "columns_of_another_type")


def rebuild(
    table: Annotated[str, typer.Argument(help="A silver or gold table, such as silver/order_lines")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compute it and show the difference, but leave the table as it is")] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Compute a table anew by its present contract and query, swap it in one commit and show the difference; what is downstream follows.

    A silver table is made from what it has read of its source, with the decisions about blocked batches, and its accounts and quarantine stay true.
    """
    lakehouse = open_lakehouse()
    name = table_name(lakehouse, table)
    if name in lakehouse.project.sources:
        raise typer.BadParameter(f"{name} holds records as they came, and nothing computes them; rebuild the tables that read it")
    if dry_run:
        from lakehouse_platform.medallion.rebuild import rebuild as rebuilt

        with working(f"Computing {name}"):
            record = rebuilt(lakehouse, name, run_id="dry-run", dry_run=True).record
        _show_difference(record, output)
        tell(f"Nothing was changed. `lakehouse rebuild {name}` swaps it.")
        return
    with open_runs() as runner:
        run = runner.rebuild(name)
    if name in run.results:
        _show_difference(run.results[name].record, output)
    tell_unmet([run])
    fail_with([run])


def replay(
    table: Annotated[str, typer.Argument(help="A silver table, such as silver/order_lines")],
    where: Annotated[
        str | None, typer.Option(help="Only rows for which this Spark SQL holds, over quarantine's columns: reasons[0].rule = 'price_not_negative'")
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Judge rows in quarantine again, by the present contract and query: valid ones go into the table, the others stay with their new reasons."""
    lakehouse = open_lakehouse()
    name = silver_name(lakehouse, table)
    with open_runs() as runner:
        run = runner.replay(name, where)
    result = run.results.get(name)
    rows = []
    if result is not None and result.record is not None and result.record.accounts is not None:
        notes = result.record.notes
        rows.append((name, notes["replayed"], *list(result.record.accounts.ends.values())[1:], notes.get("records_gone")))
    columns = ("table", "replayed", "accepted", "duplicates", "rejected", "late", "filtered", "records_gone")
    why = result.passed_over if result is not None and result.passed_over else "no row was replayed"
    show(columns, rows, output, only_filled=("records_gone",), empty=f"{name}: {why}." if run.success else "")
    tell_unmet([run])
    fail_with([run])


def restore(
    table: Annotated[str, typer.Argument(help="A silver or gold table, such as gold/daily_sales")],
    version: Annotated[
        str,
        typer.Option(help="The version to go back to, of `lakehouse history`: its number, a timestamp (UTC unless it says another zone) or a tag"),
    ],
    output: FormatOption = Format.TABLE,
) -> None:
    """Take a table back to an earlier version, as a new commit; what is downstream follows, and the next refresh reads again what came since.

    Accounts and quarantine of what came since stop counting until it is read again.
    """
    lakehouse = open_lakehouse()
    name = table_name(lakehouse, table)
    if name in lakehouse.project.sources:
        raise typer.BadParameter(f"{name} only grows: its records are what files held, and taking them back would lose them")
    from lakehouse_platform.medallion.restore import why_not

    wanted = typed_version(lakehouse, name, version)
    if why := why_not(lakehouse, name, wanted):
        raise typer.BadParameter(why, param_hint="--version")
    with open_runs() as runner:
        run = runner.restore(name, wanted)
    result = run.results.get(name)
    record = result.record if result is not None else None
    rows = (
        [] if result is None or record is None else [(name, record.restored_version, result.version, record.rows, len(record.partitions), run.run_id)]
    )
    show(("table", "restored_version", "version", "rows", "partitions", "run_id"), rows, output, empty="")
    tell_unmet([run])
    fail_with([run])


def _show_difference(record: CommitRecord | None, output: Format) -> None:
    from lakehouse_platform.medallion.difference import DIFFERENCE

    note: Mapping[str, Any] = record.notes[DIFFERENCE] if record is not None else {}
    rows: list[tuple[str, object, object]] = []
    if record is not None:
        rows += [("rows", note["rows_before"], record.rows), ("rows only there", note["rows_only_before"], note["rows_only_after"])]
        before, after = note.get("accounts_before", {}), note.get("accounts_after", {})
        rows += [(end, count, after[end]) for end, count in before.items()]
        if any(note[name] for name in _COLUMN_NOTES):
            rows.append(("columns only there", ", ".join(note["columns_only_before"]) or None, ", ".join(note["columns_only_after"]) or None))
            other = ", ".join(note["columns_of_another_type"]) or None
            rows.append(("columns of another type", other, other))
    show(("what", "before", "after"), rows, output)

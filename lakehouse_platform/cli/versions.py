"""Commands about the versions of a table: which there are, what differs between two, and their names. Not here: going back to one (history.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_platform.cli.opening import open_lakehouse, table_name, typed_version
from lakehouse_platform.cli.output import Format, FormatOption, show, show_batches, tell, working

if TYPE_CHECKING:
    from lakehouse_platform.engine.duckdb import Session
    from lakehouse_platform.medallion.changed_rows import ChangedRows
    from lakehouse_platform.medallion.history import Version
    from lakehouse_platform.medallion.lakehouse import Lakehouse

TableArgument = Annotated[str, typer.Argument(help="Layer and name, such as silver/order_lines or silver.order_lines")]
_VERSION = "A version: its number, a timestamp (UTC unless it says another zone) or a tag"
BeforeArgument = Annotated[str, typer.Argument(metavar="A", help=_VERSION)]
AfterArgument = Annotated[str | None, typer.Argument(metavar="[B]", help="The version to compare with, given likewise; the newest by default")]
EveryColumnOption = Annotated[
    bool, typer.Option("--every-column", help="Compare also when rows were made, and where they were read from, which says nothing of what they are")
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Show at most so many rows; 100 in a table, all in JSON")]
_ROWS_ON_SCREEN = 100


def history(
    table: TableArgument,
    limit: Annotated[int | None, typer.Option(min=1, help="Show only so many of the newest versions; all by default")] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show the versions of a table: which step of which run made each, what it touched, and what it is called."""
    from lakehouse_platform.delta.tags import tags_of
    from lakehouse_platform.delta.versions import ordered_times
    from lakehouse_platform.medallion.history import versions_since

    lakehouse = open_lakehouse()
    name = table_name(lakehouse, table)
    entries = list(versions_since(lakehouse, name))
    times = ordered_times((entry.version, entry.timestamp_ms) for entry in entries)
    names: dict[int, list[str]] = {}
    for tag in tags_of(lakehouse.location(name)):
        names.setdefault(tag.version, []).append(tag.name)
    rows = [
        (entry.version, _instant(times[entry.version]), *_made_by(entry), ", ".join(names.get(entry.version, ())) or None)
        for entry in entries[-(limit or len(entries)) :]
    ]
    show(
        ("version", "committed", "step", "run_id", "rows", "partitions", "rebuilt_because", "blocked_batch", "note", "tags"),
        rows,
        output,
        only_filled=("rebuilt_because", "blocked_batch", "note", "tags"),
        empty=f"{table} has not been made yet below {lakehouse.settings.root_of(table)}.",
    )
    if entries and entries[0].version > 0:
        tell(f"Versions before {entries[0].version} were cleaned out of the log.")


def diff(
    table: TableArgument,
    before: BeforeArgument,
    after: AfterArgument = None,
    *,
    rows: Annotated[bool, typer.Option("--rows", help="Show the rows themselves, those that changed as they were and as they became")] = False,
    every_column: EveryColumnOption = False,
    limit: LimitOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Count the rows that version B of a table has and A has not: added, removed and, by the business key, changed."""
    lakehouse, (name, first, last) = _compared(table, before, after)
    from lakehouse_platform.delta.snapshot import VersionGone
    from lakehouse_platform.medallion.changed_rows import changed_between

    with lakehouse.session() as session:
        try:
            with working("Comparing"):
                found = changed_between(lakehouse, session, name, first, last, every_column=every_column)
        except VersionGone as error:
            raise typer.BadParameter(str(error)) from error
        if not rows:
            _show_counts(name, first, last, found, output)
        else:
            _show_rows(session, found, limit, output, of=f"{name} is the same")
    _tell_columns(found, first, last)


def changes(
    table: TableArgument,
    before: BeforeArgument,
    after: AfterArgument = None,
    *,
    every_column: EveryColumnOption = False,
    limit: LimitOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Show the rows that really changed from version A of a table to B: `_change_type` says how, `_commit_version` when, where that can be told.

    Rows that were only written again, beside others that changed or by maintenance, are none of them.
    """
    diff(table, before, after, rows=True, every_column=every_column, limit=limit, output=output)


def tag(
    table: TableArgument,
    name: Annotated[str, typer.Argument(help="A letter, then letters, digits, _, - and .")],
    version: Annotated[str | None, typer.Option(help=f"{_VERSION}; the newest by default")] = None,
) -> None:
    """Give a version of a table a name, by which it can be asked for; no clean-up takes it away until it is untagged."""
    from lakehouse_platform.delta.snapshot import VersionGone
    from lakehouse_platform.medallion.time_travel import tagged

    lakehouse = open_lakehouse()
    entity = table_name(lakehouse, table)
    try:
        made = tagged(lakehouse, entity, name, typed_version(lakehouse, entity, version))
    except VersionGone as error:
        raise typer.BadParameter(str(error)) from error
    tell(f"{entity} version {made.version} is {made.name} from now on.")


def tags(table: Annotated[str | None, typer.Argument(help="A table; all of them by default")] = None, output: FormatOption = Format.TABLE) -> None:
    """Show the named versions of tables."""
    from lakehouse_platform.delta.tags import tags_of

    lakehouse = open_lakehouse()
    names = [table_name(lakehouse, table)] if table is not None else [*lakehouse.project.sources, *lakehouse.project.tables]
    with working("Reading the tags"):
        rows = [(name, tag.name, tag.version, tag.made) for name in names for tag in tags_of(lakehouse.location(name))]
    show(("table", "tag", "version", "made"), rows, output, empty="No version has a name; `lakehouse tag TABLE NAME` gives one.")


def untag(table: TableArgument, name: Annotated[str, typer.Argument(help="A tag of `lakehouse tags`")]) -> None:
    """Take the name of a version away: from then on it lasts as long as its age allows."""
    from lakehouse_platform.delta.tags import remove_tag, tags_of

    lakehouse = open_lakehouse()
    entity = table_name(lakehouse, table)
    removed = remove_tag(lakehouse.location(entity), name)
    if removed is None:
        known = ", ".join(tag.name for tag in tags_of(lakehouse.location(entity)))
        raise typer.BadParameter(f"{entity} has no tag {name}; it has {known or 'none'}")
    tell(f"{entity} version {removed.version} is not called {name} any more.")


def _compared(table: str, before: str, after: str | None) -> tuple[Lakehouse, tuple[str, int, int]]:
    lakehouse = open_lakehouse()
    name = table_name(lakehouse, table)
    return lakehouse, (name, typed_version(lakehouse, name, before), typed_version(lakehouse, name, after))


def _made_by(entry: Version) -> tuple[object, ...]:
    record = entry.record
    if record is None:
        counts = [f"{key} {value:,}" for key, value in entry.metadata.items() if isinstance(value, int)]
        return (entry.metadata.get("maintenance", entry.operation), None, None, None, None, None, ", ".join(counts) or None)
    ruling = record.ruling.state if record.ruling is not None else None
    note = f"back to version {record.restored_version}" if record.restored_version is not None else None
    return (record.step, record.run_id, record.rows, len(record.partitions), record.rebuilt, ruling, note)


def _show_counts(name: str, first: int, last: int, found: ChangedRows, output: Format) -> None:
    counts = found.counts
    changed = counts["update_postimage"] if found.key else None
    columns = ("table", "from_version", "to_version", "added", "removed", "changed", "key", "columns_only_from", "columns_only_to", "other_types")
    lists = [", ".join(names) or None for names in (found.key, found.only_before, found.only_after, found.of_another_type)]
    show(columns, [(name, first, last, counts["insert"], counts["delete"], changed, *lists)], output, only_filled=("changed", *columns[6:]))


def _show_rows(session: Session, found: ChangedRows, limit: int | None, output: Format, *, of: str) -> None:
    wanted = limit or (_ROWS_ON_SCREEN if output is Format.TABLE else None)
    total = sum(found.counts.values())
    sql = found.sql if wanted is None else f"{found.sql} LIMIT {wanted}"
    show_batches(found.columns, session.batches(sql), output, only_filled=("_commit_version",), empty=f"{of} in both versions.")
    if wanted is not None and total > wanted:
        tell(f"There are {total:,} rows; --limit shows more.")


def _tell_columns(found: ChangedRows, first: int, last: int) -> None:
    parts = {f"only version {first} has": found.only_before, f"only version {last} has": found.only_after, "of another type": found.of_another_type}
    told = [f"{what} {', '.join(names)}" for what, names in parts.items() if names]
    if told:
        tell(f"Not compared are columns that one version has not, or has of another type: {'; '.join(told)}.")


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)

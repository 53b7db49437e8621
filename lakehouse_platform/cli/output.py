"""How the CLI shows rows: a table for people, JSON for scripts, progress beside both. Not here: which rows."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

# Progress and remarks; what a script reads stands alone on standard output.
_err = Console(stderr=True, highlight=False)
# Where there is no terminal to fit into, a table is as wide as a log can bear.
_PIPED_WIDTH = 160
_UUID_LENGTH = 36


class Lines(tuple[str, ...]):
    """A value that people read on several lines of a record."""

    __slots__ = ()


class Format(StrEnum):
    """What data looks like."""

    TABLE = "table"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="A table for people, or JSON for scripts")]


def show(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    output: Format,
    *,
    title: str | None = None,
    empty: str = "There are no rows.",
    only_json: Collection[str] = (),
    only_filled: Collection[str] = (),
) -> None:
    """Print rows, or for people what `empty` says of none (nothing where it is empty itself). JSON is one array of objects with exact decimals.

    People see no columns of `only_json`, and those of `only_filled` where one has a value. What is wider than the screen goes below each other.
    """
    if output is Format.JSON:
        sys.stdout.write(as_json([dict(zip(columns, row, strict=True)) for row in rows]) + "\n")
        return
    if not rows:
        if empty:
            show_lines("", empty)
        return
    places = [
        place
        for place, name in enumerate(columns)
        if name not in only_json and (name not in only_filled or any(row[place] is not None for row in rows))
    ]
    # Where most rows have nothing to say, an empty cell reads better than null.
    shown = [["" if row[place] is None and columns[place] in only_filled else _short(columns[place], row[place]) for place in places] for row in rows]
    names, console = [columns[place] for place in places], _console()
    if sum(len(name) + 3 for name in names) >= console.width:
        _print_records(console, names, shown)
    else:
        console.print(_as_table(names, shown, title))


def show_batches(
    columns: Sequence[str], batches: Iterable[Sequence[Sequence[Any]]], output: Format, *, only_filled: Collection[str] = (), empty: str
) -> None:
    """Print rows that come in batches as `show` does; JSON of any number of them takes no more memory than one batch."""
    if output is not Format.JSON:
        show(columns, [row for batch in batches for row in batch], output, only_filled=only_filled, empty=empty)
        return
    separator = ""
    sys.stdout.write("[")
    for batch in batches:
        for row in batch:
            sys.stdout.write(separator + as_json(dict(zip(columns, row, strict=True))))
            separator = ", "
    sys.stdout.write("]\n")


def show_records(columns: Sequence[str], rows: Sequence[Sequence[Any]], output: Format, *, empty: str = "There are no rows.") -> None:
    """Print rows whose values are long: for people a line a value, a blank line after each row. JSON as `show`."""
    if output is Format.JSON or not rows:
        show(columns, rows, output, empty=empty)
    else:
        _print_records(_console(), columns, rows)


def show_lines(mark: str, *texts: str) -> None:
    """Print texts below each other, behind a mark that stands once; empty ones are left out."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for position, text in enumerate(each for each in texts if each):
        grid.add_row("" if position else mark, Text(text))
    _console().print(grid)


def tell(text: str) -> None:
    """Say something beside the data."""
    _err.print(text, markup=False, soft_wrap=True)


def as_json(value: Any) -> str:
    """JSON in which a decimal is a number with all its digits; Python's own encoder would go through float."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{json.dumps(str(key))}: {as_json(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(as_json, value)) + "]"
        case Decimal():
            return f"{value:f}"
        case float() if not math.isfinite(value):
            return json.dumps(str(value))
        case None | bool() | int() | float() | str():
            return json.dumps(value)
        case _:
            return json.dumps(_text(value))


@contextmanager
def working(what: str) -> Iterator[Status]:
    """Show that something is being done while it takes its time."""
    with _err.status(what) as status:
        yield status


def _cell(value: Any) -> Text:
    match value:
        case None:
            return Text("null", style="dim")
        case bool():
            return Text(str(value).lower())
        case int():
            return Text(f"{value:,}")
        case datetime():
            fraction = f".{value.microsecond:06}".rstrip("0") if value.microsecond else ""
            return Text(f"{value:%Y-%m-%d %H:%M:%S}{fraction}{'Z' if value.utcoffset() == timedelta(0) else ''}")
        case Mapping() | list() | tuple():
            return Text(as_json(value))
        case _:
            return Text(_text(value))


def _text(value: Any) -> str:
    match value:
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def _as_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for position, name in enumerate(columns):
        # An empty cell is a value that has nothing to say: numbers beside it are still numbers.
        is_number = all(row[position] == "" or isinstance(row[position], int | float | Decimal | None) for row in rows)
        is_number = is_number and not any(isinstance(row[position], bool) for row in rows)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _print_records(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    for row in rows:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in zip(columns, row, strict=True):
            for position, line in enumerate(value if isinstance(value, Lines) else [value]):
                grid.add_row("" if position else name, _cell(line))
        console.print(grid, "")


def _short(name: str, value: Any) -> Any:
    """A run by the start of its id, as Dagster's pages show it."""
    return value[:8] if name == "run_id" and isinstance(value, str) and len(value) == _UUID_LENGTH else value

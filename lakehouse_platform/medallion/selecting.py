"""Runs a person's Spark SQL over the tables. Not here: the SQL itself (engine), nor how its rows are shown (cli)."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.query import parse_select
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.engine.transpile import to_duckdb
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.storage import POSITION


class NoSuchTable(LakehouseError):
    """A query names a table that there is not."""


def selected(lakehouse: Lakehouse, session: Session, sql: str, limit: int | None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of Spark SQL over the tables as they are now. Raises ProjectError, NoSuchTable or LakehouseError for what cannot run."""
    parsed = parse_select(sql, Path("query"))
    relations, schemas = {}, {}
    for position, name in enumerate(parsed.inputs):
        snapshot = lakehouse.snapshot(name) if not name.startswith("/") else None
        if snapshot is None:
            raise NoSuchTable(_no_table(lakehouse, name))
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

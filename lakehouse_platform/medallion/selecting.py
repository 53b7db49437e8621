"""Runs a person's Spark SQL over the tables, as they are now or were. Not here: the SQL itself (engine), nor how its rows are shown (cli)."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.delta.snapshot import open_foreign
from lakehouse_platform.delta.versions import snapshot_as_of, version_at, version_called
from lakehouse_platform.engine.duckdb import QueryError, Session
from lakehouse_platform.engine.foreign import foreign_scan
from lakehouse_platform.engine.query import Query, parse_select
from lakehouse_platform.engine.references import Reference, pointed, refuse_reference
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.engine.transpile import sql_to_duckdb, to_duckdb
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError, ProjectError
from lakehouse_platform.storage.stored import is_remote, located
from lakehouse_platform.tables.storage import POSITION


class NoSuchTable(LakehouseError):
    """A query names a table that there is not."""


def selected(lakehouse: Lakehouse, session: Session, sql: str, limit: int | None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of Spark SQL over the tables, each as it is now or AS OF a version, a tag or a timestamp; delta.`place` is any Delta table.

    Raises ProjectError, NoSuchTable or LakehouseError for what cannot run.
    """
    parsed = parse_select(sql, Path("query"))
    # Where a row came from orders the rows of a key; who wants to see it names it.
    hidden = [POSITION.name] if POSITION.name not in sql else []
    names: dict[Reference, str] = {}
    schemas: dict[str, dict[str, ColumnType]] = {}

    def name_of(reference: Reference) -> str:
        if reference not in names:
            name = names[reference] = f"input/{len(names)}"
            snapshot = _snapshot(lakehouse, session, parsed, reference)
            schemas[name] = {column.name: column.type for column in snapshot.columns if column.name not in hidden}
            session.view(_relation(name), f"SELECT {', '.join(map(quote, schemas[name]))} FROM ({foreign_scan(session, snapshot, _relation(name))})")
        return names[reference]

    query = pointed(parsed, name_of)
    # From outside, two columns of one name have two names, which a row of JSON needs.
    translated = f"SELECT * FROM ({to_duckdb(query, {name: _relation(name) for name in schemas}, schemas)})"
    return list(session.kinds(translated)), session.rows(translated if limit is None else f"{translated} LIMIT {limit}")


def _relation(name: str) -> str:
    return name.replace("/", "_")


def _snapshot(lakehouse: Lakehouse, session: Session, query: Query, reference: Reference) -> Snapshot:
    """The table that a part of the query names, as of the version that it names."""
    if reference.path is None and reference.table.startswith("/"):
        raise NoSuchTable(_no_table(lakehouse, reference.table))
    name = reference.path or reference.table
    location = located(reference.path) if reference.path else lakehouse.location(name)
    if is_remote(location):
        session.reach(location)
    now = open_foreign(location)
    if now is None:
        raise NoSuchTable(_no_table_at(location) if reference.path else _no_table(lakehouse, name))
    if reference.instant is not None:
        version = version_at(location, _instant(session, query, reference, reference.instant), name=name)
    elif reference.version is not None:
        version = version_called(location, reference.version, name=name)
    else:
        return now
    return snapshot_as_of(now, version, name=name, opened=open_foreign)


def _no_table_at(location: str) -> str:
    """That there is no table at a place, and what may be meant: the folder above it, or one below."""
    folder, _, name = location.rstrip("/").rpartition("/")
    if "=" in name or name == "_delta_log":
        return f"there is no Delta table at {location}; name the table's own folder, such as {folder}, and filter by its columns"
    return f"there is no Delta table at {location}: no folder of that name has a _delta_log with commits"


def _instant(session: Session, query: Query, reference: Reference, given: str) -> datetime:
    """The instant that Spark SQL gives; one without a zone is UTC."""
    try:
        found = session.row(sql_to_duckdb(f"SELECT CAST({given} AS TIMESTAMP) AS instant", {}, {}))[0]
    except (QueryError, ProjectError):
        found = None
    if not isinstance(found, datetime):
        refuse_reference(query, reference, f"TIMESTAMP AS OF {given} is no instant", "give one, such as '2026-01-31 12:00:00', which is UTC")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _no_table(lakehouse: Lakehouse, name: str) -> str:
    """That there is no such table (yet), and which was meant."""
    known = [*lakehouse.project.sources, *lakehouse.project.tables]
    layer, _, entity = name.partition("/")
    if name in known:
        return f"{layer}.{entity} has not been made yet below {lakehouse.settings.root_of(name)}: `lakehouse materialize {name}` makes it"
    same = [each for each in known if each.split("/")[1] == entity]
    near = same or difflib.get_close_matches(name, known, n=1, cutoff=0.8 if layer else 0.7)
    typed = f"{layer}.{entity}" if layer else entity
    hint = f"did you mean {' or '.join(each.replace('/', '.') for each in near)}?" if near else "`lakehouse tables` shows what there is"
    return f"there is no table {typed}{'' if layer else ', which names no layer'}; {hint}"

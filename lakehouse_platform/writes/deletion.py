"""Deletes rows by a predicate: files without such rows stay, files of nothing else go, the others are rewritten. Not here: commits."""

from __future__ import annotations

from lakehouse_platform.delta.files import Snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.transpile import expression_to_duckdb
from lakehouse_platform.writes.change import Change
from lakehouse_platform.writes.rewriting import grouped, rewritten


def plan_delete(session: Session, target: Snapshot, where: str) -> Change:
    """The change that takes away the rows for which a Spark SQL predicate is true."""
    condition = expression_to_duckdb(where, {field.name: field.type for field in target.columns})
    stored = snapshot_scan(target, with_file=True)
    counted = f"SELECT _file, count(*) FILTER (WHERE {condition}) AS doomed, count(*) FROM ({stored}) GROUP BY _file HAVING doomed > 0"
    found = {uri: (doomed, rows) for uri, doomed, rows in session.rows(counted)}
    removed = tuple(file for file in target.files if file.uri in found)
    partly = [file for file in removed if found[file.uri][0] < found[file.uri][1]]
    kept = f"({condition}) IS NOT TRUE"
    added = rewritten(session, target, grouped(partly), lambda _, files: f"SELECT * FROM ({snapshot_scan(target, files)}) WHERE {kept}")
    return Change(added, removed, 0, sum(found[file.uri][0] for file in removed))

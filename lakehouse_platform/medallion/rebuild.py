"""Computes all of one table anew and swaps it in one commit, or only tells what that would change. Not here: how each kind of table is computed."""

from __future__ import annotations

from lakehouse_platform.delta.retry import with_retries
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.medallion import books, dimension, gold
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.planned import commit_planned, discard
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.silver_rebuild import commit_rebuild
from lakehouse_platform.medallion.silver_rebuild import plan_rebuild as plan_silver
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table


def rebuild(lakehouse: Lakehouse, table_name: str, *, run_id: str, dry_run: bool = False) -> StepResult:
    """Compute a table anew under its present contract and query. The record's note `difference` says what that changes.

    With `dry_run` nothing is committed: the result holds the record that the commit would have had. Raises LakehouseError or CommitRetriesExhausted.
    """
    if table_name in lakehouse.project.sources:
        raise LakehouseError(f"{table_name} holds records as they came, and nothing computes them; rebuild the tables that read it")
    table = lakehouse.project.tables[table_name]
    if lakehouse.snapshot(table_name) is None:
        raise LakehouseError(f"{table_name} does not exist yet; run `lakehouse materialize {table_name}` first")
    with lakehouse.session() as session:
        if table.layer != "silver":
            return with_retries(lambda: _gold(lakehouse, session, table, run_id, dry_run=dry_run), lakehouse.settings.commit_tries)
        books.seal(lakehouse, session, table_name)
        result = with_retries(lambda: _silver(lakehouse, session, table, run_id, dry_run=dry_run), lakehouse.settings.commit_tries)
        books.seal(lakehouse, session, table_name)
    return result


def _gold(lakehouse: Lakehouse, session: Session, table: Table, run_id: str, *, dry_run: bool) -> StepResult:
    plan = dimension.plan_rebuild if table.refresh in (Refresh.SCD1, Refresh.SCD2) else gold.plan_rebuild
    planned = plan(lakehouse, session, table, run_id)
    return discard(planned) if dry_run else commit_planned(planned)


def _silver(lakehouse: Lakehouse, session: Session, table: Table, run_id: str, *, dry_run: bool) -> StepResult:
    planned = plan_silver(lakehouse, session, table, run_id)
    return discard(planned.planned) if dry_run else commit_rebuild(planned)

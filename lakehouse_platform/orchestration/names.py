"""How tables are named in Dagster: asset keys, pools, job, op and sensor names. Not here: what they do."""

from __future__ import annotations

import re

import dagster as dg

DAILY_JOB = "daily"
MAINTAIN_JOB = "maintain"
# The step of the platform's own tables in the maintenance.
SYSTEM = "system"


def asset_key(table: str) -> dg.AssetKey:
    """Layer first: `silver/order_lines` is the asset ["silver", "order_lines"]."""
    return dg.AssetKey(table.split("/"))


def landing_key(source: str) -> dg.AssetKey:
    """The external asset of a source's files."""
    return dg.AssetKey(["landing", source.split("/")[1]])


def pool(table: str) -> str:
    """The pool that lets one run at a time write a table."""
    return f"delta__{step_name(table)}"


def step_name(table: str) -> str:
    """The table's step in an increment."""
    return table.replace("/", "__")


def table_of(step: str) -> str:
    """The table of a step's key, whether it refreshes it, judges it or fails for it (ops.py)."""
    name = re.sub(r"__(?:refused|blocked|checks)$", "", step)
    return name.replace("__", "/", 1)


def increment_job_name(source: str) -> str:
    """The job that ingests a source and carries it through all that is downstream."""
    return f"increment_{source.split('/')[1]}"


def refresh_job_name(table: str) -> str:
    """The job that refreshes a table by name and carries it on."""
    return f"refresh_{step_name(table)}"


def op_name(job: str, table: str) -> str:
    """A table's op in a job: unique in the whole project."""
    return f"{job}__{step_name(table)}"


def sensor_name(source: str) -> str:
    """The sensor that watches a source's files."""
    return f"{source.split('/')[1]}_files"

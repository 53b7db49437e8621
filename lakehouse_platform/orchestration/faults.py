"""What becomes of a step that fails: transient faults are tried again, faults of data or contract never. Not here: what fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from sqlalchemy.exc import OperationalError

from lakehouse_platform.problems import LakehouseError, ProjectError, TransientFault
from lakehouse_platform.settings import Settings

RETRIES = 3
# A run that failed by a fault of data or contract bears this tag: the same input gives the same fault, so nobody starts it again by itself.
FAULT_TAG = "lakehouse/fault"

# Storage and network, and Dagster's own database while another process has it locked. Told by type: texts change with versions and languages.
TRANSIENT: tuple[type[Exception], ...] = (TransientFault, OSError, sqlite3.OperationalError, OperationalError)


@contextmanager
def faults_judged(context: dg.OpExecutionContext | dg.AssetExecutionContext, settings: Settings) -> Iterator[None]:
    """Ask Dagster for another try after a transient fault, at most three times; let any other end the step, marked as what it is.

    The waits are about 1, 3 and 7 times `retry_seconds`, give or take that much, so that runs which failed together do not meet again.
    """
    try:
        yield
    except TRANSIENT as fault:
        wait_seconds = _policy(settings).calculate_delay(context.retry_number + 1)
        if context.retry_number < RETRIES:
            context.log.warning(f"try {context.retry_number + 1} of {RETRIES + 1} failed, again in {wait_seconds:.1f} s: {fault}")
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=wait_seconds) from fault
    except (LakehouseError, ProjectError):
        context.instance.add_run_tags(context.run.run_id, {FAULT_TAG: "data"})
        raise


def _policy(settings: Settings) -> dg.RetryPolicy:
    return dg.RetryPolicy(RETRIES, settings.retry_seconds, dg.Backoff.EXPONENTIAL, dg.Jitter.PLUS_MINUS)

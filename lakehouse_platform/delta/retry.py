"""Trying a commit again after another writer came first. Not here: what is tried."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from lakehouse_platform.delta.commit import CommitConflict
from lakehouse_platform.problems import TransientFault

logger = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5.0


class CommitRetriesExhausted(TransientFault):
    """Every try lost to another writer."""


def with_retries(attempt: Callable[[], T], tries: int, *, sleep: Callable[[float], None] = time.sleep) -> T:
    """Run `attempt`, which opens its own snapshot, until its commit wins, at most `tries` times.

    Waits twice as long after each lost race, up to a bound, less a random part so that writers that met once do not meet again.
    """
    for number in range(1, tries + 1):
        try:
            return attempt()
        except CommitConflict as conflict:
            if number == tries:
                raise CommitRetriesExhausted(
                    f"{conflict}: {tries} tries lost to other writers, nothing was changed. "
                    "Run it again when fewer write to the table, or raise LAKEHOUSE_COMMIT_TRIES"
                ) from conflict
            wait_seconds = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (number - 1)) * random.uniform(0.5, 1)  # noqa: S311 -- no secret
            logger.info("try %d of %d lost a race, again in %.2f s: %s", number, tries, wait_seconds, conflict)
            sleep(wait_seconds)
    raise ValueError(f"tries must be at least 1, not {tries}")

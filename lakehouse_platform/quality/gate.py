"""The gate of a batch: whether the share of its valid rows lets it pass. Not here: what becomes of a blocked batch (medallion/blocks.py)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from lakehouse_platform.quality.accounts import Accounts


class Verdict(StrEnum):
    """What becomes of a batch: it passes, passes with a warning, or is blocked."""

    PASS = "pass"  # noqa: S105 -- a verdict, no password
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True)
class Limits:
    """From `pass_share` on a batch passes, below `block_share` it is blocked, between them it passes with a warning; shares are from 0 to 1.

    A batch of fewer than `minimum_rows` judged rows passes, however bad: a share of few rows says little.
    """

    pass_share: float
    block_share: float
    minimum_rows: int


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it stands on; `rows` are those that the query does not leave out, `share` is None where there are none.

    `batches` are the bronze batches that it is about; without any it is about all that were judged.
    """

    verdict: Verdict
    rows: int
    share: float | None
    reason: str
    batches: tuple[str, ...] = ()


def judge(accounts: Accounts, limits: Limits) -> Judgement:
    """Judge a batch by what became of its rows: those that the query leaves out do not count, and late ones are valid."""
    rows, share = accounts.read - accounts.filtered, accounts.pass_rate
    if share is None or rows < limits.minimum_rows:
        return Judgement(Verdict.PASS, rows, share, f"{rows:,} rows are fewer than the {limits.minimum_rows:,} that are judged")
    verdict, bound = Verdict.PASS, limits.pass_share
    if share < limits.block_share:
        verdict, bound = Verdict.BLOCK, limits.block_share
    elif share < limits.pass_share:
        verdict = Verdict.WARN
    side = "not below" if verdict is Verdict.PASS else "below"
    return Judgement(verdict, rows, share, f"{_percent(share)} of {rows:,} rows are valid, {side} {_percent(bound)}")


def _percent(share: float) -> str:
    """A share as people read it, never rounded up to a limit that it missed."""
    return f"{math.floor(share * 10_000 + 1e-6) / 100:.2f} %"

"""The gate's verdict from the accounts of a batch: shares at and beside the limits, batches that are too small, rows that do not count."""

from __future__ import annotations

import pytest

from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.gate import Limits, Verdict, judge

LIMITS = Limits(pass_share=0.95, block_share=0.70, minimum_rows=1000)


def batch(read: int, rejected: int, *, late: int = 0, filtered: int = 0) -> Accounts:
    return Accounts(read, read - rejected - late - filtered, 0, rejected, late, filtered)


@pytest.mark.parametrize(
    ("accounts", "verdict"),
    [
        (batch(10_000, 500), Verdict.PASS),
        (batch(10_000, 501), Verdict.WARN),
        (batch(10_000, 3_000), Verdict.WARN),
        (batch(10_000, 3_001), Verdict.BLOCK),
        (batch(10_000, 10_000), Verdict.BLOCK),
        (batch(1_000, 1_000), Verdict.BLOCK),
        (batch(999, 999), Verdict.PASS),
        (batch(0, 0), Verdict.PASS),
        (batch(5_000, 0, filtered=5_000), Verdict.PASS),
    ],
)
def test_the_share_of_valid_rows_decides(accounts: Accounts, verdict: Verdict) -> None:
    assert judge(accounts, LIMITS).verdict is verdict


def test_rows_that_the_query_leaves_out_do_not_count() -> None:
    assert judge(batch(10_000, 500, filtered=9_001), LIMITS) == judge(batch(999, 500), LIMITS)
    assert judge(batch(10_000, 500, filtered=9_000), LIMITS).verdict is Verdict.BLOCK


def test_late_rows_were_valid() -> None:
    assert judge(batch(10_000, 0, late=10_000), LIMITS).verdict is Verdict.PASS


def test_a_share_is_never_told_as_a_limit_that_it_missed() -> None:
    judgement = judge(batch(1_000_000, 300_001), LIMITS)
    assert judgement.verdict is Verdict.BLOCK
    assert judgement.reason == "69.99 % of 1,000,000 rows are valid, below 70.00 %"

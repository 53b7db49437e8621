"""Retries: only after a lost race, with waits that grow, and an end that says what to do."""

from __future__ import annotations

import logging

import pytest

from lakehouse_platform.delta.commit import CommitConflict
from lakehouse_platform.delta.retry import LONGEST_WAIT_SECONDS, CommitRetriesExhausted, with_retries


def test_a_lost_race_is_tried_again_with_growing_waits(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []
    waits: list[float] = []

    def attempt() -> str:
        tries.append(1)
        if len(tries) < 12:
            raise CommitConflict("t is at version 2, not at 1 any more")
        return "won"

    with caplog.at_level(logging.INFO):
        assert with_retries(attempt, tries=12, sleep=waits.append) == "won"
    assert len(waits) == 11
    assert all(0.5 * 0.05 * 2**number <= wait <= 0.05 * 2**number for number, wait in enumerate(waits[:6]))
    assert max(waits) <= LONGEST_WAIT_SECONDS
    assert "try 1 of 12 lost a race" in caplog.text


def test_the_last_lost_race_says_what_to_do() -> None:
    waits: list[float] = []

    def attempt() -> None:
        raise CommitConflict("t is at version 2, not at 1 any more")

    with pytest.raises(CommitRetriesExhausted, match=r"t is at version 2.*3 tries lost.*LAKEHOUSE_COMMIT_TRIES"):
        with_retries(attempt, tries=3, sleep=waits.append)
    assert len(waits) == 2


def test_other_errors_are_not_tried_again() -> None:
    tries: list[int] = []

    def attempt() -> None:
        tries.append(1)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        with_retries(attempt, tries=3)
    assert tries == [1]

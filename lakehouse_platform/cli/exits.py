"""The exit codes of `lakehouse`, which scripts rely on. Not here: who decides which."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 done; 1 something failed at run time; 2 a mistake in the command; 3 a check failed; 4 the project has mistakes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CHECKS = 3
    PROJECT = 4

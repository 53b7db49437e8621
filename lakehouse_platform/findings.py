"""What `lakehouse doctor` finds: the shape of a finding. Not here: finding any (doctor, orchestration/diagnosis.py)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`warning`: it works and will not for ever, or not as one thinks. `failed`: something does not work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """How one thing stands, such as the package `duckdb` or the table `silver/orders`; `mend` is empty where nothing is to be done."""

    check: str
    subject: str
    status: Status
    message: str
    mend: str = ""

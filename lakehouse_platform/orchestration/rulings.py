"""How a run is told that it is to settle a blocked batch: by a tag, which its page in Dagster shows. Not here: settling it (medallion/silver.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lakehouse_platform.medallion.record import Ruling

RULING_TAG = "lakehouse/ruling"


def ruling_tags(table: str, ruling: Ruling) -> dict[str, str]:
    """The tags of a run that settles a batch of a table."""
    return {RULING_TAG: json.dumps({"table": table, **ruling.model_dump()})}


def ruling_in(tags: Mapping[str, str], table: str) -> Ruling | None:
    """The ruling on a batch of a table that a run is to carry out; None for any other run or table."""
    told = json.loads(tags.get(RULING_TAG, "{}"))
    return Ruling.model_validate(told) if told.get("table") == table else None

"""What Dagster loads: all definitions of the project that the settings name."""

from __future__ import annotations

import dagster as dg

from lakehouse_platform.orchestration.build import build_definitions
from lakehouse_platform.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of this code location."""
    return build_definitions(Settings())

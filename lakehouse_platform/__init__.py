"""A data lakehouse run by Dagster: a table is a contract, a query and a place in the asset graph.

`Table` and `Source` are the components that a defs.yaml names; `table` and `source` declare the same in a project's tables.py. The functions run
a table's step from a notebook or a script. Each is imported when asked for, so that whoever needs no Dagster does not load it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse_platform.notebook import (
        capture_lineage,
        create_gold_aggregate,
        create_scd_type2_dimension,
        open_lakehouse,
        query_time_travel,
        transform_to_silver,
    )
    from lakehouse_platform.orchestration.components import Source, Table
    from lakehouse_platform.tables.declared import source, table

_HOMES = {
    "Source": "orchestration.components",
    "Table": "orchestration.components",
    "capture_lineage": "notebook",
    "create_gold_aggregate": "notebook",
    "create_scd_type2_dimension": "notebook",
    "open_lakehouse": "notebook",
    "query_time_travel": "notebook",
    "source": "tables.declared",
    "table": "tables.declared",
    "transform_to_silver": "notebook",
}
__all__ = [
    "Source",
    "Table",
    "capture_lineage",
    "create_gold_aggregate",
    "create_scd_type2_dimension",
    "open_lakehouse",
    "query_time_travel",
    "source",
    "table",
    "transform_to_silver",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

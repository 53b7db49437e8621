"""A data lakehouse run by Dagster: a table is a contract, a query and a place in the asset graph.

`Table` and `Source` are the components that a defs.yaml names; they are imported when asked for, so that whoever needs no Dagster does not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse_platform.orchestration.components import Source, Table

__all__ = ["Source", "Table"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from lakehouse_platform.orchestration import components  # noqa: PLC0415

        return getattr(components, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

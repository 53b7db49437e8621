"""What a table demands of its writers, and which of it the platform can hold. Not here: checking rows (the writers do, in DuckDB)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.problems import LakehouseError


@dataclass(frozen=True)
class Obligations:
    """What a table demands. `conditions` are Spark SQL by name; every row that is added must make each of them TRUE, which null is not."""

    append_only: bool = False
    conditions: Mapping[str, str] = field(default_factory=dict)


def obligations_of(snapshot: Snapshot) -> Obligations:
    """What the table demands of whoever commits to it. Raises LakehouseError, by name, for what the platform cannot hold."""
    return Obligations(append_only=snapshot.configuration.get("delta.appendOnly") == "true")


def refuse_breaches(
    snapshot: Snapshot, added: Collection[WrittenFile], removed: Collection[DataFile], *, data_change: bool, checked: Mapping[str, str]
) -> None:
    """Raise LakehouseError where a commit breaks what the table demands. `checked`: the conditions that every added row was found to keep."""
    demanded = obligations_of(snapshot)
    if removed and data_change and demanded.append_only:
        raise LakehouseError(
            f"{snapshot.location} is append-only (delta.appendOnly): this commit would remove {len(removed)} of its files; nothing was committed. "
            "Mend: append, or lift the property in a commit of its own if retention or erasure demands it"
        )
    if added and data_change:
        for name, condition in demanded.conditions.items():
            if checked.get(name) != condition:
                raise LakehouseError(f"{snapshot.location} demands {name} ({condition}) of every row, and nobody checked it; nothing was committed")

"""The table of a user's asset: where it is, and the regions of the partitions that a run is about. Not here: its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dagster as dg

from lakehouse_platform.delta.files import Field
from lakehouse_platform.orchestration.asset_writes import AssetWrites
from lakehouse_platform.orchestration.partition_regions import PartitionColumns
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage.stored import joined
from lakehouse_platform.writes.regions import Region

# The platform's own tables stand beside the users': a table's quarantine, its set of changes, what is counted.
_OF_THE_PLATFORM = ("__quarantine", "__changes")


def name_of(context: dg.OutputContext | dg.InputContext) -> str:
    """How an asset is called in what is told of it. Raises LakehouseError for an output of an op, which no table is named after."""
    if not context.has_asset_key:
        raise LakehouseError(f"output {context.name!r} is of no asset: the IO manager keeps assets; return what an op gives through another one")
    return context.asset_key.to_user_string()


def location_of(name: str, path: Sequence[str], writes: AssetWrites, root: str | None) -> str:
    """Where an asset's table is: as its metadata says, or by its key below the root. Raises LakehouseError for a key that no folder can have."""
    if writes.location is not None:
        return writes.location.rstrip("/")
    for part in path:
        if part.startswith((".", "_")) or "/" in part or not part:
            raise LakehouseError(f"{name}: no folder of tables can be called {part!r}; give the asset another key, or metadata `location`")
    if path[0] == "system" or path[-1].endswith(_OF_THE_PLATFORM):
        raise LakehouseError(f"{name}: tables of that name are the platform's own; give the asset another key, or metadata `location`")
    return joined(root if root is not None else Settings().root_of(name), "/".join(path))


def partition_columns(
    context: dg.OutputContext | dg.InputContext, name: str, writes: AssetWrites, naive: Collection[str]
) -> tuple[PartitionColumns, Sequence[str]] | None:
    """The columns of an asset's partitions and the keys that the run is about; None where the asset has no partitions."""
    if not context.has_asset_partitions:
        return None
    definition = context.asset_partitions_def
    columns = _columns(name, definition, writes.partition_expr)
    return PartitionColumns(name, definition, columns, naive), context.asset_partition_keys


def regions_of(found: tuple[PartitionColumns, Sequence[str]] | None, fields: Sequence[Field]) -> list[Region] | None:
    """The regions of a run's partitions; None for a whole table."""
    return None if found is None else found[0].regions(found[1], fields)


def _columns(name: str, definition: dg.PartitionsDefinition[Any], expr: str | Mapping[str, str] | None) -> Mapping[str, str]:
    if not isinstance(definition, dg.MultiPartitionsDefinition):
        if not isinstance(expr, str):
            raise LakehouseError(f'{name} has partitions: say in its metadata which column holds them, "partition_expr": "the_column"')
        return {"": expr}
    dimensions = definition.partitions_defs
    if not isinstance(expr, Mapping) or set(expr) != {each.name for each in dimensions}:
        wanted = ", ".join(f'"{each.name}": "its_column"' for each in dimensions)
        raise LakehouseError(f'{name} has partitions of {len(dimensions)} dimensions: say in its metadata "partition_expr": {{{wanted}}}')
    # Time first: its keys become intervals, of which many cells of the others are alike.
    ordered = sorted(dimensions, key=lambda each: not isinstance(each.partitions_def, dg.TimeWindowPartitionsDefinition))
    return {each.name: expr[each.name] for each in ordered}

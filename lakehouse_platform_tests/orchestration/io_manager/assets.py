"""Assets as users write them, and runs of them, with whichever IO manager. Not here: what must come of it."""

# Annotations are not postponed here: Dagster looks at that of an asset's context itself.

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

Rows = Callable[[Sequence[str]], Any]


def asset(name: str, rows: Rows, partitions: dg.PartitionsDefinition[Any] | None = None, **metadata: Any) -> dg.AssetsDefinition:
    """An asset shop/<name> that gives the rows of the partition keys of its run (of none, where it has no partitions)."""

    @dg.asset(
        key=["shop", name], partitions_def=partitions, metadata=metadata, backfill_policy=dg.BackfillPolicy.single_run() if partitions else None
    )
    def made(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]  # what it gives is the test's to say
        return rows(list(context.partition_keys) if partitions is not None else [])

    return made


def run(  # noqa: PLR0917 -- a test reads as the run it is
    io_manager: Any,
    assets: Sequence[dg.AssetsDefinition],
    keys: str | tuple[str, str] | None = None,
    instance: dg.DagsterInstance | None = None,
    select: Sequence[str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialise assets: all, or a selection; for one partition key, or for a range of them in a single run."""
    ranged: Mapping[str, str] = {}
    if isinstance(keys, tuple):
        ranged = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[1]}
    return dg.materialize(
        list(assets),
        resources={"io_manager": io_manager},
        partition_key=keys if isinstance(keys, str) else None,
        instance=instance,
        selection=list(select) if select is not None else None,
        tags={**ranged, **(tags or {})},
    )


def materialization(result: dg.ExecuteInProcessResult, name: str) -> Mapping[str, Any]:
    """The metadata of the only materialisation of shop/<name> in a run, as plain values."""
    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key == dg.AssetKey(["shop", name])]
    return {key: value.value for key, value in event.materialization.metadata.items()}


def days(keys: Sequence[str], count: int = 3, *, kind: pa.DataType | None = None, read: Callable[[str], Any] = str) -> pa.Table:
    """So many rows of each key, in the columns `day` (read from the key) and `value`."""
    marks = [read(key) for key in keys for _ in range(count)]
    return pa.table({"day": pa.array(marks, kind), "value": pa.array([f"{key}#{number}" for key in keys for number in range(count)])})

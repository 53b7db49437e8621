"""What notebooks and scripts call: fronts over the steps. Each checks that its arguments are what the table's folder says, then runs the same step.

Not here: the steps (medallion). Runs that Dagster keeps are started by `lakehouse materialize`; these show in its UI with the table's next run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from uuid import uuid4

import pyarrow as pa

from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.result import StepResult
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.medallion.time_travel import snapshot_at, version_of
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.attributes import Refresh
from lakehouse_platform.tables.definition import Table
from lakehouse_platform.tables.lineage import Origin, origins
from lakehouse_platform.tables.project import load_project
from lakehouse_platform.tables.storage import mapped_columns

_ROWS_PER_BATCH = 100_000
_DIMENSIONS = (Refresh.SCD1, Refresh.SCD2)


def open_lakehouse(settings: Settings | None = None) -> Lakehouse:
    """The lakehouse that the settings name (LAKEHOUSE_HOME, LAKEHOUSE_PROJECT), checked: open it once for many calls.

    Raises:
        ProjectError: The project has mistakes; all are listed.
        LakehouseError: LAKEHOUSE_PROJECT names a folder without defs.
    """
    settings = settings or Settings()
    if not settings.defs_root.is_dir():
        raise LakehouseError(f"LAKEHOUSE_PROJECT: {settings.project} has no folder defs")
    return Lakehouse(settings, load_project(settings.defs_root))


def transform_to_silver(source: str, target: str, *, lakehouse: Lakehouse | None = None) -> StepResult:
    """Decode, type, judge and deduplicate what is new in a bronze table, into its silver table.

    Args:
        source: The bronze table, such as bronze/orders (or bronze.orders).
        target: The silver table.
        lakehouse: The lakehouse; by default that of the settings.

    Raises:
        LakehouseError: `target` is another kind of table or reads another one, or the step failed.
    """
    opened, table = _target(lakehouse, target, "silver")
    _agree(table, _source_differs(table, source))
    return _run(opened, table)


def create_gold_aggregate(source: str, target: str, partitions: Collection[str] | None = None, *, lakehouse: Lakehouse | None = None) -> StepResult:
    """Bring a gold table up to what is new in the tables that it reads, or recompute some of its partitions.

    Args:
        source: The table that its query reads first, such as silver/orders.
        target: The gold table.
        partitions: Keys of partitions to recompute, such as 2026-01-31; by default those that new input touches.
        lakehouse: The lakehouse; by default that of the settings.

    Raises:
        LakehouseError: `target` is another kind of table or reads another one first, or the step failed.
    """
    opened, table = _target(lakehouse, target, "gold")
    wrong_kind = [f"refresh is {table.refresh}: it is a dimension, which is no aggregate"] if table.refresh in _DIMENSIONS else []
    _agree(table, [*wrong_kind, *_source_differs(table, source)])
    return _run(opened, table, partitions)


def create_scd_type2_dimension(
    source: str,
    target: str,
    business_keys: Sequence[str],
    tracked_columns: Sequence[str] | None = None,
    sequence_by: Sequence[str] | str = (),
    *,
    lakehouse: Lakehouse | None = None,
) -> StepResult:
    """Add to a dimension the versions that new rows or change events of its source start, and close those that they end.

    Args:
        source: The silver table whose rows or events its versions are.
        target: The gold table, such as gold/dim_product.
        business_keys: The columns that name the thing whose versions are kept.
        tracked_columns: The columns whose change starts a new version; None for all but the key.
        sequence_by: The columns that order a key's rows; none for change events, which have an order of their own.
        lakehouse: The lakehouse; by default that of the settings.

    Raises:
        LakehouseError: The table's folder says something else (the text names each difference), or the step failed.
    """
    opened, table = _target(lakehouse, target, "gold")
    attributes = table.attributes
    found = [f"refresh is {table.refresh}, not scd2"] if table.refresh is not Refresh.SCD2 else []
    found += _source_differs(table, source)
    every = tuple(column.name for column in mapped_columns(table) if column.name not in attributes.business_key)
    tracked = every if tracked_columns is None else tuple(tracked_columns)
    # The order of keys and of tracked columns means nothing; that of a sequence does.
    found += _differs("business_keys", sorted(business_keys), "business_key", sorted(attributes.business_key))
    found += _differs("tracked_columns", sorted(tracked), "track", sorted(attributes.track or every))
    sequence = [sequence_by] if isinstance(sequence_by, str) else list(sequence_by)
    found += _differs("sequence_by", sequence, "sequence_by", list(attributes.sequence_by))
    _agree(table, found)
    return _run(opened, table)


def query_time_travel(
    table: str, version: int | str | None = None, timestamp: datetime | str | None = None, *, lakehouse: Lakehouse | None = None
) -> pa.Table:
    """All rows of a table as of a version or an instant, in memory.

    Args:
        table: Any table of the lakehouse, also one that the project does not name: silver/orders, silver/orders__quarantine.
        version: A version of `lakehouse history`, or a tag.
        timestamp: An instant, as a datetime or ISO 8601 text; UTC where it names no zone.
        lakehouse: The lakehouse; by default that of the settings.

    Raises:
        VersionGone: That version was cleaned up or never was; the text names those that there are.
        LakehouseError: There is no such table, or both version and timestamp are given.
    """
    opened = lakehouse or open_lakehouse()
    number = version_of(opened, _name(table), version) if isinstance(version, str) else version
    snapshot = snapshot_at(opened, _name(table), number, _instant(timestamp))
    with opened.session() as session:
        return session.arrow_reader(snapshot_scan(snapshot), _ROWS_PER_BATCH).read_all()


def capture_lineage(target: str, *, lakehouse: Lakehouse | None = None) -> list[Origin]:
    """Every column that a table's columns are computed from, back to the source's fields.

    Args:
        target: A table, or one of its columns: gold/daily_sales.net_revenue.
        lakehouse: The lakehouse; by default that of the settings.

    Raises:
        LakehouseError: There is no such table or column.
    """
    opened = lakehouse or open_lakehouse()
    layer, _, rest = target.replace("/", ".").partition(".")
    entity, _, column = rest.partition(".")
    name = _known(opened, f"{layer}/{entity}")
    known = [each.name for each in opened.project.tables[name].contract.columns] if name in opened.project.tables else []
    if column and column not in known:
        raise LakehouseError(f"{name} has no column {column}; it has {', '.join(known) or 'no columns that are computed'}")
    return origins(opened.project, name, column or None)


def _run(lakehouse: Lakehouse, table: Table, partitions: Collection[str] | None = None) -> StepResult:
    return run_step(lakehouse, table.name, run_id=f"python-{uuid4()}", partitions=partitions)


def _target(lakehouse: Lakehouse | None, typed: str, layer: str) -> tuple[Lakehouse, Table]:
    opened = lakehouse or open_lakehouse()
    name = _known(opened, typed)
    if not name.startswith(f"{layer}/"):
        raise LakehouseError(f"{name} is no {layer} table")
    return opened, opened.project.tables[name]


def _known(lakehouse: Lakehouse, typed: str) -> str:
    name = _name(typed)
    known = [*lakehouse.project.sources, *lakehouse.project.tables]
    if name not in known:
        raise LakehouseError(f"there is no table {typed}; there are {', '.join(known)}")
    return name


def _name(typed: str) -> str:
    return typed.replace(".", "/", 1)


def _instant(given: datetime | str | None) -> datetime | None:
    if not isinstance(given, str):
        return given
    try:
        return datetime.fromisoformat(given)
    except ValueError as error:
        raise LakehouseError(f"{given!r} is no instant: write it as 2026-01-31T12:00:00Z") from error


def _source_differs(table: Table, source: str) -> list[str]:
    if _name(source) == table.driving:
        return []
    return [f"source is {_name(source)}, its query reads {table.driving or 'no table'}{' first' if len(table.inputs) > 1 else ''}"]


def _differs(argument: str, given: Iterable[str], attribute: str, said: Iterable[str]) -> Iterator[str]:
    if list(given) != list(said):
        yield f"{argument} is {', '.join(given) or 'nothing'}, its {attribute} is {', '.join(said) or 'nothing'}"


def _agree(table: Table, differences: Sequence[str]) -> None:
    """A call that says something else than the table's folder would run another step than its reader thinks."""
    if differences:
        raise LakehouseError(f"the call differs from {table.name} in {table.folder}: {'; '.join(differences)}. Correct the one or the other")

"""Writing what a user's asset gave: its rows are judged against the table and the run's partitions, committed once, and told. Not here: reading."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg

from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.orchestration.asset_tables import partition_columns, regions_of
from lakehouse_platform.orchestration.asset_writes import AssetWrites
from lakehouse_platform.orchestration.metadata import partition_rows, table_rows
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.writes import tables
from lakehouse_platform.writes.change import Options, Written
from lakehouse_platform.writes.regions import Region, condition, files_of, replace_regions, rows_outside
from lakehouse_platform.writes.source import Rows, rows_of

TRANSACTION = "transaction_id"
# Dagster tags a run that repeats another, or goes on with it, with the first one's id.
_ROOT_RUN = "dagster/root_run_id"
# Each partition's rows are counted by a filter of one query; so many are no burden to it.
_COUNTED_PARTITIONS = 1000


@dataclass(frozen=True)
class AssetOutput:
    """What an asset gave, kept in a session as the relation `staged`; `naive` are its timestamps without a zone."""

    context: dg.OutputContext
    session: Session
    location: str
    writes: AssetWrites
    staged: str
    naive: tuple[str, ...]
    configuration: Mapping[str, str]

    def write(self) -> Written:
        """Commit the rows. Raises LakehouseError, with nothing committed, where they do not fit the table, the partitions or what was asked."""
        target = open_snapshot(self.location)
        self._refuse_misfits(target)
        regions = self.regions(target.columns if target is not None else self._rows.fields)
        if regions is not None and self._count:
            self._refuse_outside(regions, target)
        options = self._options(target)
        match self.writes.mode:
            case "append":
                options["transaction"] = (self._transaction(), 0)
                return tables.append(self.session, self.location, self._rows.sql, **options)
            case "upsert":
                return tables.upsert(self.session, self.location, self._rows.sql, self.writes.key, **options)
            case _ if regions is not None:
                return replace_regions(self.session, self.location, self._rows.sql, regions, **options)
            case _:
                return tables.overwrite(self.session, self.location, self._rows.sql, **options)

    def regions(self, fields: Sequence[Field]) -> list[Region] | None:
        """What of the table the run is about; None for all of it."""
        return regions_of(self._partitions, fields)

    def tell(self, snapshot: Snapshot, written: Written) -> None:
        """Log what the commit did to the table, and how many rows each of the run's partitions has now."""
        path = self.context.asset_key.path
        self.context.add_output_metadata(
            {
                "dagster/uri": dg.MetadataValue.url(self.location),
                "dagster/table_name": ".".join(path),
                "dagster/column_schema": dg.TableSchema([dg.TableColumn(field.name, str(field.type)) for field in snapshot.columns]),
                **table_rows(snapshot.rows),
                "delta_version": snapshot.version,
                "rows_added": written.rows_added,
                "rows_removed": written.rows_removed,
                "files_added": written.files_added,
                "files_removed": written.files_removed,
                "files": len(snapshot.files),
                "bytes": sum(file.size_bytes for file in snapshot.files),
                **({"written_before": True} if written.was_known else {}),
            }
        )
        for key, rows in self._partition_counts(snapshot).items():
            self.context.step_context.add_asset_metadata(partition_rows(rows), asset_key=self.context.asset_key, partition_key=key)

    @cached_property
    def _rows(self) -> Rows:
        return rows_of(self.session, f"SELECT * FROM {self.staged}", {})

    @cached_property
    def _count(self) -> int:
        return int(self.session.row(f"SELECT count(*) FROM {self.staged}")[0])

    @cached_property
    def _partitions(self) -> Any:
        return partition_columns(self.context, self._name, self.writes, self.writes.naive)

    @property
    def _name(self) -> str:
        return self.context.asset_key.to_user_string()

    def _options(self, target: Snapshot | None) -> Options:
        options = Options(evolve=self.writes.evolve, tries=Settings().commit_tries, metadata={"dagster_run_id": self.context.run_id})
        if self.writes.partition_by is not None:
            options["partition_by"] = self.writes.partition_by
        elif target is None and self._partitions is not None:
            on_disk = self._partitions[0].on_disk(self._rows.fields)
            # A file has one column at least.
            options["partition_by"] = on_disk if len(on_disk) < len(self._rows.fields) else on_disk[:-1]
        if target is None:
            options["configuration"] = {**self.configuration, **self.writes.table_config}
        return options

    def _transaction(self) -> str:
        """What makes a repeated append known: the rows' own id where the asset gives one, else the run, of which a step may be tried again."""
        given = self.context.output_metadata.get(TRANSACTION)
        if given is not None:
            return f"asset:{getattr(given, 'value', given)}"
        run = self.context.step_context.dagster_run
        known = f"dagster:{run.tags.get(_ROOT_RUN, run.run_id)}:{self.context.step_key}:{self.context.name}"
        if self._partitions is None:
            return known
        # The run that repeats it may have been asked for other partitions.
        keys = json.dumps(sorted(map(str, self._partitions[1])))
        return f"{known}:{hashlib.sha256(keys.encode()).hexdigest()[:16]}"

    def _refuse_misfits(self, target: Snapshot | None) -> None:
        self._refuse_other_clocks()
        if target is None:
            if not self._rows.fields:
                raise LakehouseError(f"{self._name} gave no column with a type, so that its table cannot be made; give an empty frame its types")
            return
        _refuse_other_configuration(self._name, target, {**self.configuration, **self.writes.table_config})
        given = set(self.session.kinds(self._rows.sql))
        lacking = [field.name for field in target.columns if field.name not in given]
        if lacking and self._count and not self.writes.evolve:
            raise LakehouseError(
                f"{self._name}: its rows lack {', '.join(lacking)}, which its table has; give them (null, where there is no value), "
                f'or say "evolve": True in its metadata'
            )

    def _refuse_other_clocks(self) -> None:
        """Timestamps must have a zone where their asset says nothing else and a zone makes a difference, and none where it says so."""
        given = set(self.session.kinds(self._rows.sql)) - set(self.naive)
        if zoned := [name for name in self.writes.naive if name in given]:
            raise LakehouseError(f"{self._name}: column {zoned[0]!r} is to be naive, and is no timestamp without a zone; correct it, or leave it out")
        columns = self._partitions[0] if self._partitions is not None else None
        if columns is not None and not columns.is_utc:
            for name in sorted(set(columns.columns.values()) & set(self.naive) - set(self.writes.naive)):
                raise LakehouseError(
                    f"{self._name}: column {name!r} has no zone, and its partitions are not those of UTC; give it a zone, "
                    f'or say "naive": ["{name}"] in its metadata if it holds the clock times of the partitions'
                )

    def _refuse_outside(self, regions: Collection[Region], target: Snapshot | None) -> None:
        columns = tuple(dict.fromkeys(name for region in regions for name in region))
        shaped = self._rows.shaped_as(target) if target is not None else self._rows.sql
        count, example = rows_outside(self.session, shaped, regions, columns)
        if example is not None:
            values = ", ".join(f"{name} = {value}" for name, value in zip(columns, example, strict=True))
            keys = self._partitions[1]
            told = ", ".join(map(str, keys[:3])) + (", …" if len(keys) > 3 else "")
            raise LakehouseError(
                f"{self._name}: {count:,} of its {self._count:,} rows are not of {told}, the first has {values}; nothing was committed"
            )

    def _partition_counts(self, snapshot: Snapshot) -> dict[str, int]:
        if self._partitions is None or len(self._partitions[1]) > _COUNTED_PARTITIONS:
            return {}
        columns, keys = self._partitions
        regions = columns.regions(keys, snapshot.columns)
        rows = snapshot_scan(snapshot, files_of(snapshot.files, regions, snapshot.columns))
        filters = [f"count(*) FILTER (WHERE {condition(columns.regions([key], snapshot.columns))})" for key in keys]
        return dict(zip(map(str, keys), self.session.row(f"SELECT {', '.join(filters)} FROM ({rows})"), strict=True)) if keys else {}


def _refuse_other_configuration(name: str, target: Snapshot, wanted: Mapping[str, str]) -> None:
    for key, value in wanted.items():
        if target.configuration.get(key) != value:
            found = f"has {target.configuration[key]}" if key in target.configuration else "lacks it"
            raise LakehouseError(f"{name}: {key} is to be {value}, and its table at {target.location} {found}; set it on the table, or leave it out")

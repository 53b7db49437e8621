"""Dagster's IO manager for users' own Python assets: what they give becomes a Delta table, what they take is read from one.

Rows go the way of all rows here: DuckDB writes files, the commit follows just the version that it was derived from. dagster-deltalake gives the types
that say where storage is, and nothing else. Not here: the platform's own tables, which are assets without an IO manager (assets.py).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.engine import frames
from lakehouse_platform.engine.duckdb import Session, open_session
from lakehouse_platform.orchestration.asset_input import lazy, rows_sql, wanted_columns
from lakehouse_platform.orchestration.asset_output import AssetOutput
from lakehouse_platform.orchestration.asset_tables import location_of, name_of, partition_columns, regions_of
from lakehouse_platform.orchestration.asset_writes import asset_writes
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.settings import Settings
from lakehouse_platform.storage.stored import is_remote

try:
    from dagster_deltalake.config import AzureConfig, ClientConfig, GcsConfig, LocalConfig, S3Config

    from lakehouse_platform.orchestration.asset_storage import reach_storage
except ImportError as missing:
    raise ImportError("the IO manager needs the extra io-manager: pip install 'lakehouse-platform[io-manager]'") from missing

_GIVEN = "rows_given"


class DeltaIOManager(dg.ConfigurableIOManager):
    """Keeps what assets give as Delta tables, and gives it to assets downstream as the kind of frame that their parameters are annotated with.

    An asset's metadata says how (AssetWrites): `partition_expr`, `mode`, `key`, `evolve`, … That of a parameter may name the `columns` to read,
    and a `version`.
    """

    root_uri: str | None = Field(default=None, description="Where the tables are, each by its asset key; by default among the lakehouse's own")
    storage_options: S3Config | AzureConfig | GcsConfig | LocalConfig = Field(
        default=LocalConfig(), discriminator="provider", description="How to reach that place, where the clients' own variables (AWS_…) do not say it"
    )
    client_options: ClientConfig | None = Field(default=None, description="How requests are sent to it")
    table_config: dict[str, str] = Field(default_factory=dict, description="Delta's properties of every table; those of an asset's metadata go first")
    default_frame: str | None = Field(default=None, description=f"What a parameter without an annotation is given: {', '.join(frames.KINDS)}")
    _kept: ExitStack = PrivateAttr(default_factory=ExitStack)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 -- Dagster's signature
        """End what readers and relations were read through."""
        self._kept.close()

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Write what an asset gave, in one commit, and say what that did. Raises LakehouseError, and writes nothing, where anything does not fit."""
        name = name_of(context)
        if obj is None:
            raise LakehouseError(f"{name} gave None: annotate it `-> None` if it keeps its rows itself")
        writes = asset_writes(name, context.definition_metadata)
        location = location_of(name, context.asset_key.path, writes, self.root_uri)
        reach_storage(location, self.storage_options, self.client_options)
        with open_session(Settings()) as session:
            _reach(session, location)
            naive = frames.stage(session, _GIVEN, obj)
            output = AssetOutput(context, session, location, writes, _GIVEN, naive, self.table_config)
            written = output.write()
            snapshot = open_snapshot(location, written.version)
            assert snapshot is not None
            output.tell(snapshot, written)

    def load_input(self, context: dg.InputContext) -> Any:
        """The rows of all partitions that the run's map to, or of the whole table. Raises LakehouseError where there is no table."""
        name, kind = name_of(context), self._kind(context)
        writes = asset_writes(name, context.upstream_output.definition_metadata if context.upstream_output is not None else {})
        location = location_of(name, context.asset_key.path, writes, self.root_uri)
        reach_storage(location, self.storage_options, self.client_options)
        snapshot = open_snapshot(location, context.definition_metadata.get("version"))
        if snapshot is None:
            raise LakehouseError(f"{name} has no table at {location} yet: materialize it first")
        regions = regions_of(partition_columns(context, name, writes, writes.naive), snapshot.columns)
        columns = wanted_columns(name, snapshot, context.definition_metadata.get("columns"))
        # A reader and a relation are read on by the asset, so that their session ends with the run.
        with ExitStack() as stack:
            session = (self._kept if kind in (frames.READER, frames.RELATION) else stack).enter_context(open_session(Settings()))
            _reach(session, location)
            if kind in (frames.DATASET, frames.LAZY):
                found = lazy(session, snapshot, regions, columns, writes.naive)
                return found if kind == frames.DATASET else frames.lazy_frame(found)
            return frames.frame(kind, session, rows_sql(snapshot, regions, columns, writes.naive))

    def _kind(self, context: dg.InputContext) -> str:
        annotation = context.dagster_type.typing_type
        kind = self.default_frame if annotation is Any else frames.kind_of(annotation)
        if kind not in frames.KINDS:
            told = f"is annotated with {annotation}" if annotation is not Any else f"is given {kind}" if kind else "has no annotation"
            raise LakehouseError(f"parameter {context.name!r} {told}: annotate it with one of {', '.join(frames.KINDS)}")
        assert kind is not None
        return kind


def _reach(session: Session, location: str) -> None:
    if is_remote(location):
        session.reach(location)

"""The two components that a defs.yaml names: `lakehouse_platform.Table` and `lakehouse_platform.Source`. Not here: what they build (assets.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import dagster as dg
from pydantic import BaseModel

from lakehouse_platform.ingest.source import SourceAttributes
from lakehouse_platform.orchestration.assets import definitions_of
from lakehouse_platform.orchestration.build import project_at
from lakehouse_platform.tables.attributes import TableAttributes


@dataclass
class Table(dg.Component):
    """A silver or gold table: this defs.yaml, contract.yaml and transform.sql in one folder."""

    attributes: TableAttributes

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The attributes' own model: what may stand in a defs.yaml is declared once."""
        return TableAttributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:  # noqa: ARG003 -- Dagster passes it by name
        """The component of a defs.yaml."""
        return cls(TableAttributes.model_validate(attributes))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The table's asset with its checks."""
        return definitions_of(project_at(context.component_tree.defs_module_path), self.attributes.table)


@dataclass
class Source(dg.Component):
    """A bronze table and the files that it is made from."""

    attributes: SourceAttributes

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The attributes' own model: what may stand in a defs.yaml is declared once."""
        return SourceAttributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:  # noqa: ARG003 -- Dagster passes it by name
        """The component of a defs.yaml."""
        return cls(SourceAttributes.model_validate(attributes))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The bronze table's asset and the external asset of its files."""
        return definitions_of(project_at(context.component_tree.defs_module_path), self.attributes.table)

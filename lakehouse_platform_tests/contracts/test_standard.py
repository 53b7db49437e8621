"""What the platform reads is what the standard allows: documents pass the standard's own JSON schema, as `datacontract lint` judges."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

import lakehouse_platform
from lakehouse_platform.contracts.reading import read_contract

SHIPPED = sorted((Path(lakehouse_platform.__file__).parent / "defs").rglob("contract.yaml"))
SCHEMA = json.loads(importlib.resources.files("open_data_contract_standard").joinpath("schema.json").read_text())
DOCUMENTS = [Path(__file__).parent / "documents" / "orders.yaml", *SHIPPED]


class PlainLoader(yaml.SafeLoader):
    """Dates stay text, as in JSON."""


PlainLoader.yaml_implicit_resolvers = {
    first: [entry for entry in resolvers if "timestamp" not in entry[0]] for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.parent.name)
def test_document_is_read_and_valid(path: Path) -> None:
    assert read_contract(path).columns
    document = yaml.load(path.read_text(), Loader=PlainLoader)
    jsonschema.validate(document, SCHEMA)

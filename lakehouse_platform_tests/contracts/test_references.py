"""Relationships of a contract: what they say of a table's columns, and every way in which one can say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_platform.contracts.model import Reference, Severity
from lakehouse_platform.contracts.reading import read_contract
from lakehouse_platform.problems import ProjectError

HEAD = """apiVersion: v3.1.0
kind: DataContract
id: silver.sales
version: 1.0.0
status: active
schema:
  - name: sales
"""
COLUMNS = """    properties:
      - {name: shop, logicalType: string}
      - name: product
        logicalType: string
        relationships:
          - RELATIONSHIP
"""
SEVERE = "{to: products.product, customProperties: [{property: lakehouse.severity, value: error}]}"


def contract(tmp_path: Path, relationship: str = "{to: products.product}", more: str = "") -> Path:
    path = tmp_path / "contract.yaml"
    path.write_text(HEAD + COLUMNS.replace("RELATIONSHIP", relationship) + more, encoding="utf-8")
    return path


def test_a_column_refers_and_warns_unless_more_is_asked_for(tmp_path: Path) -> None:
    expected = Reference("product_reference", ("product",), "products", ("product",), Severity.WARNING, 13)
    assert read_contract(contract(tmp_path)).references == (expected,)
    (severe,) = read_contract(contract(tmp_path, SEVERE)).references
    assert severe.severity is Severity.ERROR


def test_several_columns_refer_together(tmp_path: Path) -> None:
    together = "    relationships:\n      - {id: listed, from: [sales.shop, sales.product], to: [listings.shop, listings.item]}\n"
    _, listed = read_contract(contract(tmp_path, more=together)).references
    assert (listed.id, listed.columns, listed.table, listed.targets) == ("listed", ("shop", "product"), "listings", ("shop", "item"))


@pytest.mark.parametrize(
    ("relationship", "message"),
    [
        ("{to: products}", "are not all columns of tables"),
        ("{to: [products.a, products.b]}", "1 columns refer to 2"),
        ("{type: friendship, to: products.product}", "no relationship of type 'friendship'"),
        ("{to: products.product, customProperties: [{property: lakehouse.severity, value: fatal}]}", "no severity 'fatal'"),
        ("{to: products.product, customProperties: [{property: lakehouse.format, value: x}]}", "means nothing for a relationship"),
        ("{id: product_type, to: products.product}", "two rules are called product_type"),
    ],
)
def test_a_reference_that_says_nothing(tmp_path: Path, relationship: str, message: str) -> None:
    with pytest.raises(ProjectError) as raised:
        read_contract(contract(tmp_path, relationship))
    (problem,) = raised.value.problems
    assert (problem.line, message in problem.message, bool(problem.mend)) == (13, True, True)


def test_columns_of_other_tables_are_not_ones_own(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as raised:
        read_contract(contract(tmp_path, more="    relationships:\n      - {from: orders.shop, to: shops.shop}\n"))
    (problem,) = raised.value.problems
    assert (problem.line, "orders.shop is no column here" in problem.message) == (15, True)

"""Every shipped contract is a document that the standard's own tools accept, and says what a reader needs to know."""

from __future__ import annotations

from pathlib import Path

import pytest
from datacontract.data_contract import DataContract

from lakehouse_platform.contracts.reading import read_contract
from lakehouse_platform.settings import Settings

PATHS = sorted(Settings().defs_root.rglob("contract.yaml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parent.name)
def test_the_standards_linter_accepts_it(path: Path) -> None:
    run = DataContract(data_contract_file=str(path)).lint()
    assert run.result == "passed", [check.reason for check in run.checks or ()]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parent.name)
def test_every_column_and_rule_is_described_and_the_table_owned(path: Path) -> None:
    contract = read_contract(path)
    assert contract.owner is not None
    assert contract.owner.startswith("team:")
    assert contract.domain == path.parent.parent.name
    assert [column.name for column in contract.columns if not column.description] == []
    assert [rule.id for rule in contract.table_rules if not rule.description] == []
    # A rule from a column's range or pattern is described by its column.
    assert [rule.id for rule in contract.row_rules if not rule.description and not rule.id.startswith(f"{rule.column}_")] == []


def test_silver_promises_freshness() -> None:
    silver = [read_contract(path) for path in PATHS if path.parent.name.startswith("silver_")]
    assert len(silver) == 4
    assert all(contract.freshness_seconds for contract in silver)

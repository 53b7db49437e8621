"""Dagster's partitions of a table: its days or months, and blocks of adjacent keys."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from lakehouse_platform.orchestration.partitions import blocks, keys_between, partition_mapping, partitions_definition
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.tables.project import Project, load_project
from lakehouse_platform_tests.orchestration.shop import DAILY, FACT, PRODUCT, SILVER, write_shop


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return load_project(write_shop(tmp_path).defs_root)


def daily(project: Project) -> dg.TimeWindowPartitionsDefinition:
    definition = partitions_definition(project.tables[SILVER])
    assert definition is not None
    return definition


def test_days_go_from_the_start_to_and_with_the_end(project: Project) -> None:
    keys = daily(project).get_partition_keys()
    assert (keys[0], keys[-1], len(keys)) == ("2026-01-01", "2026-03-31", 90)
    assert partitions_definition(project.tables[PRODUCT]) is None


def test_blocks_are_runs_of_adjacent_keys(project: Project) -> None:
    assert blocks(daily(project), ["2026-01-05", "2026-01-02", "2026-01-03", "2026-01-03"]) == [
        ("2026-01-02", "2026-01-03"),
        ("2026-01-05", "2026-01-05"),
    ]
    assert blocks(daily(project), []) == []


def test_a_key_that_does_not_exist_is_named(project: Project) -> None:
    with pytest.raises(LakehouseError, match="no partition 2025-12-31: they go from 2026-01-01 to 2026-03-31"):
        blocks(daily(project), ["2025-12-31", "2026-01-01"])


def test_a_range_without_a_bound_goes_to_the_end(project: Project) -> None:
    assert keys_between(daily(project), "2026-03-30", None) == ["2026-03-30", "2026-03-31"]


def test_a_day_depends_on_its_own_day_and_a_dimension_on_all(project: Project) -> None:
    silver = project.tables[SILVER]
    assert isinstance(partition_mapping(project.tables[DAILY], silver), dg.TimeWindowPartitionMapping)
    assert isinstance(partition_mapping(project.tables[PRODUCT], silver), dg.AllPartitionMapping)
    assert partition_mapping(project.tables[FACT], project.tables[PRODUCT]) is None

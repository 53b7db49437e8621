"""The functions for notebooks and scripts: the same steps as everywhere, checked against the table's folder, and tables as they were."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

import lakehouse_platform
from lakehouse_platform import (
    capture_lineage,
    create_gold_aggregate,
    create_scd_type2_dimension,
    open_lakehouse,
    query_time_travel,
    transform_to_silver,
)
from lakehouse_platform.delta.snapshot import VersionGone
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.orchestration.shop import CUSTOMER, DAILY, PRODUCT, SILVER, SOURCE, land, order, write_shop


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    """A shop whose bronze table has the orders of two days."""
    opened = open_lakehouse(write_shop(tmp_path))
    land(opened.settings, "one.csv", [order(1, "2026-01-02"), order(2, "2026-01-02"), order(3, "2026-01-05"), order(4, "2026-01-05", "-1.00")])
    run_step(opened, SOURCE, run_id="files")
    return opened


def test_each_front_runs_its_step(lakehouse: Lakehouse) -> None:
    silver = transform_to_silver(SOURCE, "silver.shop_orders", lakehouse=lakehouse)
    assert silver.record is not None
    assert silver.record.accounts is not None
    assert (silver.record.accounts.accepted, silver.record.accounts.rejected) == (3, 1)
    assert transform_to_silver(SOURCE, SILVER, lakehouse=lakehouse).record is None

    daily = create_gold_aggregate(SILVER, DAILY, lakehouse=lakehouse)
    assert daily.record is not None
    assert set(daily.record.partitions) == {"2026-01-02", "2026-01-05"}
    again = create_gold_aggregate(SILVER, DAILY, ["2026-01-05"], lakehouse=lakehouse)
    assert again.record is not None
    assert (again.record.step, set(again.record.partitions)) == ("backfill", {"2026-01-05"})
    assert create_gold_aggregate(SILVER, CUSTOMER, lakehouse=lakehouse).record is not None

    versions = create_scd_type2_dimension(SILVER, PRODUCT, ["product"], ["product_name"], "order_timestamp", lakehouse=lakehouse)
    assert versions.record is not None
    assert query_time_travel(PRODUCT, lakehouse=lakehouse).num_rows == 4, "three products and the unknown one"


def test_they_take_the_lakehouse_of_the_settings(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(lakehouse.settings.home))
    monkeypatch.setenv("LAKEHOUSE_PROJECT", str(lakehouse.settings.project))
    assert transform_to_silver(SOURCE, SILVER).record is not None
    monkeypatch.setenv("LAKEHOUSE_PROJECT", str(lakehouse.settings.home))
    with pytest.raises(LakehouseError, match="has no folder defs"):
        transform_to_silver(SOURCE, SILVER)


def test_a_call_that_differs_from_the_folder_says_what_differs(lakehouse: Lakehouse) -> None:
    with pytest.raises(LakehouseError) as raised:
        create_scd_type2_dimension("silver/other", PRODUCT, ["customer"], ["amount"], ["order_date"], lakehouse=lakehouse)
    said = str(raised.value)
    for difference in (
        "source is silver/other, its query reads silver/shop_orders",
        "business_keys is customer, its business_key is product",
        "tracked_columns is amount, its track is product_name",
        "sequence_by is order_date, its sequence_by is order_timestamp",
    ):
        assert difference in said
    assert "gold_dim_shop_product" in said
    with pytest.raises(LakehouseError, match="is a dimension"):
        create_gold_aggregate(SILVER, PRODUCT, lakehouse=lakehouse)
    with pytest.raises(LakehouseError, match="not scd2"):
        create_scd_type2_dimension(SILVER, DAILY, [], lakehouse=lakehouse)
    with pytest.raises(LakehouseError, match="no silver table"):
        transform_to_silver(SOURCE, DAILY, lakehouse=lakehouse)
    with pytest.raises(LakehouseError, match=r"there is no table silver/nothing; there are bronze/shop_orders"):
        transform_to_silver(SOURCE, "silver/nothing", lakehouse=lakehouse)


def test_a_table_as_it_was(lakehouse: Lakehouse) -> None:
    before = datetime.now(UTC)
    transform_to_silver(SOURCE, SILVER, lakehouse=lakehouse)
    first = query_time_travel(SILVER, lakehouse=lakehouse)
    between = datetime.now(UTC)
    land(lakehouse.settings, "two.csv", [order(7, "2026-01-06")])
    run_step(lakehouse, SOURCE, run_id="more")
    second = transform_to_silver(SOURCE, SILVER, lakehouse=lakehouse).version
    assert second is not None

    assert first.num_rows == 3
    assert query_time_travel(SILVER, lakehouse=lakehouse).num_rows == 4
    assert query_time_travel("silver.shop_orders", version=second, lakehouse=lakehouse).num_rows == 4
    assert query_time_travel(SILVER, timestamp=between, lakehouse=lakehouse).equals(first)
    assert query_time_travel(SILVER, timestamp=between.isoformat(), lakehouse=lakehouse).equals(first)
    assert sorted(first.column("order_id").to_pylist()) == ["o1", "o2", "o3"]
    assert query_time_travel("silver/shop_orders__quarantine", lakehouse=lakehouse).num_rows == 1

    with pytest.raises(VersionGone, match=f"has no version {second + 1}: its versions go from 0 to {second}"):
        query_time_travel(SILVER, version=second + 1, lakehouse=lakehouse)
    with pytest.raises(VersionGone, match="did not exist at"):
        query_time_travel(SILVER, timestamp=before - timedelta(days=1), lakehouse=lakehouse)
    for mistaken in ({"timestamp": "yesterday"}, {"version": 0, "timestamp": between}):
        with pytest.raises(LakehouseError):
            query_time_travel(SILVER, lakehouse=lakehouse, **mistaken)
    with pytest.raises(LakehouseError, match="there is no table gold/shop_daily"):
        query_time_travel(DAILY, lakehouse=lakehouse)


def test_a_version_that_is_gone_says_which_are_left(lakehouse: Lakehouse) -> None:
    run_step(lakehouse, SILVER, run_id="one")
    create_gold_aggregate(SILVER, CUSTOMER, lakehouse=lakehouse)
    land(lakehouse.settings, "two.csv", [order(7, "2026-01-06")])
    for name in (SOURCE, SILVER, CUSTOMER):
        run_step(lakehouse, name, run_id="two")
    now, then = (lakehouse.snapshot(CUSTOMER, version) for version in (None, 1))
    assert now is not None
    assert then is not None
    removed = {file.uri for file in then.files} - {file.uri for file in now.files}
    for uri in removed:
        Path(uri).unlink()
    with pytest.raises(VersionGone, match=rf"version 1 cannot be read any more: .* still there: versions 0 and {now.version}"):
        query_time_travel(CUSTOMER, version=1, lakehouse=lakehouse)
    DeltaTable(now.location).create_checkpoint()
    (Path(now.location) / "_delta_log" / f"{0:020}.json").unlink()
    with pytest.raises(VersionGone, match=rf"version 0 was cleaned out of its log; still there: version {now.version}$"):
        query_time_travel(CUSTOMER, version=0, lakehouse=lakehouse)


def test_lineage_of_a_table_and_of_a_column(lakehouse: Lakehouse) -> None:
    (near, far) = capture_lineage("gold.shop_daily.revenue", lakehouse=lakehouse)
    assert (near.source_table, near.source_column, near.steps) == (SILVER, "amount", 1)
    assert (far.source_table, far.source_column, far.steps) == (SOURCE, "amount", 2)
    assert {origin.column for origin in capture_lineage(DAILY, lakehouse=lakehouse)} >= {"order_date", "revenue"}
    assert capture_lineage(SOURCE, lakehouse=lakehouse) == []
    with pytest.raises(LakehouseError, match="has no column colour; it has order_date"):
        capture_lineage("gold/shop_daily.colour", lakehouse=lakehouse)


def test_the_package_itself_loads_nothing_heavy() -> None:
    program = (
        "import sys, lakehouse_platform; print([name for name in ('dagster', 'duckdb', 'deltalake', 'pyarrow', 'pydantic') if name in sys.modules]);"
        "lakehouse_platform.transform_to_silver; print('dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "False"]
    assert all(getattr(lakehouse_platform, name) for name in lakehouse_platform.__all__)

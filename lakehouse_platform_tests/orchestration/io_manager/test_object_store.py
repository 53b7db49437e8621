"""The IO manager over an object store, reached as its own configuration says or as the environment does."""

from __future__ import annotations

import os

import dagster as dg
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from dagster_deltalake import S3Config
from dagster_deltalake.config import ClientConfig

from lakehouse_platform.orchestration.io_manager import DeltaIOManager
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.object_store import KEY_ID, REGION, SECRET, S3Server, bucket, s3
from lakehouse_platform_tests.orchestration.io_manager.assets import asset, days, run

__all__ = ["bucket", "s3"]
REGIONS = dg.StaticPartitionsDefinition(["ap", "eu", "us"])


@dg.asset(key=["shop", "summary"], ins={"sales": dg.AssetIn(["shop", "sales"])})
def summary(sales: pl.LazyFrame) -> pl.DataFrame:
    return sales.group_by("day").len().collect()


@dg.asset(key=["shop", "read"], ins={"sales": dg.AssetIn(["shop", "sales"]), "summary": dg.AssetIn(["shop", "summary"])})
def read(sales: pa.Table, summary: ds.Dataset) -> None:
    assert sales.num_rows == 9
    assert sorted(row["day"] for row in summary.to_table().to_pylist()) == ["ap", "eu", "us"]


SALES = asset("sales", days, REGIONS, partition_expr="day")


def check_everything(io_manager: DeltaIOManager) -> None:
    run(io_manager, [SALES], ("ap", "us"))
    run(io_manager, [SALES], "eu")
    assert run(io_manager, [SALES, summary, read], select=["shop/summary", "shop/read"]).success


def test_as_the_environment_says(here: DeltaIOManager, bucket: str, s3: S3Server) -> None:
    check_everything(DeltaIOManager(root_uri=bucket))
    assert any(key.startswith("shop/sales/_delta_log/") for key in s3.keys(bucket))


def test_as_the_configuration_says_and_for_its_bucket_alone(here: DeltaIOManager, bucket: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    storage = S3Config(access_key_id=KEY_ID, secret_access_key=SECRET, region=REGION, endpoint=s3.endpoint)
    check_everything(DeltaIOManager(root_uri=bucket, storage_options=storage, client_options=ClientConfig(allow_http=True, connect_timeout=5)))
    with pytest.raises(LakehouseError, match="aws_region"):
        run(DeltaIOManager(root_uri=bucket, storage_options=S3Config(region="mars")), [SALES], "eu")
    with pytest.raises(LakehouseError, match="AWS_REGION"):
        run(DeltaIOManager(root_uri=s3.new_bucket()), [SALES], "eu")
    with pytest.raises(LakehouseError, match="allow_unsafe_rename"):
        run(DeltaIOManager(root_uri=s3.new_bucket(), storage_options=S3Config(allow_unsafe_rename=True)), [SALES], "eu")

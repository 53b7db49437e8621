"""A small project of its own for these tests: CSV files of orders, a daily silver table, daily and keyed gold, and a dimension."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lakehouse_platform.settings import Settings

SOURCE = "bronze/shop_orders"
SILVER, DAILY, FACT, PRODUCT, CUSTOMER = "silver/shop_orders", "gold/shop_daily", "gold/shop_fact", "gold/dim_shop_product", "gold/shop_customer"
TABLES = (SILVER, DAILY, FACT, PRODUCT, CUSTOMER)

_FILLED = """
      - {name: processed_timestamp, logicalType: timestamp, physicalType: TIMESTAMP, required: true}
      - {name: data_quality_score, logicalType: number, physicalType: DOUBLE, required: true}"""

_FOLDERS = {
    "bronze_shop_orders": (
        """
type: lakehouse_platform.Source
attributes:
  table: bronze/shop_orders
  description: Orders of a shop
  files: {path: "shop/*.csv", format: csv}
""",
        "",
        "",
    ),
    "silver_shop_orders": (
        """
type: lakehouse_platform.Table
attributes:
  table: silver/shop_orders
  refresh: upsert
  sequence_by: [order_timestamp]
  partitions: {grain: day, start: 2026-01-01, end: 2026-03-31}
""",
        """
      - {name: order_id, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: order_timestamp, logicalType: timestamp, physicalType: TIMESTAMP, required: true}
      - {name: order_date, logicalType: date, physicalType: DATE, required: true, partitioned: true, partitionKeyPosition: 1}
      - {name: product, logicalType: string, required: true}
      - {name: product_name, logicalType: string}
      - {name: customer, logicalType: string}
      - name: amount
        logicalType: number
        physicalType: DECIMAL(10,2)
        required: true
        quality:
          - {id: amount_not_negative, type: sql, severity: error, query: "SELECT count(*) FROM ${table} WHERE amount < 0", mustBe: 0}
          - {id: amount_not_huge, type: sql, severity: warning, query: "SELECT count(*) FROM ${table} WHERE amount > 1000", mustBe: 0}"""
        + _FILLED
        + """
slaProperties:
  - {property: freshness, value: 1, unit: d, element: shop_orders.processed_timestamp}""",
        """
SELECT order_id, at AS order_timestamp, at AS order_date, product, product_name, customer, amount
FROM bronze.shop_orders
""",
    ),
    "gold_shop_daily": (
        """
type: lakehouse_platform.Table
attributes:
  table: gold/shop_daily
  refresh: replace_partitions
  partitions: {grain: day, start: 2026-01-01, end: 2026-03-31}
""",
        """
      - {name: order_date, logicalType: date, physicalType: DATE, required: true, primaryKey: true, primaryKeyPosition: 1, partitioned: true,
         partitionKeyPosition: 1}
      - {name: orders, logicalType: integer, physicalType: BIGINT, required: true}
      - {name: revenue, logicalType: number, physicalType: "DECIMAL(20,2)", required: true}""",
        "SELECT order_date, count(*) AS orders, sum(amount) AS revenue FROM silver.shop_orders GROUP BY order_date",
    ),
    "gold_dim_shop_product": (
        """
type: lakehouse_platform.Table
attributes:
  table: gold/dim_shop_product
  refresh: scd2
  business_key: [product]
  sequence_by: [order_timestamp]
  unknown_row: true
""",
        """
      - {name: shop_product_key, logicalType: integer, physicalType: BIGINT, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: product, logicalType: string}
      - {name: product_name, logicalType: string}
      - {name: effective_date, logicalType: timestamp, physicalType: TIMESTAMP, required: true}
      - {name: end_date, logicalType: timestamp, physicalType: TIMESTAMP}
      - {name: is_current, logicalType: boolean, required: true}""",
        "SELECT product, product_name FROM silver.shop_orders WHERE product_name IS NOT NULL",
    ),
    "gold_shop_fact": (
        """
type: lakehouse_platform.Table
attributes:
  table: gold/shop_fact
  refresh: replace_partitions
  partitions: {grain: day, start: 2026-01-01, end: 2026-03-31}
""",
        """
      - {name: order_date, logicalType: date, physicalType: DATE, required: true, partitioned: true, partitionKeyPosition: 1}
      - {name: order_id, logicalType: string, required: true}
      - {name: product_key, logicalType: integer, physicalType: BIGINT, required: true}
      - {name: amount, logicalType: number, physicalType: "DECIMAL(10,2)", required: true}""",
        """
SELECT orders.order_date, orders.order_id, COALESCE(product.shop_product_key, -1) AS product_key, orders.amount
FROM silver.shop_orders AS orders
LEFT JOIN gold.dim_shop_product AS product
  ON product.product = orders.product
 AND orders.order_timestamp >= product.effective_date
 AND (product.end_date IS NULL OR orders.order_timestamp < product.end_date)
""",
    ),
    "gold_shop_customer": (
        """
type: lakehouse_platform.Table
attributes:
  table: gold/shop_customer
  refresh: replace_keys
""",
        """
      - {name: customer, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: orders, logicalType: integer, physicalType: BIGINT, required: true}
      - {name: revenue, logicalType: number, physicalType: "DECIMAL(20,2)", required: true}""",
        """
SELECT customer, count(*) AS orders, sum(amount) AS revenue
FROM silver.shop_orders
WHERE customer IS NOT NULL
GROUP BY customer
""",
    ),
}


def write_shop(root: Path, attributes: Mapping[str, str] | None = None, start: str = "2026-01-01") -> Settings:
    """Write the project below a folder and give settings whose lakehouse is there too.

    `attributes` are lines that a table's defs.yaml has more; `start` is the first day of all partitions.
    """
    for folder, (text, properties, query) in _FOLDERS.items():
        extra = (attributes or {}).get(folder.replace("_", "/", 1))
        defs = text.replace("2026-01-01", start) + (f"  {extra}\n" if extra else "")
        path = root / "project" / "defs" / "shop" / folder
        path.mkdir(parents=True)
        (path / "defs.yaml").write_text(defs.lstrip(), encoding="utf-8")
        if properties:
            (path / "contract.yaml").write_text(_contract(folder, properties), encoding="utf-8")
            (path / "transform.sql").write_text(query.lstrip(), encoding="utf-8")
    return Settings(home=root / "home", project=root / "project", memory_limit_bytes=500_000_000, threads=1, retry_seconds=0)


def land(settings: Settings, name: str, rows: Sequence[str], *, age_seconds: float = 60.0) -> Path:
    """Put a file of orders into the landing folder, written some time ago."""
    path = settings.landing / "shop" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("order_id,at,product,product_name,customer,amount\n" + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    written = time.time() - age_seconds
    os.utime(path, (written, written))
    return path


def order(number: int, day: str, amount: str = "10.00") -> str:
    """One order as a line of CSV."""
    return f"o{number},{day} 10:00:00,p{number % 3},name {number % 3},c{number % 2},{amount}"


def _contract(folder: str, properties: str) -> str:
    layer, _, name = folder.partition("_")
    sla = ""
    if "slaProperties" in properties:
        properties, _, sla = properties.partition("\nslaProperties")
        sla = "\nslaProperties" + sla
    return (
        "apiVersion: v3.1.0\nkind: DataContract\n"
        f"id: {layer}.{name}\nname: {name}\nversion: 1.0.0\nstatus: active\ndomain: shop\nteam: {{name: shop}}\n"
        f"schema:\n  - name: {name}\n    physicalType: table\n    properties:{properties}{sla}\n"
    )

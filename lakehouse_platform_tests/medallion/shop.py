"""A small shop: sales by day, products by change events, and every kind of gold table over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.properties.projects import Folder, column, load, source, table
from lakehouse_platform_tests.properties.worlds import World

START = "2024-01-01"
DAYS = {"grain": "day", "start": START}


def _dimension(name: str, entity: str, columns: dict[str, str], sql: str, **attributes: Any) -> Folder:
    own = [column(each, kind) for each, kind in columns.items()]
    times = [column("effective_date", "TIMESTAMP", required=True), column("end_date", "TIMESTAMP"), column("is_current", "BOOLEAN", required=True)]
    return table(name, sql, [column(f"{entity}_key", "BIGINT", required=True, key=1), *own, *times], refresh="scd2", **attributes)


FOLDERS = (
    source("bronze/sales", "sales/*.jsonl"),
    source("bronze/product_changes", "products/*.jsonl", changes="plain"),
    table(
        "silver/sales",
        "SELECT sale, sold_at, sold_at AS day, product, customer, amount FROM bronze.sales",
        [
            column("sale", "INT", required=True, key=1),
            column("sold_at", "TIMESTAMP", required=True),
            column("day", "DATE", required=True, partitioned=True),
            column("product", "STRING", required=True),
            column("customer", "STRING"),
            column("amount", "INT", required=True),
        ],
        refresh="upsert",
        partitions=DAYS,
    ),
    table(
        "silver/products",
        "SELECT product, title, live FROM bronze.product_changes",
        [column("product", "STRING", required=True, key=1), column("title", "STRING"), column("live", "BOOLEAN")],
        refresh="scd1",
    ),
    table(
        "gold/days",
        "SELECT day, COUNT(*) AS sales, SUM(amount) AS total, CAST(SUM(amount) AS INT) AS small FROM silver.sales GROUP BY day",
        [
            column("day", "DATE", required=True, key=1, partitioned=True),
            column("sales", "BIGINT", required=True),
            column("total", "BIGINT", required=True),
            column("small", "INT", required=True),
        ],
        rules=[{"id": "bounded", "type": "sql", "severity": "error", "mustBe": 0, "query": "SELECT count(*) FROM ${table} WHERE total > 999"}],
        refresh="replace_partitions",
        partitions=DAYS,
    ),
    table(
        "gold/months",
        "SELECT CAST(sold_at AS DATE) AS day, COUNT(*) AS sales FROM silver.sales GROUP BY CAST(sold_at AS DATE)",
        [column("day", "DATE", required=True, key=1, partitioned=True), column("sales", "BIGINT", required=True)],
        refresh="replace_partitions",
        partitions={"grain": "month", "start": START},
    ),
    table(
        "gold/customers",
        "SELECT customer, COUNT(*) AS sales, SUM(amount) AS total FROM silver.sales WHERE customer IS NOT NULL GROUP BY customer",
        [column("customer", "STRING", required=True, key=1), column("sales", "BIGINT", required=True), column("total", "BIGINT", required=True)],
        refresh="replace_keys",
    ),
    table(
        "gold/totals",
        "SELECT COUNT(*) AS sales FROM silver.sales",
        [column("sales", "BIGINT", required=True)],
        refresh="replace",
    ),
    table(
        "gold/ranked",
        "SELECT day, sale, RANK() OVER (ORDER BY amount) AS place, RANK() OVER (PARTITION BY day ORDER BY amount) AS place_of_day FROM silver.sales",
        [
            column("day", "DATE", required=True, partitioned=True),
            column("sale", "INT", required=True, key=1),
            column("place", "INT", required=True),
            column("place_of_day", "INT", required=True),
        ],
        refresh="replace_partitions",
        partitions=DAYS,
    ),
    table("gold/numbers", "SELECT 1 AS number", [column("number", "INT", required=True)], refresh="replace"),
    _dimension("gold/dim_product", "product", {"product": "STRING", "title": "STRING"}, "SELECT product, title FROM silver.products WHERE live",
               business_key=["product"], unknown_row=True),
    _dimension("gold/dim_customer", "customer", {"customer": "STRING", "product": "STRING"},
               "SELECT customer, product FROM silver.sales WHERE customer IS NOT NULL", business_key=["customer"], sequence_by=["sold_at"]),
    table(
        "gold/latest_products",
        "SELECT product, title FROM silver.products",
        [column("product", "STRING", required=True, key=1), column("title", "STRING")],
        refresh="scd1",
    ),
    table(
        "gold/fact_sales",
        """
        SELECT sale.day, sale.sale, COALESCE(product.product_key, -1) AS product_key
        FROM silver.sales AS sale
        LEFT JOIN gold.dim_product AS product
          ON product.product = sale.product AND sale.sold_at >= product.effective_date
         AND (product.end_date IS NULL OR sale.sold_at < product.end_date)
        """,
        [
            column("day", "DATE", required=True, partitioned=True),
            column("sale", "INT", required=True, key=1),
            column("product_key", "BIGINT", required=True),
        ],
        refresh="replace_partitions",
        partitions=DAYS,
    ),
)  # fmt: skip
PROJECT = load(*FOLDERS)

FEEDS = {"sales": ("bronze/sales", "silver/sales"), "products": ("bronze/product_changes", "silver/products")}


def changed(table_name: str, *changes: tuple[str, str, str]) -> Project:
    """The shop with other texts in a table's files: (file, what stands there, what stands there instead)."""
    folders = []
    for folder in FOLDERS:
        files = dict(folder.files)
        if folder.name == table_name.replace("/", "_"):
            for name, before, after in changes:
                assert before in files[name], before
                files[name] = files[name].replace(before, after)
        folders.append(Folder(folder.name, files))
    return load(*folders)


def under(shop: World, project: Project) -> World:
    """The same lakehouse with another project."""
    return replace(shop, lakehouse=replace(shop.lakehouse, project=project))


def sale(number: int, day: int, *, amount: int = 1, customer: str | None = "x", product: str = "p") -> dict[str, Any]:
    sold_at = f"2024-01-{day:02}T12:00:00Z" if day <= 31 else f"2024-02-{day - 31:02}T12:00:00Z"
    return {"sale": number, "sold_at": sold_at, "amount": amount, "customer": customer, "product": product}


def change(day: int, operation: str, title: str | None, *, product: str = "p", live: bool = True) -> dict[str, Any]:
    state = {"product": product, "title": title, "live": "true" if live else "false"}
    before, after = (state, None) if operation == "d" else (None, state)
    return {"op": operation, "ts_ms": 1_704_067_200_000 + (day - 1) * 86_400_000, "key": product, "before": before, "after": after}


def bring(shop: World, feed: str, name: str, records: Iterable[dict[str, Any]]) -> None:
    """Land a file and take it as far as silver."""
    shop.land(f"{feed}/{name}.jsonl", ({"place": f"{name}:{line}"} | record for line, record in enumerate(records)))
    shop.run(*FEEDS[feed])

"""References between tables: judged on what is committed, against what the other table holds then."""

from __future__ import annotations

from pathlib import Path

from lakehouse_platform.medallion.verification import Verdict, verify
from lakehouse_platform.problems import ProjectError
from lakehouse_platform.tables.project import load_project
from lakehouse_platform_tests.properties.projects import Folder, column, load, source, table
from lakehouse_platform_tests.properties.worlds import World, world

TO_PRODUCTS = [{"to": "products.product"}]
SALES = table(
    "silver/sales",
    "SELECT sale, product FROM bronze.sales",
    [column("sale", "INT", required=True, key=1), column("product", "STRING", relationships=TO_PRODUCTS)],
    refresh="upsert",
)
PRODUCTS = table("silver/products", "SELECT product FROM bronze.products", [column("product", "STRING", required=True, key=1)], refresh="upsert")
SOURCES = (source("bronze/sales", "sales/*.jsonl"), source("bronze/products", "products/*.jsonl"))
PROJECT = load(*SOURCES, SALES, PRODUCTS)


def reference(lakehouse: World) -> Verdict:
    """How the reference of sales to products stands."""
    project = lakehouse.lakehouse.project
    return next(verdict for verdict in verify(lakehouse.lakehouse, project.tables["silver/sales"], None) if verdict.rule == "product_reference")


def test_rows_that_refer_to_nothing_are_counted_until_what_they_refer_to_arrives() -> None:
    with world(PROJECT) as lakehouse:
        lakehouse.land("sales/1.jsonl", [{"sale": 1, "product": "a"}, {"sale": 2, "product": "b"}, {"sale": 3, "product": "b"}, {"sale": 4}])
        lakehouse.run("bronze/sales", "silver/sales")
        assert reference(lakehouse) == Verdict("product_reference", False, {"failing_rows": 3, "missing_values": 2, "refers_to": "silver/products"})
        lakehouse.land("products/1.jsonl", [{"product": "a"}])
        lakehouse.run("bronze/products", "silver/products")
        assert reference(lakehouse).measured["failing_rows"] == 2
        lakehouse.land("products/2.jsonl", [{"product": "b"}])
        lakehouse.run("bronze/products", "silver/products")
        assert reference(lakehouse) == Verdict("product_reference", True, {"failing_rows": 0, "missing_values": 0, "refers_to": "silver/products"})


def test_what_is_referred_to_must_be_there_with_the_same_type(tmp_path: Path) -> None:
    columns = [column("sale", "INT", required=True, key=1), column("shop", "STRING", relationships=[{"to": "shops.shop"}])]
    columns += [column("product", "INT", relationships=TO_PRODUCTS), column("other", "STRING", relationships=[{"to": "products.title"}])]
    sql = "SELECT sale, shop, product, other FROM bronze.sales"
    found = mistakes(tmp_path, *SOURCES, PRODUCTS, table("silver/sales", sql, columns, refresh="upsert"))
    assert [message for message in found if "_reference" in message] == [
        "shop_reference refers to shops, which is no table here",
        "product_reference: product is INT, and product of silver/products is STRING",
        "other_reference: silver/products has no column title",
    ]


def mistakes(root: Path, *folders: Folder) -> list[str]:
    for folder in folders:
        (root / folder.name).mkdir()
        for name, text in folder.files.items():
            (root / folder.name / name).write_text(text, encoding="utf-8")
    try:
        load_project(root)
    except ProjectError as error:
        return [problem.message for problem in error.problems]
    return []

"""What the retail product means: revenue with and without cancellations, facts that point to the version of their time, customers' segments."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.steps import run_step
from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import load_project

SOURCE = "bronze/retail_transactions"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
FIRST_DAY = """536365,85123A,HEART HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
C536379,85123A,HEART HOLDER,-2,2010-12-01 09:41:00,2.55,17850.0,United Kingdom
536370,22728,found,56,2010-12-01 11:52:00,0.0,,France
536371,22728,ALARM CLOCK,4,2010-12-01 12:00:00,3.75,12583.0,France
"""
SECOND_DAY = """536400,85123A,HEART T-LIGHT HOLDER,1,2010-12-02 10:00:00,2.95,17850.0,France
536401,85123A,HEART T-LIGHT HOLDER,1,2010-12-02 10:00:01,2.95,17850.0,France
"""
EARLIER = "536300,22728,CLOCK,1,2010-12-01 08:00:00,3.75,12583.0,France\n"


class Shop:
    """A lakehouse with the retail product."""

    def __init__(self, home: Path) -> None:
        settings = Settings(home=home, settle_seconds=0)
        self.lakehouse = Lakehouse(settings, load_project(settings.defs_root))

    def land(self, name: str, lines: str) -> None:
        """A file arrives, and an increment takes it to gold."""
        folder = self.lakehouse.settings.landing / "retail"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(HEADER + lines, encoding="utf-8")
        for table in (SOURCE, *self.lakehouse.project.downstream(SOURCE)):
            run_step(self.lakehouse, table, run_id=name)

    def rows(self, sql: str, table: str) -> list[tuple[Any, ...]]:
        """Rows of DuckDB SQL in which `t` is the table."""
        snapshot = self.lakehouse.snapshot(table)
        assert snapshot is not None
        with self.lakehouse.session() as session:
            session.view("t", snapshot_scan(snapshot))
            return session.rows(sql)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop after two days, and a line of the first day that came last."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.land("2010-12-01.csv", FIRST_DAY)
    shop.land("2010-12-02.csv", SECOND_DAY)
    yield shop


def test_cancelled_revenue_is_taken_off(shop: Shop) -> None:
    sql = (
        "SELECT units, gross_revenue, cancelled_revenue, net_revenue, invoice_count, customer_count FROM t WHERE date = '2010-12-01' ORDER BY country"
    )
    french, british = shop.rows(sql, "gold/daily_sales")
    assert british == (4, Decimal("15.300"), Decimal("5.100"), Decimal("10.200"), 2, 1)
    assert french == (60, Decimal("15.000"), Decimal("0.000"), Decimal("15.000"), 2, 1)


def test_a_product_is_named_by_lines_that_sold_it(shop: Shop) -> None:
    times = "strftime(effective_date, '%d %H:%M'), strftime(end_date, '%d %H:%M')"
    sql = f"SELECT stock_code, description, {times}, is_current FROM t WHERE product_key <> -1 ORDER BY ALL"
    assert shop.rows(sql, "gold/dim_product") == [
        ("22728", "ALARM CLOCK", "01 12:00", None, True),
        ("85123A", "HEART HOLDER", "01 08:26", "02 10:00", False),
        ("85123A", "HEART T-LIGHT HOLDER", "02 10:00", None, True),
    ]


def test_facts_point_to_the_version_of_their_time_and_are_rekeyed_when_it_comes(shop: Shop) -> None:
    sql = "SELECT invoice_no, product_key = -1, customer_key = -1 FROM t ORDER BY invoice_timestamp, invoice_no"
    assert shop.rows(sql, "gold/fact_sales") == [
        ("536365", False, False),
        ("C536379", False, False),
        ("536370", True, True),
        ("536371", False, False),
        ("536400", False, False),
        ("536401", False, False),
    ]
    shop.land("2010-12-01-late.csv", EARLIER)
    assert shop.rows("SELECT invoice_no FROM t WHERE product_key = -1", "gold/fact_sales") == []
    assert len(shop.rows("SELECT DISTINCT product_key FROM t WHERE stock_code = '22728'", "gold/fact_sales")) == 2


def test_a_customer_is_one_row_with_a_segment(shop: Shop) -> None:
    sql = "SELECT customer_id, order_count, revenue, average_order_value, segment FROM t WHERE customer_id = '17850'"
    assert shop.rows(sql, "gold/customer_value") == [("17850", 3, Decimal("16.100"), Decimal("5.367"), "returning")]


def test_the_largest_quantity_may_be_cancelled(shop: Shop) -> None:
    shop.land("2010-12-03.csv", "C536500,99999,ALL OF THEM,-2147483648,2010-12-03 10:00:00,1.0,19999.0,Malta\n")
    sql = "SELECT cancelled_revenue, net_revenue FROM t WHERE country = 'Malta'"
    assert shop.rows(sql, "gold/daily_sales") == [(Decimal("2147483648.000"), Decimal("-2147483648.000"))]

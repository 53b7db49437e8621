"""The shipped products load, and have the tables, columns and types that their users were promised."""

from __future__ import annotations

import pytest

from lakehouse_platform.settings import Settings
from lakehouse_platform.tables.project import Project, load_project

COLUMNS = {
    "silver/order_lines": "invoice_no STRING, stock_code STRING, description STRING, quantity INT, invoice_timestamp TIMESTAMP, invoice_date DATE, "
    "unit_price DECIMAL(18,3), customer_id STRING, country STRING, is_cancellation BOOLEAN, processed_timestamp TIMESTAMP, data_quality_score DOUBLE",
    "gold/daily_sales": "date DATE, country STRING, invoice_count BIGINT, line_count BIGINT, units BIGINT, gross_revenue DECIMAL(38,3), "
    "cancelled_revenue DECIMAL(38,3), net_revenue DECIMAL(38,3), customer_count BIGINT",
    "gold/dim_product": "product_key BIGINT, stock_code STRING, description STRING, effective_date TIMESTAMP, end_date TIMESTAMP, is_current BOOLEAN",
    "gold/dim_customer": "customer_key BIGINT, customer_id STRING, country STRING, effective_date TIMESTAMP, end_date TIMESTAMP, is_current BOOLEAN",
    "silver/user_events": "event_id STRING, user_id STRING, event_type STRING, event_timestamp TIMESTAMP, properties MAP<STRING,STRING>, "
    "processed_timestamp TIMESTAMP, data_quality_score DOUBLE",
    "gold/daily_user_aggregates": "date DATE, user_id STRING, event_count BIGINT, unique_event_types INT, first_event_timestamp TIMESTAMP, "
    "last_event_timestamp TIMESTAMP, aggregation_timestamp TIMESTAMP",
    "gold/dim_user": "user_key BIGINT, user_id STRING, user_name STRING, user_email STRING, user_status STRING, effective_date DATE, end_date DATE, "
    "is_current BOOLEAN",
    "silver/airports": "icao STRING, iata STRING, name STRING, city STRING, subd STRING, country STRING, elevation DOUBLE, lat DOUBLE, lon DOUBLE, "
    "tz STRING, lid STRING, processed_timestamp TIMESTAMP, data_quality_score DOUBLE",
}


@pytest.fixture(scope="module")
def project() -> Project:
    """The shipped products."""
    return load_project(Settings().defs_root)


def test_all_tables_are_there_and_each_comes_after_its_inputs(project: Project) -> None:
    assert set(project.sources) == {"bronze/retail_transactions", "bronze/activity_events", "bronze/airport_changes", "bronze/sensor_readings"}
    assert set(project.downstream("bronze/retail_transactions")) == {
        *("silver/order_lines", "gold/daily_sales", "gold/dim_product", "gold/dim_customer", "gold/fact_sales", "gold/customer_value"),
    }
    order = list(project.tables)
    assert all(order.index(name) < order.index(table.name) for table in project.tables.values() for name in table.inputs if name in order)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_and_types_are_those_promised(project: Project, name: str) -> None:
    columns = project.tables[name].contract.columns
    assert ", ".join(f"{column.name} {column.type}" for column in columns) == COLUMNS[name]


def test_counts_are_bigint_and_keys_too(project: Project) -> None:
    for table in project.tables.values():
        for column in table.contract.columns:
            if table.layer == "gold" and column.name.endswith(("_count", "_key")):
                assert str(column.type) == "BIGINT", f"{table.name}.{column.name}"


def test_net_revenue_comes_from_quantity_and_price(project: Project) -> None:
    lineage = project.tables["gold/daily_sales"].lineage["net_revenue"]
    assert set(lineage) == {("silver/order_lines", "quantity"), ("silver/order_lines", "unit_price")}

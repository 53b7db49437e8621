"""Property 34: increments end where a rebuild from scratch ends, for any split of the input and any order of arrival."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import Row, hundred_examples, world

DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]
SHOP = load(
    source("bronze/sales", "sales/*.jsonl"),
    source("bronze/product_changes", "products/*.jsonl", changes="plain"),
    table(
        "silver/sales",
        "SELECT sale, sold_at, sold_at AS day, product, customer, country, amount FROM bronze.sales",
        [
            column("sale", "INT", required=True, key=1),
            column("sold_at", "TIMESTAMP", required=True),
            column("day", "DATE", required=True, partitioned=True),
            column("product", "STRING", required=True),
            column("customer", "STRING"),
            column("country", "STRING", required=True),
            column("amount", "INT", required=True),
        ],
        refresh="upsert",
        partitions={"grain": "day", "start": DAYS[0]},
    ),
    table(
        "silver/products",
        "SELECT product, title FROM bronze.product_changes",
        [column("product", "STRING", required=True, key=1), column("title", "STRING")],
        refresh="scd1",
    ),
    table(
        "gold/daily_sales",
        "SELECT day, country, COUNT(*) AS sales, COUNT(DISTINCT customer) AS customers, SUM(amount) AS total FROM silver.sales GROUP BY day, country",
        [
            column("day", "DATE", required=True, key=1, partitioned=True),
            column("country", "STRING", required=True, key=2),
            *(column(name, "BIGINT", required=True) for name in ("sales", "customers", "total")),
        ],
        refresh="replace_partitions",
        partitions={"grain": "day", "start": DAYS[0]},
    ),
    table(
        "gold/customers",
        """
        SELECT customer, COUNT(*) AS sales, SUM(amount) AS total, MAX(sold_at) AS last_sale
        FROM silver.sales WHERE customer IS NOT NULL GROUP BY customer
        """,
        [
            column("customer", "STRING", required=True, key=1),
            column("sales", "BIGINT", required=True),
            column("total", "BIGINT", required=True),
            column("last_sale", "TIMESTAMP", required=True),
        ],
        refresh="replace_keys",
    ),
    table(
        "gold/dim_customer",
        "SELECT customer, country FROM silver.sales WHERE customer IS NOT NULL",
        [
            column("customer_key", "BIGINT", required=True, key=1),
            column("customer", "STRING"),
            column("country", "STRING"),
            column("effective_date", "TIMESTAMP", required=True),
            column("end_date", "TIMESTAMP"),
            column("is_current", "BOOLEAN", required=True),
        ],
        refresh="scd2",
        business_key=["customer"],
        sequence_by=["sold_at"],
        unknown_row=True,
    ),
    table(
        "gold/dim_product",
        "SELECT product, title FROM silver.products",
        [
            column("product_key", "BIGINT", required=True, key=1),
            column("product", "STRING"),
            column("title", "STRING"),
            column("effective_date", "TIMESTAMP", required=True),
            column("end_date", "TIMESTAMP"),
            column("is_current", "BOOLEAN", required=True),
        ],
        refresh="scd2",
        business_key=["product"],
        unknown_row=True,
    ),
    table(
        "gold/fact_sales",
        """
        SELECT sale.day, sale.sale, sale.amount,
               COALESCE(product.product_key, -1)   AS product_key,
               COALESCE(customer.customer_key, -1) AS customer_key
        FROM silver.sales AS sale
        LEFT JOIN gold.dim_product AS product
          ON product.product = sale.product AND sale.sold_at >= product.effective_date
         AND (product.end_date IS NULL OR sale.sold_at < product.end_date)
        LEFT JOIN gold.dim_customer AS customer
          ON customer.customer = sale.customer AND sale.sold_at >= customer.effective_date
         AND (customer.end_date IS NULL OR sale.sold_at < customer.end_date)
        """,
        [
            column("day", "DATE", required=True, partitioned=True),
            column("sale", "INT", required=True, key=1),
            column("amount", "INT", required=True),
            column("product_key", "BIGINT", required=True),
            column("customer_key", "BIGINT", required=True),
        ],
        refresh="replace_partitions",
        partitions={"grain": "day", "start": DAYS[0]},
    ),
)
sales = st.fixed_dictionaries(
    {
        "sale": st.integers(1, 6),
        "sold_at": st.sampled_from([f"{day}T{hour}:00:00Z" for day in DAYS for hour in ("08", "16")]),
        "product": st.sampled_from("pq"),
        "customer": st.sampled_from(["x", "y", None]),
        "country": st.sampled_from(["DE", "FR"]),
        "amount": st.integers(-2, 3),
    }
)
product_changes = st.tuples(st.sampled_from("pq"), st.sampled_from(DAYS), st.sampled_from(["new", "old", None]), st.sampled_from("cud"))


def product_change(product: str, day: str, title: str | None, operation: str) -> Row:
    state = {"product": product, "title": title}
    before, after = (state, None) if operation == "d" else (None, state)
    milliseconds = (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400_000
    return {"op": operation, "ts_ms": milliseconds, "key": product, "before": before, "after": after}


@st.composite
def splits(draw: st.DrawFn) -> list[tuple[str, str, list[Row]]]:
    """Files of both sources with the source that each feeds, in the order in which they arrive; names do not tell the order."""
    found = []
    for name in draw(st.permutations("abc"))[: draw(st.sampled_from([2, 2, 3]))]:
        if draw(st.booleans()):
            rows = draw(st.lists(sales, min_size=1, max_size=6))
            found.append(("bronze/sales", f"sales/{name}.jsonl", rows))
        else:
            changes = draw(st.lists(product_changes, min_size=1, max_size=4))
            found.append(("bronze/product_changes", f"products/{name}.jsonl", [product_change(*change) for change in changes]))
    return found


# Feature: data-lakehouse, Property 34: Incremental processing efficiency
@hundred_examples
@given(splits())
def test_property_34_increments_end_where_a_rebuild_ends(arriving: list[tuple[str, str, list[Row]]]) -> None:
    with world(SHOP) as step_by_step, world(SHOP) as at_once:
        for name, path, rows in arriving:
            for lakehouse in (step_by_step, at_once):
                lakehouse.land(path, ({"place": f"{path}:{line}"} | row for line, row in enumerate(rows)))
            step_by_step.run(name, *SHOP.downstream(name))
        sources = {name for name, _, _ in arriving}
        at_once.run(*sorted(sources), *(table for table in SHOP.tables if sources.intersection(SHOP.source_of(table))))
        for table_name in SHOP.tables:
            assert step_by_step.contents(table_name) == at_once.contents(table_name), f"{table_name} depends on how its input was split"

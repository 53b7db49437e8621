"""What Python code holds rows in, there and back: every kind of frame, every type of column, and what no table holds."""

# Annotations are not postponed here: Dagster looks at those of assets itself.

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from lakehouse_platform.orchestration.io_manager import DeltaIOManager
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform_tests.orchestration.io_manager import stored
from lakehouse_platform_tests.orchestration.io_manager.assets import asset, run

ROWS = pa.table(
    {
        "number": pa.array([1, None, 3], pa.int64()),
        "text": pa.array(["é", None, "it's"]),
        "share": pa.array([0.5, None, -1.0]),
        "amount": pa.array([Decimal("1.10"), None, Decimal("-0.01")], pa.decimal128(10, 2)),
        "day": pa.array([date(2024, 1, 1), None, date(9999, 12, 31)]),
        "at": pa.array([datetime(2024, 1, 1, 12, 30, 0, 123456, UTC), None, datetime(1969, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "is_new": pa.array([True, None, False]),
    }
)
MADE: dict[str, Callable[[], Any]] = {
    "pandas": lambda: ROWS.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda: pl.from_arrow(ROWS),
    "polars_lazy": lambda: pl.from_arrow(ROWS).lazy(),  # type: ignore[union-attr]
    "arrow": lambda: ROWS,
    "arrow_reader": lambda: ROWS.to_reader(max_chunksize=2),
    "arrow_dataset": lambda: ds.dataset(ROWS),
    "duckdb": lambda: duckdb.connect().from_arrow(ROWS),
}
AS_TABLE: dict[Any, Callable[[Any], pa.Table]] = {
    pd.DataFrame: lambda frame: pa.Table.from_pandas(frame, schema=ROWS.schema, preserve_index=False),
    pl.DataFrame: lambda frame: frame.to_arrow().cast(ROWS.schema),
    pl.LazyFrame: lambda frame: frame.collect().to_arrow().cast(ROWS.schema),
    pa.Table: lambda frame: frame,
    pa.RecordBatchReader: lambda frame: frame.read_all(),
    ds.Dataset: lambda frame: frame.to_table(),
    duckdb.DuckDBPyRelation: lambda frame: frame.to_arrow_table().cast(ROWS.schema),
}


@pytest.mark.parametrize("kind", MADE)
def test_every_kind_of_frame_is_written_as_it_is(here: DeltaIOManager, kind: str) -> None:
    run(here, [asset("sales", lambda _: MADE[kind]())])
    assert sorted(stored.rows(), key=str) == sorted(map(tuple, (row.values() for row in ROWS.to_pylist())), key=str)
    assert [str(field.type) for field in stored.snapshot().columns] == ["BIGINT", "STRING", "DOUBLE", "DECIMAL(10,2)", "DATE", "TIMESTAMP", "BOOLEAN"]


def test_every_kind_of_frame_is_read_as_it_was(here: DeltaIOManager) -> None:
    read: dict[Any, pa.Table] = {}

    def reading(number: int, kind: Any) -> dg.AssetsDefinition:
        @dg.asset(key=["shop", f"read_{number}"], ins={"sales": dg.AssetIn(["shop", "sales"])})
        def made(sales: kind) -> None:
            read[kind] = AS_TABLE[kind](sales)

        return made

    readers = [reading(number, kind) for number, kind in enumerate(AS_TABLE)]
    run(here, [asset("sales", lambda _: ROWS), *readers])
    for kind in AS_TABLE:
        assert read[kind].sort_by("number").equals(ROWS.sort_by("number")), kind


def test_a_parameter_may_ask_for_columns_and_a_version(here: DeltaIOManager) -> None:
    sales, read = asset("sales", lambda _: ROWS), list[Any]()
    run(here, [sales])
    run(here, [asset("sales", lambda _: ROWS.slice(0, 1))])

    def reading(name: str, **metadata: Any) -> dg.AssetsDefinition:
        @dg.asset(key=["shop", name], ins={"sales": dg.AssetIn(["shop", "sales"], metadata=metadata)})
        def made(sales: pa.Table) -> None:
            read.append((sales.num_rows, sales.schema.names))

        return made

    readers = [reading("a", columns=["text", "number"]), reading("b", version=0, columns="day")]
    run(here, [sales, *readers], select=["shop/a"])
    run(here, [sales, *readers], select=["shop/b"])
    assert read == [(1, ["text", "number"]), (3, ["day"])]
    with pytest.raises(LakehouseError, match="shop/sales has no column txet; it has number, text"):
        run(here, [sales, reading("c", columns=["txet"])], select=["shop/c"])


SMALL = {
    "int8": (pa.array([-1], pa.int8()), "INT"),
    "uint64": (pa.array([2**63 - 1], pa.uint64()), "BIGINT"),
    "float32": (pa.array([0.5], pa.float32()), "DOUBLE"),
    "large_text": (pa.array(["x"], pa.large_string()), "STRING"),
    "words": (pa.array(["x"]).dictionary_encode(), "STRING"),
    "days": (pa.array([0], pa.date64()), "DATE"),
    "seconds": (pa.array([1], pa.timestamp("s", "America/New_York")), "TIMESTAMP"),
    "nanoseconds": (pa.array([1_000], pa.timestamp("ns")), "TIMESTAMP"),
    "bytes": (pa.array([b"ab"], pa.binary(2)), "BINARY"),
    "pair": (pa.array([[1, 2]], pa.list_(pa.int16(), 2)), "ARRAY<INT>"),
    "record": (pa.array([{"a": 1, "b": "x"}], pa.struct([("a", pa.uint32()), ("b", pa.large_string())])), "STRUCT<a:BIGINT,b:STRING>"),
    "map": (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "MAP<STRING,BIGINT>"),
    "nothing": (pa.nulls(1), None),
}


def test_types_become_the_ones_that_hold_their_values(here: DeltaIOManager) -> None:
    run(here, [asset("sales", lambda _: pa.table({name: values for name, (values, _) in SMALL.items()}))])
    assert {field.name: str(field.type) for field in stored.snapshot().columns} == {name: kind for name, (_, kind) in SMALL.items() if kind}


def failing() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"a": [1]})
    raise LookupError("the source went away")


@pytest.mark.parametrize(
    ("rows", "error", "complaint"),
    [
        (lambda: pa.table({"at": pa.array([1], pa.time64("us"))}), LakehouseError, "column 'at': time64.* is a type that no table holds"),
        (lambda: pa.table({"n": pa.array([2**63], pa.uint64())}), LakehouseError, "column 'n' holds a value that does not fit int64"),
        (lambda: pa.table({"at": pa.array([1], pa.timestamp("ns", "UTC"))}), LakehouseError, "column 'at' holds a value that does not fit timestamp"),
        (lambda: pa.Table.from_arrays([[1], [2]], names=["a", "a"]), LakehouseError, "column 'a' more than once"),
        (lambda: pd.DataFrame({1: [1]}), LakehouseError, "column 1 is not called by a text"),
        (lambda: [1, 2], LakehouseError, "a builtins.list holds no rows of a table; give one of pandas.DataFrame"),
        (lambda: None, LakehouseError, "shop/sales gave None"),
        (pd.DataFrame, LakehouseError, "gave no column with a type"),
        (lambda: pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), failing()), LookupError, "the source went away"),
    ],
)
def test_what_cannot_be_stored_is_told_and_nothing_is_written(here: DeltaIOManager, rows: Any, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        run(here, [asset("sales", lambda _: rows())])
    with pytest.raises(AssertionError):
        stored.snapshot()


def test_an_index_with_a_name_is_a_column(here: DeltaIOManager) -> None:
    run(here, [asset("sales", lambda _: pd.DataFrame({"v": [1]}, index=pd.Index(["k"], name="key")))])
    assert stored.rows() == [("k", 1)]


def test_a_parameter_says_what_it_wants(here: DeltaIOManager) -> None:
    @dg.asset(key=["shop", "down"], ins={"sales": dg.AssetIn(["shop", "sales"])})
    def down(sales) -> None:  # type: ignore[no-untyped-def]
        assert isinstance(sales, pl.DataFrame)

    sales = asset("sales", lambda _: ROWS)
    with pytest.raises(LakehouseError, match=r"parameter 'sales' has no annotation: annotate it with one of pandas.DataFrame"):
        run(here, [sales, down])
    assert run(DeltaIOManager(default_frame="polars.DataFrame"), [sales, down]).success
    with pytest.raises(LakehouseError, match=r"parameter 'sales' is given spark.DataFrame"):
        run(DeltaIOManager(default_frame="spark.DataFrame"), [sales, down])


def test_a_table_that_is_not_there_is_told(here: DeltaIOManager) -> None:
    @dg.asset(key=["shop", "down"], ins={"sales": dg.AssetIn(["shop", "sales"])})
    def down(sales: pa.Table) -> None: ...

    with pytest.raises(LakehouseError, match=r"shop/sales has no table at .*shop/sales yet: materialize it first"):
        run(here, [asset("sales", lambda _: ROWS), down], select=["shop/down"])

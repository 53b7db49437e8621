"""Reads whole tables of a lakehouse for comparison: audit columns left out, DOUBLE to a relative 1e-9. Not here: any run."""

from __future__ import annotations

from pathlib import Path

import duckdb
from deltalake import DeltaTable

# When and by which run a row was made differs between runs that are equal.
AUDIT_COLUMNS = {
    "processed_timestamp", "aggregation_timestamp", "ingestion_timestamp", "ingestion_date", "batch_id", "run_id",
    "quarantined_timestamp", "committed_timestamp",
}  # fmt: skip


def table_names(home: Path) -> list[str]:
    """Layer and name of every Delta table of the lakehouse, those of the platform itself (system/…) left out."""
    root = home / "tables"
    found = sorted(str(path.parent.relative_to(root)) for path in root.glob("*/*/_delta_log"))
    return [name for name in found if not name.startswith("system/")]


def connect(home: Path, name: str) -> duckdb.DuckDBPyConnection:
    """A connection whose view `t` is the table as its log says, without the audit columns, and whose view `whole` has them all."""
    table = DeltaTable(str(home / "tables" / name))
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("delta_rows", table.to_pyarrow_dataset())
    hidden = [column.name for column in table.schema().fields if column.name in AUDIT_COLUMNS]
    connection.execute("CREATE VIEW whole AS FROM delta_rows")
    connection.execute(f"CREATE VIEW t AS SELECT * {f'EXCLUDE ({chr(44).join(hidden)})' if hidden else ''} FROM delta_rows")
    return connection


def contents(home: Path, name: str) -> list[tuple[object, ...]]:
    """The table's rows in an order of their own, DOUBLEs rounded to ten significant digits, nested values as text."""
    connection = connect(home, name)
    columns = []
    for column, kind, *_ in connection.execute("DESCRIBE t").fetchall():
        quoted = '"' + column + '"'
        if kind == "DOUBLE":
            columns.append(f"format('{{:.10e}}', {quoted})")
        elif "(" in kind and not kind.startswith("DECIMAL"):
            columns.append(f"CAST({quoted} AS VARCHAR)")
        else:
            columns.append(quoted)
    return connection.execute(f"SELECT {', '.join(columns)} FROM t ORDER BY ALL").fetchall()


def rows(home: Path, name: str) -> int:
    """How many rows the table has."""
    found = connect(home, name).execute("SELECT count(*) FROM t").fetchone()
    assert found is not None
    return int(found[0])

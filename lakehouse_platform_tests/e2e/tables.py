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
    return connect_at(str(home / "tables" / name))


def connect_at(location: str, version: int | None = None) -> duckdb.DuckDBPyConnection:
    """The same of a table anywhere, as it is or as of a version."""
    table = DeltaTable(location, version=version)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("delta_rows", table.to_pyarrow_dataset())
    hidden = [column.name for column in table.schema().fields if column.name in AUDIT_COLUMNS]
    connection.execute("CREATE VIEW whole AS FROM delta_rows")
    connection.execute(f"CREATE VIEW t AS SELECT * {f'EXCLUDE ({chr(44).join(hidden)})' if hidden else ''} FROM delta_rows")
    return connection


def fingerprint(home: Path, name: str) -> tuple[int, int, int]:
    """Rows, and two sums over the hashes of rows: equal for equal multisets of rows, DOUBLEs taken to ten significant digits."""
    return fingerprint_at(str(home / "tables" / name))


def fingerprint_at(location: str, version: int | None = None) -> tuple[int, int, int]:
    """The same of a table anywhere, as it is or as of a version."""
    connection = connect_at(location, version)
    columns = []
    for column, kind, *_ in connection.execute("DESCRIBE t").fetchall():
        quoted = '"' + column + '"'
        columns.append(f"format('{{:.10e}}', {quoted})" if kind == "DOUBLE" else f"CAST({quoted} AS VARCHAR)" if "(" in kind else quoted)
    hashed = f"SELECT hash({', '.join(columns)}) AS h FROM t"
    found = connection.execute(f"SELECT count(*), coalesce(sum(h::HUGEINT), 0), coalesce(bit_xor(h), 0) FROM ({hashed})").fetchone()
    assert found is not None
    return int(found[0]), int(found[1]), int(found[2])


def rows(home: Path, name: str) -> int:
    """How many rows the table has."""
    found = connect(home, name).execute("SELECT count(*) FROM t").fetchone()
    assert found is not None
    return int(found[0])

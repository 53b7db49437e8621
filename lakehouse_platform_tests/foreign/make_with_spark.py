"""Makes the foreign tables of tables.sql with Spark, and keeps them beside what Spark reads of each. Not here: reading them (test_spark_tables.py).

Run it in an environment with PySpark 4.2 and give it the jars of Delta 4.4 (io.delta:delta-spark_4.2_2.13 and io.delta:delta-storage, from Maven
Central), with a comma between: `python -m lakehouse_platform_tests.foreign.make_with_spark delta-spark.jar,delta-storage.jar [TABLE…]`. Without
names it makes all of them, else these anew.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import sys
import tarfile
import time
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyspark.sql import Row, SparkSession

HERE = Path(__file__).parent
TABLES, PACKED = HERE / "tables.sql", HERE / "spark_tables.tar.gz"
# Whose first commits go, so that only a checkpoint tells of them.
_CLEANED = {"checkpoint_only": 3, "v2_checkpoint_cleaned": 3}


def recipes() -> dict[str, list[str]]:
    """The statements of each table."""
    _, *parts = re.split(r"(?m)^-- table (\w+)\n", TABLES.read_text(encoding="utf-8"))
    return {name: [text.strip() for text in re.split(r"(?m);$", body) if text.strip()] for name, body in zip(parts[::2], parts[1::2], strict=True)}


def make(spark: SparkSession, name: str, statements: list[str], folder: Path) -> None:
    """Run a table's statements, and write what Spark reads of it then."""
    settings = []
    for text in statements:
        sql = text.replace("${table}", f"delta.`{folder}`").replace("${folder}", str(folder))
        if match := re.fullmatch(r"SET ([\w.]+) = (.*)", sql):
            settings.append(match[1])
            spark.conf.set(match[1], match[2])
        else:
            spark.sql(sql)
    for setting in settings:
        spark.conf.unset(setting)
    for version in range(_CLEANED.get(name, 0)):
        (folder / "_delta_log" / f"{version:020}.json").unlink()
    read = spark.read.format("delta").load(str(folder))
    expected = {
        "columns": {field.name: field.dataType.simpleString() for field in read.schema.fields},
        "rows": [plain(row) for row in read.collect()],
    }
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False), encoding="utf-8")


def plain(value: Any) -> Any:
    """A value as JSON, without loss."""
    match value:
        case Row():
            return {name: plain(item) for name, item in value.asDict().items()}
        case dict():
            return {"map": [[plain(key), plain(item)] for key, item in value.items()]}
        case list():
            return [plain(item) for item in value]
        case bytes() | bytearray():
            return {"bytes": bytes(value).hex()}
        case Decimal():
            return {"decimal": f"{value:f}"}
        case datetime():
            return {"timestamp": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case float():
            return {"double": repr(value)}
        case None | bool() | int() | str():
            return value
    return {"other": str(value)}


def pack(root: Path) -> None:
    """Keep the tables in one file: their paths have characters that version control and file systems spell in their own ways."""
    with gzip.GzipFile(PACKED, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(each for each in root.rglob("*") if each.is_file() and each.suffix != ".crc"):
            content = path.read_bytes()
            entry = tarfile.TarInfo(str(path.relative_to(root)))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def main() -> None:
    """Make all tables."""
    # PySpark makes datetimes of this process's zone.
    os.environ["TZ"] = "UTC"
    time.tzset()
    with TemporaryDirectory() as scratch:
        spark = (
            SparkSession.builder.master("local[1]")
            .config("spark.jars", sys.argv[1])
            .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
            .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.databricks.delta.snapshotPartitions", "1")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.warehouse.dir", f"{scratch}/warehouse")
            .config("spark.driver.extraJavaOptions", f"-Duser.timezone=UTC -Dderby.system.home={scratch}/derby")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        tables, wanted = Path(scratch, "tables"), sys.argv[2:]
        tables.mkdir()
        if wanted:
            with tarfile.open(PACKED) as archive:
                archive.extractall(tables, filter="data")
        for name in wanted or recipes():
            shutil.rmtree(tables / name, ignore_errors=True)
            make(spark, name, recipes()[name], tables / name)
        pack(tables)


if __name__ == "__main__":
    main()

"""Only files that may hold a key of the batch are asked for it."""

from __future__ import annotations

from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.medallion.contested import find
from lakehouse_platform.medallion.silver_batch import open_batch
from lakehouse_platform_tests.properties.projects import column, load, source, table
from lakehouse_platform_tests.properties.worlds import world

PROJECT = load(
    source("bronze/readings", "readings/*.jsonl"),
    table(
        "silver/readings",
        "SELECT at, at AS day, sensor, value FROM bronze.readings",
        [
            column("at", "TIMESTAMP", required=True, key=1),
            column("day", "DATE", required=True, partitioned=True),
            column("sensor", "STRING", required=True, key=2),
            column("value", "INT"),
        ],
        refresh="upsert",
        partitions={"grain": "day", "start": "2024-01-01"},
    ),
)


def reading(at: str) -> dict[str, object]:
    return {"at": at, "sensor": "a", "value": 1}


def test_a_row_without_a_required_part_of_its_key_makes_no_file_one_to_read() -> None:
    with world(PROJECT) as plant:
        plant.land("readings/1.jsonl", [reading(f"2024-01-0{day}T00:00:00Z") for day in range(1, 6)])
        plant.run("bronze/readings", "silver/readings")
        plant.land("readings/2.jsonl", [reading("2024-01-05T00:00:00Z"), reading("tomorrow")])
        plant.run("bronze/readings")
        target, bronze = plant.lakehouse.snapshot("silver/readings"), plant.lakehouse.snapshot("bronze/readings")
        assert target is not None
        assert bronze is not None
        with plant.lakehouse.session() as session:
            batch = open_batch(plant.lakehouse, session, PROJECT.tables["silver/readings"])
            session.view("rows", f"SELECT * FROM ({snapshot_scan(bronze)}) WHERE source_file = 'readings/2.jsonl'")
            found = find(session, batch, "rows", target, target.files)
    assert [file.partition_values["day"] for file in found.files] == ["2024-01-05"]
    assert found.rows == 1

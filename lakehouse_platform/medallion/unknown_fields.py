"""Counts the records with fields that nobody knows, for tables that warn of them. Not here: tables that reject them (quality/reasons.py)."""

from __future__ import annotations

from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.ingest.decode import decoded
from lakehouse_platform.medallion.silver_batch import SilverBatch
from lakehouse_platform.quality.reasons import UNKNOWN_FIELDS

_NAMES_COUNTED = 20


def unknown_field_counts(session: Session, batch: SilverBatch) -> dict[str, int]:
    """How many decoded records of view `bronze_rows` hold unknown fields, and how many each of the most frequent (`unknown_fields.<name>`)."""
    if batch.table.attributes.unknown_fields != "warn":
        return {}
    records = decoded(batch.source, "bronze_rows", (), {}, batch.known_fields)
    grouped = f"SELECT _unknown_fields AS names, count(*) AS records FROM ({records}) WHERE len(_unknown_fields) > 0 GROUP BY ALL"
    session.table("unknown_fields", grouped)
    (total,) = session.row("SELECT CAST(coalesce(sum(records), 0) AS BIGINT) FROM unknown_fields")
    each = "SELECT unnest(names) AS name, records FROM unknown_fields"
    named = session.rows(f"SELECT name, CAST(sum(records) AS BIGINT) FROM ({each}) GROUP BY name ORDER BY 2 DESC, 1 LIMIT {_NAMES_COUNTED}")
    return {UNKNOWN_FIELDS: total} | {f"{UNKNOWN_FIELDS}.{name}": count for name, count in named}

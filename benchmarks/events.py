"""Generates activity events as JSON lines, fast and the same each time, with the dirt that real ones have. Not here: measuring."""

from __future__ import annotations

from pathlib import Path

import duckdb

# Of each thousand events some come twice (with a later arrival) and one has no time that can be read.
_REPEATED_IN, _BROKEN_IN = 200, 1_000


def write_events(folder: Path, rows: int, *, files: int = 4, months: int = 12) -> None:
    """Write `rows` events over some months into files that sort in order of arrival; nothing is done where they are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    per_file = rows // files
    for number in range(files):
        path = folder / f"events-{number:03}.jsonl"
        if path.exists():
            continue
        event = (
            f"CASE WHEN i % {_REPEATED_IN} = 7 THEN i - 3 ELSE i END AS e",
            "hash(i * 7919) AS h",
        )
        numbered = f"SELECT i, {', '.join(event)} FROM range({number * per_file}, {(number + 1) * per_file}) AS t(i)"
        seconds = f"(e * {months} * 2592000) // {rows}"
        moment = f"TIMESTAMPTZ '2023-01-01 00:00:00+00' + to_seconds({seconds})"
        broken = f"CASE WHEN i % {_BROKEN_IN} = 11 THEN 'yesterday' ELSE strftime({moment}, '%Y-%m-%dT%H:%M:%S+00:00') END"
        fields = (
            "event_id := printf('%012x:%d', hash(e) >> 16, e)",
            "sha := md5(e::VARCHAR)",
            "repo := 'project-' || (h % 40)",
            "author := printf('%016x', hash(h % 20000))",
            f"event_ts := {broken}",
            f"ingest_ts := strftime({moment} + to_seconds(i % 86400), '%Y-%m-%dT%H:%M:%S+00:00')",
            "op := ['c','u','d','r'][1 + (h % 4)::INT]",
            "path := 'src/module_' || (h % 900) || '/file_' || (h % 13) || '.py'",
        )
        copied = f"SELECT to_json(struct_pack({', '.join(fields)}))::VARCHAR AS line FROM ({numbered})"
        part = path.with_suffix(".part")
        connection.execute(f"COPY ({copied}) TO '{part}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')")
        part.rename(path)

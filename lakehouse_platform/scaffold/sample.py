"""A sample of a source's records, read as the source itself would be: a file of the user's, or what has landed already.

Not here: what the fields hold (profile.py).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.ingest.bronze_columns import FILE_COLUMNS
from lakehouse_platform.ingest.content import PACKED, chunks, opened
from lakehouse_platform.ingest.decode import decoded
from lakehouse_platform.ingest.landed import LandedFile, landed_files
from lakehouse_platform.ingest.ledger import whole
from lakehouse_platform.ingest.one_piece import refuse_broken
from lakehouse_platform.ingest.records import RecordStream
from lakehouse_platform.ingest.source import Source, SourceAttributes
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.problems import LakehouseError

# Enough to see types, keys and rare values; the first so many records in the order of the source.
RECORDS = 200_000
ROWS = "sample_rows"
_ENVELOPE = {"op", "ts_ms", "after"}
_OTHER_SEPARATORS = {"semicolon": ";", "tab": "\t"}
_FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Sample:
    """Decoded records under the name `ROWS`: `fields` are text columns there, `broken` the records that could not be decoded.

    `origin` says where they come from; `unreachable` are fields that a query cannot name, since bronze has a column of that name,
    `repeated` those that a header names more than once.
    """

    source: Source
    origin: str
    fields: tuple[str, ...]
    records: int
    broken: int
    unreachable: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()


def file_attributes(path: Path, table: str) -> dict[str, Any]:
    """The attributes of a source that takes files like this one. Raises LakehouseError for a kind of file that no source reads."""
    packed = path.suffix if path.suffix in PACKED else ""
    suffix = Path(path.name.removesuffix(packed)).suffix.lower()
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise LakehouseError(
            f"{path}: files that end in {suffix or 'nothing'} are not read. Mend: give a file that ends in one of {known}, also with .gz"
        )
    name = table.split("/")[1]
    kind = "documents" if suffix == ".json" and not _has_records_by_line(path) else _FORMATS[suffix]
    return {"table": table, "files": {"path": f"{name}/*{suffix}{packed}", "format": kind}}


def _has_records_by_line(path: Path) -> bool:
    """Whether the first line that is not blank is a JSON object of its own."""
    with opened(LandedFile(path, path.name)) as stream:
        start = next(chunks(stream), b"").decode("utf-8-sig", "replace").lstrip()
    try:
        return isinstance(json.loads(start.partition("\n")[0]), dict)
    except ValueError:
        return False


def sample_file(session: Session, path: Path, table: str) -> Sample:
    """Read a file as a source of its kind would. Raises LakehouseError where there is nothing to see in it."""
    attributes = file_attributes(path, table)
    file = LandedFile(path, path.name)
    _keep(session, Source(SourceAttributes.model_validate(attributes), path.parent), [file])
    if session.row("SELECT count(*) FROM sample_records WHERE raw_bytes IS NOT NULL")[0]:
        attributes["files"]["encoding"] = "cp1252"
        _keep(session, Source(SourceAttributes.model_validate(attributes), path.parent), [file])
    if attributes["files"]["format"] in ("json", "documents") and set(_keys(session)) >= _ENVELOPE:
        attributes["changes"] = "plain"
    return _decoded(session, Source(SourceAttributes.model_validate(attributes), path.parent), str(path))


def sample_source(lakehouse: Lakehouse, session: Session, name: str) -> Sample:
    """Read what has been ingested of a source, or what lies in its landing folder. Raises LakehouseError where there is nothing yet."""
    source = lakehouse.project.sources[name]
    snapshot = lakehouse.snapshot(name)
    if snapshot is not None and snapshot.rows:
        session.table("sample_records", f"SELECT * FROM ({snapshot_scan(snapshot)}) LIMIT {RECORDS}")
        return _decoded(session, source, f"{name} at version {snapshot.version}")
    files = landed_files(lakehouse.settings.landing, source)
    if not files:
        pattern = lakehouse.settings.landing / source.attributes.files.path
        raise LakehouseError(f"{name} has no records yet to look at. Mend: put a file where {pattern} finds it, or give one with --from FILE")
    _keep(session, source, files)
    return _decoded(session, source, f"{len(files)} landed files of {name}")


def _keep(session: Session, source: Source, files: Sequence[LandedFile]) -> None:
    for file in files:
        refuse_broken(file, source)
    stream = RecordStream(source, [whole(file) for file in files])
    session.feed("sample_stream", stream.reader())
    missing = [
        field for field in FILE_COLUMNS if field.name not in {"raw_data", "raw_bytes", "source_row", "source_header", "source_file", "content_hash"}
    ]
    nulls = "".join(f", NULL AS {quote(field.name)}" for field in missing)
    session.table("sample_records", f"SELECT *{nulls} FROM sample_stream LIMIT {RECORDS}")
    session.drop("sample_stream")


def _decoded(session: Session, source: Source, origin: str) -> Sample:
    (landed,) = session.row("SELECT count(*) FROM sample_records")
    headers = _headers(session, origin) if landed and source.attributes.files.format == "csv" else []
    found = _fields(session, source, headers) if landed else []
    taken = {field.name for field in FILE_COLUMNS}
    fields = tuple(field for field in found if field not in taken)
    if not fields:
        what = "no fields in its records" if landed else "no records in it"
        raise LakehouseError(f"{origin}: there are {what}. Mend: give a sample with some, under a header or as JSON objects")
    inner = [field for field in fields if field not in source.path_columns]
    listed = ", ".join(map(quote, fields))
    session.table("sample_decoded", f"SELECT * FROM ({decoded(source, 'sample_records', inner, {})})")
    session.table(ROWS, f"SELECT {listed} FROM sample_decoded WHERE _decode_failure IS NULL")
    records, broken = session.row("SELECT count(*), count(_decode_failure) FROM sample_decoded")
    if records == broken:
        raise LakehouseError(f"{origin}: none of its {records} records could be read. Mend: give a sample with records in it")
    repeated = tuple(name for name in fields if any(header.count(name) > 1 for header in headers))
    return Sample(source, origin, fields, records, broken, tuple(field for field in found if field in taken), repeated)


def _headers(session: Session, origin: str) -> list[list[str]]:
    """The names in each header. Raises LakehouseError for what is no header of names with commas between them."""
    found = session.rows("SELECT source_header FROM sample_records GROUP BY 1 ORDER BY min(source_row)")
    headers = [_names(header, origin) for (header,) in found if header]
    for names in headers:
        other = next((name for name, character in _OTHER_SEPARATORS.items() if len(names) == 1 and character in names[0]), None)
        if other is not None:
            what = f"its header is one name, {names[0][:80]!r}; only a comma separates fields, a {other} does not"
            raise LakehouseError(f"{origin}: {what}. Mend: save it with commas; a field that holds one stands in quotes")
    return headers


def _names(header: str, origin: str) -> list[str]:
    try:
        return next(csv.reader([header]), [])
    except csv.Error as error:
        mend = (
            "save the file with lines that end in LF or CRLF, not in CR alone"
            if "\r" in header
            else f"begin the file with a header record, whose names have at most {csv.field_size_limit():,} characters"
        )
        raise LakehouseError(f"{origin}: its header, {header[:80]!r}, is no list of names. Mend: {mend}") from error


def _fields(session: Session, source: Source, headers: Sequence[Sequence[str]]) -> list[str]:
    if source.attributes.has_events:
        names = _keys(session, "/after") or _keys(session, "/before")
    elif source.attributes.files.format == "csv":
        names = [name for header in headers for name in header]
    else:
        names = _keys(session)
    return list(dict.fromkeys([*source.path_columns, *(name for name in names if name)]))


def _keys(session: Session, pointer: str = "") -> list[str]:
    """The keys of the JSON objects at a place, in the order in which they first stand."""
    place = f"json_extract(raw_data, {literal(pointer)})" if pointer else "raw_data"
    keys = f"CASE WHEN json_valid(raw_data) THEN CASE WHEN json_type({place}) = 'OBJECT' THEN json_keys({place}) END END"
    records = f"SELECT row_number() OVER () AS record, {keys} AS keys FROM sample_records"
    positions = f"SELECT record, unnest(keys) AS name, generate_subscripts(keys, 1) AS position FROM ({records})"
    return [name for (name,) in session.rows(f"SELECT name FROM ({positions}) GROUP BY name ORDER BY min(record), min(position)")]

"""Which files an upsert must rewrite: those in which a row goes or differs from the source's. Not here: rewriting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakehouse_platform.delta.files import DataFile
from lakehouse_platform.engine.scan import snapshot_scan
from lakehouse_platform.engine.spelling import quote
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.writes.merge import HELD, Upsert
from lakehouse_platform.writes.rewriting import grouped

# In an upsert that changes anything, a few rows tell it of most files; smaller files are compared together, as each costs a query of its own.
_SAMPLED_ROWS, _SAMPLED_FILE_BYTES = 64, 16_000_000
_SAMPLE = "_upsert_sample"


def touched_files(upsert: Upsert, files: Sequence[DataFile], held: Mapping[int, int]) -> list[int]:
    """The numbers of the files to rewrite, of files in which so many rows, by number, have a key of the source."""
    where_gone = (
        "_upsert_deleted" if not upsert.merge.update else f"_upsert_deleted OR _upsert_row IN (SELECT _upsert_row FROM {HELD} WHERE NOT is_home)"
    )
    touched = {number for (number,) in upsert.session.rows(f"SELECT DISTINCT file FROM {HELD} WHERE {where_gone}")}
    if upsert.merge.delete_missing:
        touched |= {number for number, file in enumerate(files) if held.get(number, 0) < rows_of_file(file)}
    if upsert.merge.update:
        touched |= _differing(upsert, files, [number for number in sorted(held) if number not in touched])
    return sorted(touched)


def rows_of_file(file: DataFile) -> int:
    """How many rows a file has. Raises LakehouseError where the log does not say."""
    if file.rows is None:
        raise LakehouseError(f"{file.uri}: the log says not how many rows it has; write the table anew")
    return file.rows


def _differing(upsert: Upsert, files: Sequence[DataFile], numbers: Sequence[int]) -> set[int]:
    others = [field.name for field in upsert.target.columns if field.name not in upsert.merge.key]
    if not others:
        return set()
    differs = " OR ".join(f"stored.{quote(name)} IS DISTINCT FROM source.{quote(name)}" for name in others)
    large = [number for number in numbers if files[number].size_bytes >= _SAMPLED_FILE_BYTES]
    found = _differing_in_samples(upsert, files, large, differs) if large else set()
    by_path = {files[number].path: number for number in numbers if number not in found}
    for group in grouped([files[number] for number in by_path.values()]):
        found |= _found_differing(upsert, group, [by_path[file.path] for file in group], differs)
    return found


def _differing_in_samples(upsert: Upsert, files: Sequence[DataFile], numbers: Sequence[int], differs: str) -> set[int]:
    """Of some files, those with a row that differs among the first of the source's rows that they hold."""
    place = "row_number() OVER (PARTITION BY file ORDER BY _upsert_row)"
    first = f"SELECT _upsert_row, file FROM {HELD} WHERE file IN ({', '.join(map(str, numbers))}) QUALIFY {place} <= {_SAMPLED_ROWS}"
    joined = f"({upsert.source}) AS source JOIN ({first}) AS first_rows USING (_upsert_row)"
    upsert.session.table(_SAMPLE, f"SELECT source.*, first_rows.file AS _upsert_file FROM {joined}")
    found = set()
    for number in numbers:
        stored, those = snapshot_scan(upsert.target, [files[number]]), f"(SELECT * FROM {_SAMPLE} WHERE _upsert_file = {number}) AS source"
        if upsert.session.rows(f"SELECT 1 FROM ({stored}) AS stored JOIN {those} ON {upsert.same_key} WHERE {differs} LIMIT 1"):
            found.add(number)
    upsert.session.drop(_SAMPLE)
    return found


def _found_differing(upsert: Upsert, files: Sequence[DataFile], numbers: Sequence[int], differs: str) -> set[int]:
    """Of some files, those with a row that differs."""
    listed = ", ".join(map(str, numbers))
    those = f"SELECT * FROM ({upsert.source}) WHERE _upsert_row IN (SELECT _upsert_row FROM {HELD} WHERE file IN ({listed}))"
    stored = snapshot_scan(upsert.target, files, with_file=True)
    uris = {
        uri
        for (uri,) in upsert.session.rows(
            f"SELECT DISTINCT stored._file FROM ({stored}) AS stored JOIN ({those}) AS source ON {upsert.same_key} WHERE {differs}"
        )
    }
    return {number for number, file in zip(numbers, files, strict=True) if file.uri in uris}

"""The SQL that reads a snapshot's files as a typed relation. Not here: which files to read (delta/prune.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import unquote

from lakehouse_platform.delta.files import DataFile, Field, Snapshot, WrittenFile
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_Values = tuple[tuple[str, str | None], ...]


def snapshot_scan(snapshot: Snapshot, files: Sequence[DataFile] | None = None, *, with_file: bool = False) -> str:
    """SQL of a snapshot's rows, or of the rows of some of its files."""
    return scan(snapshot.columns, snapshot.partition_columns, snapshot.files if files is None else files, with_file=with_file)


def scan(columns: Sequence[Field], partition_columns: Collection[str], files: Sequence[DataFile], *, with_file: bool = False) -> str:
    """SQL of a relation with exactly these columns, typed, over these files.

    `with_file` adds `_file`, a file's `uri`, and `_file_row`, a row's number in it from 0.
    """
    if not files:
        return _select(columns, {field.name: "NULL" for field in columns}, ("NULL::VARCHAR", "NULL::BIGINT") if with_file else None) + " WHERE false"
    spelled, groups = _by_partition_values(columns, partition_columns, files)
    position = ("filename", "file_row_number") if with_file else None
    # Partition values come from the path where it spells them: then one reader serves all files and DuckDB prunes by them.
    parts = [_select(columns, {}, position, _reader(spelled, _hive_options(columns, partition_columns)))] if spelled else []
    for values, uris in groups.items():
        literals = {name: literal(value) for name, value in values}
        parts.append(_select(columns, literals, position, _reader(uris, "hive_partitioning = false")))
    return " UNION ALL ".join(parts)


def written_as_files(location: str, written: Iterable[WrittenFile]) -> tuple[DataFile, ...]:
    """Files just written, as a reader takes them before they are committed."""
    return tuple(DataFile(file.path, f"{location}/{file.path}", file.partition_values, file.size_bytes, file.rows) for file in written)


def _select(columns: Sequence[Field], literals: Mapping[str, str], position: tuple[str, str] | None, reader: str | None = None) -> str:
    outputs = [f"CAST({literals.get(field.name, quote(field.name))} AS {duckdb_type(field.type)}) AS {quote(field.name)}" for field in columns]
    if position is not None:
        outputs += [f"{position[0]} AS _file", f"{position[1]} AS _file_row"]
    return f"SELECT {', '.join(outputs)}" + (f" FROM {reader}" if reader else "")


def _reader(uris: Sequence[str], options: str) -> str:
    return f"read_parquet([{', '.join(literal(uri) for uri in uris)}], {options})"


def _hive_options(columns: Sequence[Field], partition_columns: Collection[str]) -> str:
    if not partition_columns:
        return "hive_partitioning = false"
    types = {field.name: duckdb_type(field.type) for field in columns if field.name in partition_columns}
    pairs = ", ".join(f"{quote(name)}: {spelling}" for name, spelling in types.items())
    return f"hive_partitioning = true, hive_types = {{{pairs}}}"


def _by_partition_values(
    columns: Sequence[Field], partition_columns: Collection[str], files: Sequence[DataFile]
) -> tuple[list[str], dict[_Values, list[str]]]:
    """Files whose path spells their partition values, and the others by their values."""
    names = {field.name for field in columns}
    spelled: list[str] = []
    groups: dict[_Values, list[str]] = {}
    for file in files:
        values = tuple((name, file.partition_values.get(name)) for name in partition_columns)
        if not partition_columns or _spelled_values(file.uri, names) == values:
            spelled.append(file.uri)
        else:
            groups.setdefault(values, []).append(file.uri)
    return spelled, groups


def _spelled_values(uri: str, names: Collection[str]) -> _Values:
    """The `column=value` folders of a path, as a reader of hive paths takes them."""
    pairs = [folder.split("=", 1) for folder in uri.split("/")[:-1] if "=" in folder]
    return tuple((name, None if text == _NULL_PARTITION else unquote(text)) for name, text in pairs if name in names)

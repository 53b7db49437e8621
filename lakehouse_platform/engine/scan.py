"""The SQL that reads a snapshot's files as a typed relation. Not here: which files to read (delta/prune.py), deleted rows (foreign.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import unquote

from lakehouse_platform.contracts.types import BINARY, ColumnType
from lakehouse_platform.delta.files import DataFile, Field, Snapshot, WrittenFile
from lakehouse_platform.engine.marks import columns_mark, has_mark
from lakehouse_platform.engine.spelling import duckdb_type, literal, quote
from lakehouse_platform.engine.stored_values import value_of
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.storage.stored import is_remote

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
# What a reader adds to the columns of a file: its name and the number of the row.
_FILE, _ROW = "_file", "file_row_number"
_POSITION = ("_file", "_file_row")
_Values = tuple[tuple[str, str | None], ...]


def snapshot_scan(snapshot: Snapshot, files: Sequence[DataFile] | None = None, *, with_file: bool = False) -> str:
    """SQL of a snapshot's rows, or of the rows of some of its files."""
    chosen = snapshot.files if files is None else files
    return scan(snapshot.columns, snapshot.partition_columns, chosen, with_file=with_file, stored=snapshot.stored_columns)


def scan(
    columns: Sequence[Field],
    partition_columns: Collection[str],
    files: Sequence[DataFile],
    *,
    with_file: bool = False,
    stored: Sequence[Field] = (),
) -> str:
    """SQL of a relation with exactly these columns, typed, over these files. A file that lacks a column, or a part of one, has nulls there.

    `with_file` adds `_file`, a file's `uri`, and `_file_row`, a row's number in it from 0. `stored` are the columns in the same order as the
    files spell them, where that is otherwise.
    """
    if with_file:
        _refuse_taken(columns)
    if not files:
        return _select(columns, {field.name: "NULL" for field in columns}, ("NULL::VARCHAR", "NULL::BIGINT") if with_file else None) + " WHERE false"
    spelled, groups = _by_partition_values(columns, partition_columns, files)
    position = (_FILE, _ROW) if with_file else None
    data = [(field, under) for field, under in zip(columns, stored or columns, strict=True) if field.name not in partition_columns]
    values = {field.name: value_of(quote(_read_as(under.name)), under.type, field.type) for field, under in data}
    schema = [under for _, under in data]
    # Partition values come from the path where it spells them: then one reader serves all files and DuckDB prunes by them.
    from_path = {name: _from_path(name) for name in partition_columns}
    parts = [_select(columns, values | from_path, position, reader) for reader in _readers(spelled, schema)]
    types = {field.name: field.type for field in columns}
    for texts, uris in groups.items():
        literals = {name: partition_value(text, types[name]) for name, text in texts}
        parts += [_select(columns, values | literals, position, reader) for reader in _readers(uris, schema)]
    return " UNION ALL ".join(parts)


def written_as_files(location: str, written: Iterable[WrittenFile]) -> tuple[DataFile, ...]:
    """Files just written, as a reader takes them before they are committed."""
    return tuple(DataFile(file.path, f"{location}/{file.path}", file.partition_values, file.size_bytes, file.rows) for file in written)


def partition_value(text: str | None, column_type: ColumnType) -> str:
    """SQL of a partition value that the log spells so; the caller casts it to the column's type."""
    # The log has the bytes of a binary value as text, which a cast would read as escapes.
    return f"encode({literal(text)})" if text is not None and column_type == BINARY else literal(text)


def _select(columns: Sequence[Field], values: Mapping[str, str], position: tuple[str, str] | None, reader: str | None = None) -> str:
    outputs = [f"CAST({values[field.name]} AS {duckdb_type(field.type)}) AS {quote(field.name)}" for field in columns]
    if position is not None:
        outputs += [f"{position[0]} AS _file", f"{position[1]} AS _file_row"]
    return f"SELECT {', '.join(outputs)}" + (f" FROM {reader}" if reader else "")


def _readers(uris: Sequence[str], stored: Sequence[Field]) -> list[str]:
    """SQL of the readers of files: one for those whose names tell that they have exactly these columns, one for all others."""
    mark = columns_mark({field.name: field.type for field in stored})
    is_plain = all(_read_as(field.name) == field.name for field in stored)
    marked = [uri for uri in uris if is_plain and has_mark(uri, mark)]
    others = [uri for uri in uris if not (is_plain and has_mark(uri, mark))]
    return [*([_reader(marked, ())] if marked else []), *([_reader(others, stored)] if others else [])]


def _reader(uris: Sequence[str], stored: Sequence[Field]) -> str:
    """SQL of a reader of the `stored` columns, which the files have or once had: by name, whatever the first file looks like.

    Without any, of whatever all files have. The file's name must be a column of the reader: DuckDB leaves out files by what is computed from that,
    not by its hidden column.
    """
    columns = ", ".join(
        f"{literal(field.name)}: {{'name': {literal(_read_as(field.name))}, 'type': {literal(duckdb_type(field.type))}, 'default_value': NULL}}"
        for field in stored
    )
    schema = f", schema = MAP {{{columns}}}" if stored else ""
    return f"read_parquet([{', '.join(literal(_unglobbed(uri)) for uri in uris)}], hive_partitioning = false, filename = '{_FILE}'{schema})"


def _refuse_taken(columns: Sequence[Field]) -> None:
    # With two columns of one name DuckDB takes the first, so that a delete by file would find none and take nothing away.
    if taken := [field.name for field in columns if field.name.lower() in _POSITION]:
        raise LakehouseError(f"column {taken[0]!r} has the name by which a row's place in the table's files is known; rename it to change the table")


def _read_as(name: str) -> str:
    """What the reader calls a column: its name, unless the reader itself has one of that name."""
    return f"{name} of the file" if name.lower() in (_FILE, _ROW) else name


def _unglobbed(uri: str) -> str:
    """A path that DuckDB takes for one file also where its name has the characters of a pattern."""
    return uri if is_remote(uri) else "".join(f"[{character}]" if character in "*?[" else character for character in uri)


def _from_path(column: str) -> str:
    """SQL of a partition value, out of the name of a file whose path spells it."""
    folder = f"split_part(split_part({_FILE}, {literal(f'/{column}=')}, 2), '/', 1)"
    return f"url_decode(nullif({folder}, '{_NULL_PARTITION}'))"


def _by_partition_values(
    columns: Sequence[Field], partition_columns: Collection[str], files: Sequence[DataFile]
) -> tuple[list[str], dict[_Values, list[str]]]:
    """Files whose path spells their partition values, and the others by their values."""
    names = {field.name for field in columns}
    is_plain = not any(field.type == BINARY for field in columns if field.name in partition_columns)
    spelled: list[str] = []
    groups: dict[_Values, list[str]] = {}
    for file in files:
        values = tuple((name, file.partition_values.get(name)) for name in partition_columns)
        if not partition_columns or (is_plain and _spelled_values(file.uri, names) == values):
            spelled.append(file.uri)
        else:
            groups.setdefault(values, []).append(file.uri)
    return spelled, groups


def _spelled_values(uri: str, names: Collection[str]) -> _Values:
    """The `column=value` folders of a path, as a reader of hive paths takes them."""
    pairs = [folder.split("=", 1) for folder in uri.split("/")[:-1] if "=" in folder]
    return tuple((name, None if text == _NULL_PARTITION else unquote(text)) for name, text in pairs if name in names)

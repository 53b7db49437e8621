"""What a table demands of its writers, and which of it the platform can hold. Not here: checking rows (the writers do, in DuckDB)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lakehouse_platform.delta.files import DataFile, Snapshot, WrittenFile
from lakehouse_platform.problems import LakehouseError

# What a commit of ours keeps. delta-rs takes commits to tables with these, and holds none of them but appendOnly; it refuses the rest itself.
_HELD = {
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    "columnMapping",  # as long as its mode is none
    "deletionVectors",  # as long as no removed file has one
    "generatedColumns",
    "invariants",
    "timestampNtz",
    "v2Checkpoint",  # classic checkpoints stay allowed
}
# Before features were named, a version of the protocol stood for all up to it. Version 6 brought identity columns.
_VERSIONS_WITHOUT_IDENTITY, _VERSION_OF_NAMED_FEATURES = 5, 7
# Switches that are on or off without a duty for who writes rows; any other delta.enable… that is on names a duty that nobody here knows.
_HARMLESS_SWITCHES = {
    "delta.enableChangeDataFeed",
    "delta.enableDeletionVectors",
    "delta.enableExpiredLogCleanup",
    "delta.enableFullRetentionRollback",
}
_CONSTRAINT, _INVARIANT, _GENERATION, _IDENTITY = "delta.constraints.", "delta.invariants", "delta.generationExpression", "delta.identity."
_IN_COLUMNS = (_INVARIANT, _GENERATION, _IDENTITY)
_NARROW = re.compile(r'"(?:type|elementType|keyType|valueType)":"(byte|short|float)"')

_NEVER_NULL = re.compile(r'"(?:nullable|containsNull|valueContainsNull)":\s?false')


@dataclass(frozen=True)
class Obligations:
    """What a table demands. `conditions` are Spark SQL by name; every row that is added must make each of them TRUE, which null is not.

    `feeds_changes`: readers take a commit's removed files for deleted rows and its added ones for new rows.
    """

    append_only: bool = False
    feeds_changes: bool = False
    conditions: Mapping[str, str] = field(default_factory=dict)


def obligations_of(snapshot: Snapshot) -> Obligations:
    """What the table demands of whoever commits to it. Raises LakehouseError, by name, for what the platform cannot hold."""
    given = snapshot.configuration
    _refuse_features(snapshot)
    for name, value in given.items():
        if name.startswith("delta.enable") and value.lower() == "true" and name not in _HARMLESS_SWITCHES:
            raise _not_held(snapshot, f"the property {name}")
    constraints = {f"constraint {name.removeprefix(_CONSTRAINT)}": text for name, text in given.items() if name.startswith(_CONSTRAINT)}
    return Obligations(
        append_only=given.get("delta.appendOnly", "").lower() == "true",
        feeds_changes=given.get("delta.enableChangeDataFeed", "").lower() == "true",
        conditions={**constraints, **_conditions_of_columns(snapshot)},
    )


def refuse_breaches(
    snapshot: Snapshot,
    added: Collection[WrittenFile],
    removed: Collection[DataFile],
    *,
    data_change: bool,
    checked: Mapping[str, str],
    replaces: bool,
) -> None:
    """Raise LakehouseError where a commit breaks what the table demands.

    `checked`: the conditions that every added row was found to keep; `replaces`: whole partitions go and come, and no row of them is copied.
    """
    demanded = obligations_of(snapshot)
    _refuse_deletion_vectors(snapshot, removed)
    if added:
        _refuse_narrow(snapshot)
        if data_change:
            _refuse_parts_without_null(snapshot)
    if not data_change:
        return
    if removed and demanded.append_only:
        raise LakehouseError(
            f"{snapshot.location} is append-only (delta.appendOnly): this commit would remove {len(removed)} of its files; nothing was committed. "
            "Mend: append, or lift the property in a commit of its own where retention or erasure demands it"
        )
    if added and removed and demanded.feeds_changes and not replaces:
        raise LakehouseError(
            f"{snapshot.location} feeds changes (delta.enableChangeDataFeed): a commit that rewrites files would tell its readers of rows deleted "
            "and inserted that are as they were; nothing was committed. Mend: replace whole partitions, write with an engine that makes change "
            "files, or set the property to false"
        )
    for name, condition in demanded.conditions.items():
        if added and checked.get(name) != condition:
            raise LakehouseError(
                f"{snapshot.location} demands {name} of every row ({condition}), and this writer does not check it; nothing was committed. "
                "Mend: write to it by append, upsert or another of the functions that check rows, or drop it from the table"
            )


def refuse_forgetting(snapshot: Snapshot) -> None:
    """Raise LakehouseError where a commit of other columns would take away what the present ones demand: it stands in their metadata."""
    if demanded := _conditions_of_columns(snapshot):
        raise _not_held(snapshot, f"{', '.join(demanded)}, which other columns would make it forget")


def _refuse_features(snapshot: Snapshot) -> None:
    protocol = snapshot.handle.protocol()
    version = protocol.min_writer_version
    if version > _VERSION_OF_NAMED_FEATURES:
        raise _not_held(snapshot, f"version {version} of Delta's writer protocol")
    if _VERSIONS_WITHOUT_IDENTITY < version < _VERSION_OF_NAMED_FEATURES:
        raise _not_held(snapshot, f"version {version} of Delta's writer protocol (identity columns)")
    # A feature may be spelt only among the readers'.
    used = {*(protocol.writer_features or ()), *(protocol.reader_features or ())} - _HELD
    if used:
        raise _not_held(snapshot, f"the feature {', '.join(sorted(used))}")
    mode = snapshot.configuration.get("delta.columnMapping.mode", "none")
    if mode != "none":
        raise _not_held(snapshot, f"column mapping by {mode} (delta.columnMapping.mode)")


def _conditions_of_columns(snapshot: Snapshot) -> Mapping[str, str]:
    text = snapshot.handle.schema().to_json()
    # Most tables have none, and the text is had 50 times faster than the columns' metadata.
    if not any(name in text for name in _IN_COLUMNS):
        return {}
    return dict(condition for column in json.loads(text)["fields"] for condition in _conditions_of(snapshot, column))


def _conditions_of(snapshot: Snapshot, column: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name, metadata = column["name"], column["metadata"]
    if any(part in json.dumps(column["type"]) for part in _IN_COLUMNS):
        raise _not_held(snapshot, f"a condition inside the nested column {name!r}")
    if any(key.startswith(_IDENTITY) for key in metadata):
        raise _not_held(snapshot, f"the identity column {name!r}")
    if _INVARIANT in metadata:
        yield f"invariant of column {name}", json.loads(metadata[_INVARIANT])["expression"]["expression"]
    if _GENERATION in metadata:
        quoted = name.replace("`", "``")
        yield f"generated column {name}", f"`{quoted}` <=> ({metadata[_GENERATION]})"


def _refuse_narrow(snapshot: Snapshot) -> None:
    """The platform reads smaller types as the next larger one, and would write that: readers of the table would fail at such a file."""
    if (found := _NARROW.search(snapshot.handle.schema().to_json())) is not None:
        raise _not_held(snapshot, f"columns of the type {found[1]}")


def _refuse_parts_without_null(snapshot: Snapshot) -> None:
    """Nobody here looks for nulls inside of values, and readers fail at a file that has one where the table says that there is none."""
    text = snapshot.handle.schema().to_json()
    if _NEVER_NULL.search(text) is None:
        return
    for column in json.loads(text)["fields"]:
        if _NEVER_NULL.search(json.dumps(column["type"])):
            raise _not_held(snapshot, f"a part of column {column['name']!r} that may not be null")


def _refuse_deletion_vectors(snapshot: Snapshot, removed: Collection[DataFile]) -> None:
    if not removed or "deletionVectors" not in (snapshot.handle.protocol().writer_features or ()):
        return
    paths = {file.uri.rpartition("/")[2] for file in removed}
    vectors = snapshot.handle.deletion_vectors().read_all()
    holding = [path for path in vectors.column("filepath").to_pylist() if path.rpartition("/")[2] in paths]
    if holding:
        raise _not_held(snapshot, f"deletion vectors (of {holding[0]})")


def _not_held(snapshot: Snapshot, what: str) -> LakehouseError:
    return LakehouseError(
        f"{snapshot.location} uses {what}, which this writer cannot keep; nothing was committed. "
        "Mend: take it from the table with the engine that put it there, write with that engine, or copy the table into a plain one"
    )

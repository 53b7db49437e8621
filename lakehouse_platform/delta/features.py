"""Features by which a table's files mean something else: which are read, which refused. Not here: what they demand of writers (obligations.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deltalake import DeltaTable

from lakehouse_platform.problems import LakehouseError

COLUMN_MAPPING, DELETION_VECTORS = "columnMapping", "deletionVectors"
_CATALOGUE = "catalogManaged"
_MAPPING_MODE = "delta.columnMapping.mode"
# Of these, the files alone show all (types are widened as they are read), or what else it takes is read beside them.
_READ = {
    COLUMN_MAPPING,
    DELETION_VECTORS,
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",  # binds whoever removes files
}
# Features that delta-rs must know to decode deletion vectors.
_DECODED_BESIDE = {COLUMN_MAPPING, DELETION_VECTORS, "timestampNtz", "v2Checkpoint"}
_VERSION_OF_NAMED_FEATURES = 3
_UNSUPPORTED_FEATURE = re.compile(r"Feature '(\w+)' is not supported")
_FOR_EVER = ("Unsupported", "Invalid", "Failed to parse value")
_UNKNOWN = "which is not known here, so that its rows would be read wrong"


def refuse_unknown(table: DeltaTable, location: str, configuration: Mapping[str, str]) -> None:
    """Raise LakehouseError, by name, for what nobody here can read right."""
    protocol = table.protocol()
    if protocol.min_reader_version > _VERSION_OF_NAMED_FEATURES:
        raise LakehouseError(f"{location} is of version {protocol.min_reader_version} of Delta's reader protocol, which is not known here")
    features = set(protocol.reader_features or ())
    if features - _READ:
        raise _refused(location, features - _READ, _UNKNOWN)
    if DELETION_VECTORS in features and features - _DECODED_BESIDE:
        beside = ", ".join(sorted(features - _DECODED_BESIDE))
        raise _refused(location, {DELETION_VECTORS}, f"which cannot be decoded beside {beside}, so that deleted rows would be shown")
    if mapping_mode(configuration) not in ("none", "name", "id"):
        raise _refused(location, {COLUMN_MAPPING}, f"by {mapping_mode(configuration)!r}, which is not known here")


def refuse_unopened(location: str, error: Exception) -> None:
    """Raise LakehouseError where delta-rs did not open a table because of what it is, so that another try will not do either."""
    text = str(error)
    if "catalog-managed" in text:
        raise _refused(location, {_CATALOGUE}, "whose newest commits its catalogue alone knows") from error
    if match := _UNSUPPORTED_FEATURE.search(text):
        raise _refused(location, {match[1]}, _UNKNOWN) from error
    if any(f"Kernel error: {sign}" in text for sign in _FOR_EVER):
        raise LakehouseError(f"{location} cannot be read: {text}") from error


def refuse_hidden(location: str, features: set[str]) -> None:
    """Raise LakehouseError, by name, for what files alone do not show: the platform's own steps read files alone."""
    if features:
        raise _refused(location, features, "which its parquet files alone do not show; `lakehouse query` reads it, other steps do not")


def mapping_mode(configuration: Mapping[str, str]) -> str:
    """How the columns of the files are found: `none` (by the table's names), `name` or `id`."""
    return configuration.get(_MAPPING_MODE, "none")


def _refused(location: str, features: set[str], why: str) -> LakehouseError:
    names = sorted(features)
    return LakehouseError(
        f"{location} uses {', '.join(names)}, {why}. Mend: with the engine that made it, ALTER TABLE … DROP FEATURE {names[0]}, "
        "or copy the table into a plain one"
    )

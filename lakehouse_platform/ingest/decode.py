"""The SQL that decodes bronze records into their fields, and says of each record that cannot be decoded why not.

Belongs here: the choice of the format. Does not belong here: the formats (csv_fields.py, json_fields.py, change_fields.py), and types.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lakehouse_platform.contracts.types import ColumnType
from lakehouse_platform.engine.spelling import literal
from lakehouse_platform.ingest import change_fields, csv_fields, json_fields
from lakehouse_platform.ingest.source import Source


def decoded(source: Source, relation: str, fields: Sequence[str], decimals: Mapping[str, ColumnType], known: Collection[str] | None = None) -> str:
    """SQL of a bronze relation with these fields of its records beside the bronze columns.

    A field is its text, null where it is absent or null. Of JSON, a field in `decimals` is that DECIMAL, decoded without passing through a
    double, as `<field>__exact`; CSV text is exact as it is. `_decode_failure` names the rule that a record breaks, `_decode_error`
    says it in words; both are null for a record that could be decoded. Change events have `_operation` and `_change_timestamp` too.
    With `known` names, `_unknown_fields` are the others that a decoded record holds.
    """
    if source.attributes.has_events:
        rows, names = change_fields.decoded(relation, fields, decimals), change_fields.FIELD_NAMES
    elif source.attributes.files.holds_json:
        rows, names = json_fields.decoded(relation, fields, decimals), json_fields.FIELD_NAMES
    else:
        rows, names = csv_fields.decoded(relation, fields), csv_fields.FIELD_NAMES
    if known is None:
        return rows
    unknown = f"list_filter({names}, lambda name: NOT list_contains({literal(sorted(known))}::VARCHAR[], name))"
    return f"SELECT *, CASE WHEN _decode_failure IS NULL THEN {unknown} END AS _unknown_fields FROM ({rows})"


def missing_kind(source: Source, field: str) -> str:
    """SQL that tells, of a decoded row where a field is null, how so: 'missing', 'null' or 'empty'. Costly: only for rows turned away."""
    if source.attributes.has_events:
        return change_fields.missing_kind(field)
    return json_fields.missing_kind(f"/{json_fields.pointer(field)}") if source.attributes.files.holds_json else csv_fields.missing_kind(field)

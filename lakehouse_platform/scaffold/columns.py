"""The columns that a sample's fields are proposed to become, each with what was measured and what is left to decide. Not here: the documents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lakehouse_platform.contracts.types import BIGINT, BOOLEAN, INT, STRING, ColumnType, decimal
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.engine.spelling import literal, quote
from lakehouse_platform.ingest.json_fields import pointer
from lakehouse_platform.scaffold.naming import column_names, spelled
from lakehouse_platform.scaffold.profile import Profile, profiles
from lakehouse_platform.scaffold.sample import ROWS, Sample
from lakehouse_platform.tables.storage import SILVER_FILLED

# A text with so few values, each often enough, is a list of choices.
_MOST_CHOICES = 12
_TIMES_EACH = 5
_INT_DIGITS = 8
_NUMBERS = ("bigint", "decimal", "double")
# Combinations that are tried, and the share of records that a column named as a key must tell apart.
_PAIRS = 40
_NEARLY = 0.9
_KEY_NAME = re.compile(r"(^|_)(id|key|no|nr|number|code|uuid|guid|sku|ean|isbn)$")
_TIME_NAME = re.compile(r"(^|_)(date|day|time|timestamp|at|on|ts|when|created|ordered|placed|occurred)($|_)")
_CHANGE_NAME = re.compile(r"(^|_)(updated|modified|changed|version|revision)($|_)")


@dataclass(frozen=True)
class ProposedColumn:
    """A column: its name and type, the Spark SQL of its value, and what to say of it. `choices` are the values of one with few."""

    name: str
    profile: Profile
    type: ColumnType
    expression: str
    required: bool
    key_position: int | None = None
    partitioned: bool = False
    choices: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_time(self) -> bool:
        """Whether a table can be partitioned by it."""
        return self.type.name in ("date", "timestamp")

    @property
    def names_things(self) -> bool:
        """Whether its name says that it names the things that rows are about."""
        return _KEY_NAME.search(self.name) is not None

    @property
    def orders_changes(self) -> bool:
        """Whether its name says that a later value replaces an earlier one."""
        return _CHANGE_NAME.search(self.name) is not None


def propose_columns(session: Session, sample: Sample) -> list[ProposedColumn]:
    """A column for each field of a sample, with key and partition where the values suggest them."""
    attributes = sample.source.attributes
    # When a snapshot was taken is the platform's to know; in each of them, a key comes once.
    taken = (attributes.snapshot_time.name,) if attributes.snapshot_time is not None else ()
    fields = [field for field in sample.fields if field not in taken]
    names = column_names(fields, SILVER_FILLED)
    columns = [_column(names[profile.name], profile) for profile in profiles(session, fields)]
    if attributes.has_events:
        return _keyed(columns, _event_key(session, columns))
    columns = _keyed(columns, _unique_key(session, columns, taken))
    return columns if attributes.has_snapshots else _partitioned(columns)


def _column(name: str, profile: Profile) -> ProposedColumn:
    expression, remarks = spelled(profile.name), list[str]()
    if _KEY_NAME.search(name) and profile.type.name in _NUMBERS:
        profile, expression, remarks = _as_name(profile, expression)
    proposed, notes = _type(profile)
    if profile.is_lowered:
        expression = f"LOWER({expression})"
        remarks.append("written in capitals in the source: the query writes them small")
    if profile.padded and proposed == STRING:
        expression = f"TRIM({expression})"
    if profile.filled < profile.records:
        # A type has no form for an empty text: without this, each such record would be rejected.
        expression = f"NULLIF({expression if 'TRIM' in expression else f'TRIM({expression})'}, '')"
    choices = _choices(profile) if proposed == STRING else ()
    if choices:
        remarks.append(f"{len(choices)} values in all; the rule warns of others: make it an error, or take it out")
    said = tuple(filter(None, (_gaps(profile), *notes, *remarks)))
    return ProposedColumn(name, profile, proposed, expression, profile.filled == profile.records, choices=choices, notes=said)


def _as_name(profile: Profile, expression: str) -> tuple[Profile, str, list[str]]:
    """A column whose name says that it names things, and whose values look like numbers: with letters in some, or as floats, it is text."""
    if profile.share < 1:
        such = ", ".join(map(repr, profile.others))
        return _text_of(profile), expression, [f"most values are whole numbers, and not all, such as {such}: kept as text"]
    if profile.is_floated:
        remark = f"written as floats, such as {next(iter(profile.values))}: the query takes the .0 away"
        return _text_of(profile), f"REGEXP_REPLACE({expression}, '\\\\.0$', '')", [remark]
    return profile, expression, []


def _text_of(profile: Profile) -> Profile:
    return replace(profile, type=STRING, share=1.0, others=(), lowest="", highest="")


def _type(profile: Profile) -> tuple[ColumnType, list[str]]:
    notes = []
    proposed = profile.type
    if proposed == BIGINT and profile.digits <= _INT_DIGITS:
        proposed = INT
    if proposed.name == "decimal":
        proposed = decimal(18 if profile.digits + profile.scale <= 15 else 38, profile.scale)
    if profile.share < 1:
        rejected = round((1 - profile.share) * profile.filled)
        notes.append(
            f"about {rejected:,} values are no {proposed.name.upper()} and would be rejected, such as {', '.join(map(repr, profile.others))}"
        )
    if profile.near is not None:
        such = ", ".join(map(repr, profile.others))
        taking = round(profile.near_share * profile.filled)
        notes.append(f"{taking:,} of {profile.filled:,} values are a {profile.near.name.upper()}, too few to be its type; others are such as {such}")
    if profile.as_well:
        notes.append(f"{profile.formats[0]} fits the sample, and so does {', '.join(profile.as_well)}: say which it is")
    if profile.lowest and proposed not in (STRING, BOOLEAN):
        notes.append(f"from {profile.lowest} to {profile.highest}")
    if proposed == STRING and profile.values and all(value.startswith(("{", "[")) for value in profile.values):
        notes.append("an object or a list as its JSON text: GET_JSON_OBJECT(field, '$.name') takes parts of it out")
    return proposed, notes


def _gaps(profile: Profile) -> str:
    if not profile.filled:
        return "empty in all records: its type is a guess, and it may be left out"
    if profile.filled == profile.records:
        return ""
    empty = profile.records - profile.filled
    return f"empty in {empty:,} of {profile.records:,} records ({empty / profile.records:.1%}): may it be? If not, add required: true"


def _choices(profile: Profile) -> tuple[str, ...]:
    if not 2 <= profile.distinct <= _MOST_CHOICES or len(profile.values) != profile.distinct:
        return ()
    is_often = profile.filled >= _TIMES_EACH * profile.distinct
    return tuple(sorted(profile.values)) if is_often else ()


def _keyed(columns: Sequence[ProposedColumn], key: Sequence[ProposedColumn]) -> list[ProposedColumn]:
    places = {column.name: position for position, column in enumerate(key, start=1)}
    keyed = [replace(column, key_position=places[column.name], required=True, choices=()) for column in columns if column.name in places]
    by_name = {column.name: column for column in (*columns, *keyed)}
    return [by_name[column.name] for column in columns]


def _unique_key(session: Session, columns: Sequence[ProposedColumn], within: Sequence[str]) -> tuple[ProposedColumn, ...]:
    """The first column or combination of columns in which records that differ have different values; records that are repeated count once.

    Each is looked for among records that have the same values in the fields `within`.
    """
    fields = ", ".join(map(quote, (*within, *(column.profile.name for column in columns))))
    session.table("sample_distinct", f"SELECT DISTINCT {fields} FROM {ROWS}")
    (records,) = session.row("SELECT count(*) FROM sample_distinct")
    able = [column for column in columns if column.required and column.type.name in ("string", "int", "bigint", "date", "timestamp")]
    # What is called an id is one before what happens to be unique, and few columns before many.
    able.sort(key=lambda column: (not column.names_things, column.is_time))
    single = [(column,) for column in able]
    pairs = [(one, other) for place, one in enumerate(able) for other in able[place + 1 :]]
    triples = [(one, other, third) for place, (one, other) in enumerate(pairs) for third in able[able.index(other) + 1 :] if place < _PAIRS]
    for candidates in (single, pairs[:_PAIRS], triples[:_PAIRS]):
        counts = _distinct(session, candidates, within)
        for candidate, count in zip(candidates, counts, strict=True):
            # Few records that share an id are corrections, of which the last counts.
            near = len(candidate) == 1 and candidate[0].names_things and count >= _NEARLY * records
            if count == records or near:
                return candidate
    return ()


def _distinct(session: Session, candidates: Sequence[Sequence[ProposedColumn]], within: Sequence[str]) -> list[int]:
    if not candidates:
        return []
    parts = [", ".join(map(quote, (*within, *(column.profile.name for column in candidate)))) for candidate in candidates]
    return [int(count) for count in session.row(f"SELECT {', '.join(f'count(DISTINCT ({part}))' for part in parts)} FROM sample_distinct")]


def _event_key(session: Session, columns: Sequence[ProposedColumn]) -> tuple[ProposedColumn, ...]:
    """The fields of a change event's row whose values are its key, or stand in it."""
    for place in ("/key", "/key/{field}"):
        found = []
        for column in columns:
            at = literal(place.format(field=pointer(column.profile.name)))
            equal = f"coalesce({quote(column.profile.name)} = json_extract_string(raw_data, {at}), false)"
            if session.row(f"SELECT bool_and({equal}) FROM sample_decoded WHERE _decode_failure IS NULL")[0]:
                found.append(column)
        if found:
            return tuple(found[:1] if place == "/key" else found)
    return ()


def _partitioned(columns: Sequence[ProposedColumn]) -> list[ProposedColumn]:
    able = [column for column in columns if column.is_time and column.required and not column.orders_changes]
    named = [column for column in able if _TIME_NAME.search(column.name)]
    chosen = next(iter(named or able), None)
    return [replace(column, partitioned=column is chosen) for column in columns]

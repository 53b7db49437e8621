"""What a worker may do to a table: values, drawn from a seed, each with its effect on a model of the rows. Not here: doing it (product.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Row(NamedTuple):
    """A row of every table here. `mark` is the invocation that wrote it."""

    key: int
    part: str
    value: int
    mark: str


# The model: a table's rows by key. Two rows of one key are what no operation may leave.
State = Mapping[int, Row]

# Partition values that are spelt otherwise in a path, and once more otherwise in the log.
PARTS = ("plain", "with space", "per%20cent", "a=b/c")
# Keys that upserts share and fight for; all others are of one invocation alone.
SHARED_KEYS = 120
OWN_KEYS_FROM = 1_000_000
_OWN_KEYS = 1_000
# How far back a restore or a read goes, in versions: states that the checker keeps in memory, and versions that vacuum has not reached.
VERSIONS_BACK = 12

_TRANSACTION_SHARE = 0.4
_NEWEST_SHARE = 0.5


class _Operation(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Write(_Operation):
    # One with a transaction may be tried again after whatever happened.
    transaction: tuple[str, int] | None = None


class Append(_Write):
    """Rows of new keys."""

    kind: Literal["append"] = "append"
    rows: tuple[Row, ...]


class Upsert(_Write):
    """Rows that take the place of those with the same key, in whatever partition."""

    kind: Literal["upsert"] = "upsert"
    rows: tuple[Row, ...]


class Replace(_Write):
    """Rows of new keys in place of all of some partitions."""

    kind: Literal["replace"] = "replace"
    parts: tuple[str, ...]
    rows: tuple[Row, ...]


class Delete(_Write):
    """No row with this remainder any more, in one partition or in all."""

    kind: Literal["delete"] = "delete"
    part: str | None
    divisor: int
    remainder: int

    @property
    def condition(self) -> str:
        """The same as SQL."""
        of_keys = f"key % {self.divisor} = {self.remainder}"
        return of_keys if self.part is None else f"{of_keys} AND part = '{self.part}'"


class Restore(_Operation):
    """The rows of an earlier version."""

    kind: Literal["restore"] = "restore"
    version: int


class Optimise(_Operation):
    """The same rows in fewer files."""

    kind: Literal["optimise"] = "optimise"


class Vacuum(_Operation):
    """The same rows; files that no kept version needs are gone."""

    kind: Literal["vacuum"] = "vacuum"


class Clean(_Operation):
    """The same rows; a checkpoint of the newest version, and commits that no kept version needs are gone."""

    kind: Literal["clean"] = "clean"


class Read(_Operation):
    """All rows of a version; None: of the newest."""

    kind: Literal["read"] = "read"
    version: int | None


Operation = Annotated[Append | Upsert | Replace | Delete | Restore | Optimise | Vacuum | Clean | Read, Field(discriminator="kind")]
OPERATION: TypeAdapter[Operation] = TypeAdapter(Operation)

# How often each kind is drawn, of a hundred.
WEIGHTS: Mapping[str, int] = {
    "append": 25,
    "upsert": 24,
    "replace": 12,
    "delete": 10,
    "restore": 6,
    "optimise": 8,
    "vacuum": 3,
    "clean": 2,
    "read": 10,
}
KINDS = tuple(WEIGHTS)


def drawn(random: Random, worker: int, number: int, newest_version: Callable[[], int], kinds: Mapping[str, int]) -> Operation:
    """A worker's operation of a number. `newest_version` is asked only where the operation names a version."""
    kind = random.choices(list(kinds), weights=list(kinds.values()))[0]
    mark = f"w{worker}-{number}"
    transaction = (f"soak-w{worker}", number) if random.random() < _TRANSACTION_SHARE else None
    match kind:
        case "append":
            return Append(rows=_own_rows(random, worker, number, mark, PARTS), transaction=transaction)
        case "upsert":
            keys = random.sample(range(SHARED_KEYS), random.randint(1, 6))
            return Upsert(rows=tuple(Row(key, random.choice(PARTS), random.randrange(1000), mark) for key in keys), transaction=transaction)
        case "replace":
            parts = tuple(random.sample(PARTS, random.randint(1, 2)))
            return Replace(parts=parts, rows=_own_rows(random, worker, number, mark, parts), transaction=transaction)
        case "delete":
            divisor = random.randint(2, 9)
            return Delete(part=random.choice((None, *PARTS)), divisor=divisor, remainder=random.randrange(divisor), transaction=transaction)
        case "restore":
            return Restore(version=max(0, newest_version() - random.randint(1, VERSIONS_BACK)))
        case "read":
            newest, back = random.random() < _NEWEST_SHARE, random.randint(0, VERSIONS_BACK)
            return Read(version=None if newest else max(0, newest_version() - back))
        case "optimise":
            return Optimise()
        case "clean":
            return Clean()
        case _:
            return Vacuum()


def effect(operation: Operation, state: State, state_of: Callable[[int], State]) -> State:
    """The rows after an operation on these rows. `state_of` gives those of an earlier version."""
    match operation:
        case Append() | Upsert():
            return {**state, **_by_key(operation.rows)}
        case Replace():
            kept = {key: row for key, row in state.items() if row.part not in operation.parts}
            return {**kept, **_by_key(operation.rows)}
        case Delete():
            return {key: row for key, row in state.items() if not _is_deleted(row, operation)}
        case Restore():
            return state_of(operation.version)
        case Optimise() | Vacuum() | Clean() | Read():
            return state


def _own_rows(random: Random, worker: int, number: int, mark: str, parts: tuple[str, ...]) -> tuple[Row, ...]:
    first = OWN_KEYS_FROM * (worker + 1) + number * _OWN_KEYS
    return tuple(Row(first + index, random.choice(parts), random.randrange(1000), mark) for index in range(random.randint(1, 8)))


def _by_key(rows: tuple[Row, ...]) -> dict[int, Row]:
    return {row.key: row for row in rows}


def _is_deleted(row: Row, operation: Delete) -> bool:
    return row.key % operation.divisor == operation.remainder and operation.part in (None, row.part)

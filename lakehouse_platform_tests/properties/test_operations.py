"""Whatever a team does to a table, in whatever order and however often it is killed: no record is lost, doubled or without an outcome."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal
from unittest.mock import patch

from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_platform.medallion import books, silver
from lakehouse_platform.medallion.blocks import BatchBlocked, waiting
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.medallion.record import Ruling
from lakehouse_platform.medallion.replay import replay
from lakehouse_platform.medallion.restore import restore
from lakehouse_platform.quality.quarantine import quarantine_name, visible_rows
from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.properties.operations_model import BLOCK_SHARE, LIMITS, MINIMUM_ROWS, Model, Place, Sale
from lakehouse_platform_tests.properties.projects import column, load, row_rule, source, table
from lakehouse_platform_tests.properties.worlds import World, hundred_examples, world

SALES, SILVER, GOLD = "bronze/sales", "silver/sales", ("gold/days", "gold/keys")
DAYS = {"grain": "day", "start": "2024-01-01"}
# Each operation must have had its effect in a fifth of the sequences, or they say little of it.
OPERATIONS = ("ingest", "contract", "replay", "release", "reject", "restore", "rebuild", "crash")
# The default suite has no time for a hundred sequences; `make operations` does.
SEQUENCES = int(os.environ.get("LAKEHOUSE_TEST_SEQUENCES", "15"))
LONGEST = 9


def project(limit: int) -> Project:
    """The same tables under another contract."""
    return load(
        source(SALES, "sales/*.jsonl"),
        table(
            SILVER,
            "SELECT key, day, sequence, amount FROM bronze.sales",
            [
                column("key", "INT", required=True, key=1),
                column("day", "DATE", required=True, partitioned=True),
                column("sequence", "INT", required=True),
                column("amount", "INT", required=True),
            ],
            rules=[row_rule("small_enough", f"amount > {limit}")],
            refresh="upsert",
            sequence_by=["sequence"],
            partitions=DAYS,
            gate={"pass_share": 0.9, "block_share": BLOCK_SHARE, "minimum_rows": MINIMUM_ROWS},
        ),
        table(
            "gold/days",
            "SELECT day, COUNT(*) AS sales, SUM(amount) AS total FROM silver.sales GROUP BY day",
            [column("day", "DATE", required=True, key=1, partitioned=True), column("sales", "BIGINT"), column("total", "BIGINT")],
            refresh="replace_partitions",
            partitions=DAYS,
        ),
        table(
            "gold/keys",
            "SELECT key, MAX(amount) AS amount FROM silver.sales GROUP BY key",
            [column("key", "INT", required=True, key=1), column("amount", "INT")],
            refresh="replace_keys",
        ),
    )


PROJECTS = tuple(project(limit) for limit in LIMITS)


class Killed(BaseException):
    """A process that ends here and now; no handler may take it for an error."""


@dataclass
class Team:
    """One lakehouse, what it must hold, and what was done to it."""

    shop: World
    model: Model
    done: set[str]
    files: int = 0

    def refresh(self) -> None:
        """Bring silver up to bronze, as far as it is not blocked."""
        with suppress(BatchBlocked):
            self.shop.run(SILVER)

    def waits(self) -> str | None:
        """The id of the batch that waits for a decision."""
        lakehouse = self.shop.lakehouse
        with lakehouse.session() as session:
            found = waiting(lakehouse, session, SILVER, lakehouse.snapshot(SILVER))
        return None if found is None else found.decision.batch_id

    @property
    def version(self) -> int:
        """Silver's version; -1 while there is no table."""
        snapshot = self.shop.lakehouse.snapshot(SILVER)
        return -1 if snapshot is None else snapshot.version


sales = st.fixed_dictionaries(
    {
        "key": st.integers(1, 4),
        "day": st.integers(1, 3),
        "sequence": st.integers(1, 3),
        "amount": st.one_of(st.integers(1, 9), st.integers(1, 9), st.none()),
    }
)
bad_sales = st.fixed_dictionaries(
    {"key": st.integers(1, 4), "day": st.integers(1, 3), "sequence": st.integers(1, 3), "amount": st.sampled_from([None, None, 8, 1])}
)
batches = st.lists(sales, min_size=1, max_size=4) | st.lists(bad_sales, min_size=MINIMUM_ROWS, max_size=6)

Step = tuple[Callable[[], None], Callable[[], None]]


def ingested(team: Team, draw: Any) -> Step:
    """Land a file and take it in."""
    team.files += 1
    name = f"{team.files:02}"
    records = [Sale((f"sales/{name}.jsonl", row), **record) for row, record in enumerate(draw(batches), start=1)]
    lines = [
        {"key": each.key, "day": f"2024-01-{each.day:02}", "sequence": each.sequence, "amount": each.amount or "none", "file": name}
        for each in records
    ]

    def act() -> None:
        team.shop.land(f"sales/{name}.jsonl", lines)
        team.shop.run(SALES)
        team.refresh()

    return act, lambda: team.model.ingest(records)


def contract_changed(team: Team, draw: Any) -> Step:
    """Another limit holds from now on."""
    contract = draw(st.sampled_from([each for each in range(len(LIMITS)) if each != team.model.contract]))

    def act() -> None:
        team.shop = replace(team.shop, lakehouse=replace(team.shop.lakehouse, project=PROJECTS[contract]))
        team.refresh()

    return act, lambda: team.model.change_contract(contract)


def settled(team: Team, ruling: Literal["released", "rejected"]) -> Step:
    """Settle the batch that waits, then take what came after it."""
    batch_id = team.waits()
    assert batch_id is not None

    def act() -> None:
        silver.settle(team.shop.lakehouse, SILVER, Ruling(batch_id=batch_id, state=ruling, reason="seen"), run_id="settled")
        team.refresh()

    def expected() -> None:
        team.model.settle(ruling)
        team.model.refresh()

    return act, expected


def replayed(team: Team) -> Step:
    """Judge again what was turned away."""
    return lambda: void(replay(team.shop.lakehouse, SILVER, run_id="replay")), team.model.replay


def rebuilt(team: Team) -> Step:
    """Compute all of silver anew."""
    return lambda: void(rebuild(team.shop.lakehouse, SILVER, run_id="rebuild")), team.model.rebuild


def restored(team: Team, draw: Any) -> Step:
    """Go back to a version, then read again what came since."""
    version = draw(st.sampled_from(sorted(known for known in team.model.versions if known < team.version)))

    def act() -> None:
        restore(team.shop.lakehouse, SILVER, version, run_id="restore")
        team.refresh()

    def expected() -> None:
        team.model.restore(version)
        team.model.refresh()

    return act, expected


def void(_: object) -> None:
    """Nothing of a result is of interest."""


@contextmanager
def killed_at(commit: int, when: str) -> Iterator[list[int]]:
    """End the process before or after the n-th commit to any table; the list has an entry once that has happened."""
    left, killed = [commit], []

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and when == "before":
                killed.append(commit)
                raise Killed
            result = original(*arguments, **named)
            if left[0] == 0:
                killed.append(commit)
                raise Killed
            return result

        return call

    writing, restoring = DeltaTable.create_write_transaction, DeltaTable.restore
    with patch.object(DeltaTable, "create_write_transaction", dying(writing)), patch.object(DeltaTable, "restore", dying(restoring)):
        yield killed


def choices(team: Team) -> list[str]:
    """What can be done now; what waits for a decision mostly gets one."""
    found = ["ingest", "ingest", "contract"]
    if team.model.block is not None:
        found = ["reject", "reject", "reject", "release", "release", *found]
    if team.model.places("rejected"):
        found += ["replay"]
    if team.model.judged:
        found += ["rebuild"]
    if any(version < team.version for version in team.model.versions):
        found += ["restore"]
    return found


def step_of(team: Team, name: str, draw: Any) -> Step:
    match name:
        case "ingest":
            return ingested(team, draw)
        case "contract":
            return contract_changed(team, draw)
        case "release" | "reject":
            return settled(team, "released" if name == "release" else "rejected")
        case "replay":
            return replayed(team)
        case "rebuild":
            return rebuilt(team)
        case _:
            return restored(team, draw)


def operate(team: Team, draw: Any) -> None:
    """Do one thing, killed once on the way or not, and know what must be there after."""
    name = draw(st.sampled_from(choices(team)))
    act, expected = step_of(team, name, draw)
    if draw(st.booleans()):
        with killed_at(draw(st.integers(1, 5)), draw(st.sampled_from(["before", "after"]))) as killed, suppress(Killed):
            act()
        if killed:
            team.done.add("crash")
            act()
    else:
        act()
    expected()
    team.done.add(name)
    team.shop.run(*GOLD)
    team.model.remember(team.version)


def holds(team: Team) -> None:
    """Silver, quarantine, books and gold are what the model says."""
    shop, model, lakehouse = team.shop, team.model, team.shop.lakehouse
    rows = {row["key"]: row for row in shop.rows(SILVER)}
    assert len(rows) == len(shop.rows(SILVER))
    winners = model.winners()
    assert {key: position(row) for key, row in rows.items()} == {key: sale.place for key, sale in winners.items()}
    assert {key: (row["amount"], row["day"].day) for key, row in rows.items()} == {key: (sale.amount, sale.day) for key, sale in winners.items()}
    with lakehouse.session() as session:
        quarantine = lakehouse.snapshot(quarantine_name(SILVER))
        assert quarantine is not None
        visible = visible_rows(quarantine, books.committed_batches(lakehouse, session, SILVER))
        rejected = session.rows(f"SELECT source_file, source_row FROM ({visible})")
        booked = books.total(books.entries(lakehouse, session, SILVER))
    assert Counter(rejected) == Counter(model.places("rejected"))
    assert {name: getattr(booked, name) for name in ("read", "accepted", "duplicates", "rejected")} == model.accounts()
    assert (booked.late, booked.filtered, booked.balance) == (0, 0, 0)
    assert (team.waits() is not None) == (model.block is not None)
    assert {row["day"].day: (row["sales"], row["total"]) for row in shop.rows("gold/days")} == model.days()
    assert {row["key"]: row["amount"] for row in shop.rows("gold/keys")} == {key: sale.amount for key, sale in winners.items()}


def position(row: dict[str, Any]) -> Place:
    """Where a row of silver stands in the source."""
    return row["_source_position"]["source"], row["_source_position"]["row"]


def equals_a_rebuild(team: Team) -> None:
    """Computed anew from bronze alone, in a lakehouse of its own, silver and gold are the same."""
    team.shop.run(SALES)
    for name in (SILVER, *GOLD):
        before = team.shop.contents(name)
        rebuild(team.shop.lakehouse, name, run_id="compared")
        assert team.shop.contents(name) == before


acknowledged: Counter[str] = Counter()


@settings(hundred_examples, max_examples=SEQUENCES)
@given(data=st.data())
def sequences(data: st.DataObject) -> None:
    """One sequence of operations."""
    with world(PROJECTS[0]) as shop:
        team = Team(shop, Model(), set())
        act, expected = ingested(team, data.draw)
        act()
        expected()
        team.shop.run(*GOLD)
        team.model.remember(team.version)
        for _ in range(data.draw(st.integers(LONGEST // 2, LONGEST))):
            operate(team, data.draw)
            holds(team)
        if team.model.taken and not team.model.is_stale:
            equals_a_rebuild(team)
        acknowledged.update(team.done | {"ingest"})


def test_after_any_sequence_of_operations_every_record_has_one_outcome() -> None:
    """Accounts add up, every record has exactly one outcome, and silver and gold are what bronze makes of them, after each operation."""
    acknowledged.clear()
    sequences()
    assert min(acknowledged[name] for name in OPERATIONS) >= SEQUENCES / 5, acknowledged

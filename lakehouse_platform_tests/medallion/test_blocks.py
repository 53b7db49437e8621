"""Blocked batches from the first bad file to their end: what is frozen, what settles them, and that neither a crash nor a race changes the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from lakehouse_platform.delta.commit import CommitConflict, commit
from lakehouse_platform.medallion import blocks, books, planned, silver, silver_changes, silver_gate
from lakehouse_platform.medallion.blocks import BatchBlocked, open_block
from lakehouse_platform.medallion.decisions import DECISIONS, Decision, State, append, logged, standing
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.medallion.record import Ruling
from lakehouse_platform.medallion.replay import replay
from lakehouse_platform.medallion.restore import restore
from lakehouse_platform.medallion.silver import settle
from lakehouse_platform.problems import LakehouseError
from lakehouse_platform.quality.accounts import Accounts
from lakehouse_platform.quality.quarantine import open_quarantine, quarantine_name, visible_rows
from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.properties.projects import Folder, column, load, row_rule, source, table
from lakehouse_platform_tests.properties.worlds import World, world

ORDERS, STATES = "silver/orders", "silver/states"
GATE: dict[str, Any] = {"minimum_rows": 10}
RULINGS = (State.RELEASED, State.REJECTED)


def orders(gate: Any = GATE, rule: str = "amount < 0") -> Folder:
    return table(
        ORDERS,
        "SELECT id, day, amount FROM bronze.orders WHERE id <> 'none'",
        [
            column("id", "STRING", required=True, key=1),
            column("day", "DATE", required=True, partitioned=True),
            column("amount", "INT", required=True),
        ],
        rules=[row_rule("not_negative", rule)],
        refresh="upsert",
        partitions={"grain": "day", "start": "2024-01-01"},
        gate=gate,
    )


STATE_FOLDER = table(
    STATES,
    "SELECT id, amount FROM bronze.changes",
    [column("id", "STRING", required=True, key=1), column("amount", "INT")],
    rules=[row_rule("not_negative", "amount < 0")],
    refresh="scd1",
    gate=GATE,
)


def project(gate: Any = GATE, rule: str = "amount < 0", **files: Any) -> Project:
    return load(
        source("bronze/orders", "orders/*.jsonl", **files),
        orders(gate, rule),
        source("bronze/changes", "changes/*.jsonl", changes="plain"),
        STATE_FOLDER,
    )


PROJECT = project()


@pytest.fixture
def shop() -> Iterator[World]:
    with world(PROJECT) as opened:
        yield opened


def with_project(shop: World, changed: Project) -> World:
    """The same lakehouse under another contract, query or gate."""
    return replace(shop, lakehouse=replace(shop.lakehouse, project=changed))


def lines(first: int, good: int, bad: int) -> list[dict[str, Any]]:
    """Records with new keys, of which the last `bad` fail the rule."""
    return [{"id": f"k{number}", "day": f"2024-01-{number % 9 + 1:02}", "amount": number if place < good else -1}
            for place, number in enumerate(range(first, first + good + bad))]  # fmt: skip


def events(first: int, good: int, bad: int) -> list[dict[str, Any]]:
    return [
        {"op": "u", "ts_ms": 1_700_000_000_000 + place, "key": line["id"], "before": None, "after": {"id": line["id"], "amount": line["amount"]}}
        for place, line in enumerate(lines(first, good, bad))
    ]


def ingest(shop: World, name: str, records: list[dict[str, Any]], source_name: str = "bronze/orders") -> None:
    shop.land(name, records)
    shop.run(source_name)


def blocked(shop: World, table_name: str = ORDERS) -> blocks.Block:
    """The block that an increment ends in."""
    with pytest.raises(BatchBlocked) as raised:
        shop.run(table_name)
    return raised.value.block


def rule_on(shop: World, block: blocks.Block, state: State) -> None:
    settle(
        shop.lakehouse,
        block.decision.table_name,
        Ruling.model_validate({"batch_id": block.decision.batch_id, "state": state.value, "reason": "seen"}),
        run_id=state,
    )


def accounts(shop: World, table_name: str = ORDERS) -> Accounts:
    with shop.lakehouse.session() as session:
        return books.total(books.entries(shop.lakehouse, session, table_name))


def quarantined(shop: World, table_name: str = ORDERS) -> list[str]:
    """The rule of each row that shows in quarantine."""
    with shop.lakehouse.session() as session:
        batches = books.committed_batches(shop.lakehouse, session, table_name)
        rows = visible_rows(open_quarantine(shop.lakehouse.location(quarantine_name(table_name))), batches)
        return [rule for (rule,) in session.rows(f"SELECT reasons[1].rule FROM ({rows}) ORDER BY ALL")]


def all_held(shop: World, table_name: str = ORDERS) -> dict[str, int]:
    """Rows of quarantine by batch, shown or not."""
    counts: dict[str, int] = {}
    for row in shop.rows(quarantine_name(table_name)):
        counts[row["batch_id"]] = counts.get(row["batch_id"], 0) + 1
    return counts


def decisions(shop: World, table_name: str = ORDERS) -> list[Decision]:
    with shop.lakehouse.session() as session:
        return standing(logged(session, shop.lakehouse.snapshot(DECISIONS), table_name))


def states(shop: World, table_name: str = ORDERS) -> list[State]:
    return [decision.state for decision in decisions(shop, table_name)]


def end(shop: World, table_name: str = ORDERS) -> tuple[Any, ...]:
    """All that a settled batch leaves behind, but for ids and times."""
    rows = [tuple(row.values()) for row in shop.contents(table_name)]
    return rows, accounts(shop, table_name), quarantined(shop, table_name), states(shop, table_name), sum(all_held(shop, table_name).values())


def test_a_blocked_batch_commits_and_books_nothing_and_stays_what_it_was(shop: World) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 10, 0))
    shop.run(ORDERS)
    ingest(shop, "orders/2.jsonl", lines(10, 6, 6))
    version, booked = shop.delta(ORDERS).version(), accounts(shop)
    first = blocked(shop)
    assert (first.decision.read, first.decision.rejected, first.decision.share) == (12, 6, 0.5)
    assert "50.00 % of 12 rows are valid, below 70.00 %" in first.text
    assert f"quarantine release {first.decision.batch_id[:12]}" in first.text

    ingest(shop, "orders/3.jsonl", lines(30, 50, 0))
    again = blocked(shop)
    assert again == first
    assert (shop.delta(ORDERS).version(), accounts(shop), quarantined(shop)) == (version, booked, [])
    assert all_held(shop) == {first.decision.batch_id: 6}
    assert states(shop) == [State.OPEN]


def test_a_small_batch_passes_however_bad(shop: World) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 0, 9))
    shop.run(ORDERS)
    assert accounts(shop) == Accounts(read=9, rejected=9)


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [
        ("off", None),
        (False, None),
        ("warn", "pass"),
        ({"pass_share": 0.5, "block_share": 0.5, "minimum_rows": 1}, "pass"),
        ({"block_share": 0.1, "minimum_rows": 1}, "warn"),
    ],
)
def test_the_table_says_what_blocks(gate: Any, verdict: str | None) -> None:
    with world(project(gate)) as shop:
        ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
        record = shop.run(ORDERS).record
        assert record is not None
        assert record.gate == verdict


def test_warn_blocks_nothing_and_warns() -> None:
    with world(project("warn")) as shop:
        ingest(shop, "orders/1.jsonl", lines(0, 600, 900))
        record = shop.run(ORDERS).record
        assert record is not None
        assert record.gate == "warn"


def test_a_released_batch_is_taken_as_it_is_and_what_came_after_is_judged_by_itself(shop: World) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
    block = blocked(shop)
    ingest(shop, "orders/2.jsonl", lines(20, 20, 0))
    rule_on(shop, block, State.RELEASED)
    assert len(shop.rows(ORDERS)) == 6
    assert accounts(shop) == Accounts(read=12, accepted=6, rejected=6)
    assert quarantined(shop) == ["not_negative"] * 6
    assert states(shop) == [State.RELEASED]
    shop.run(ORDERS)
    assert accounts(shop) == Accounts(read=32, accepted=26, rejected=6)
    # The same again is no mistake, the contrary is one.
    rule_on(shop, block, State.RELEASED)
    with pytest.raises(LakehouseError, match="was released at"):
        rule_on(shop, block, State.REJECTED)
    assert accounts(shop) == Accounts(read=32, accepted=26, rejected=6)


def test_a_rejected_batch_is_all_in_quarantine_and_stays_out_of_whatever_is_computed_anew(shop: World) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 10, 0))
    shop.run(ORDERS)
    ingest(shop, "orders/2.jsonl", [*lines(5, 6, 6), {"id": "none", "day": "2024-01-01", "amount": 1}])
    block = blocked(shop)
    rule_on(shop, block, State.REJECTED)
    assert len(shop.rows(ORDERS)) == 10
    assert accounts(shop) == Accounts(read=23, accepted=10, rejected=12, filtered=1)
    assert quarantined(shop) == ["batch_rejected"] * 6 + ["not_negative"] * 6
    assert sum(all_held(shop).values()) == accounts(shop).rejected
    (shown,) = {row["reasons"][0]["message"] for row in shop.rows(quarantine_name(ORDERS)) if row["reasons"][0]["rule"] == "batch_rejected"}
    assert shown == "its batch was rejected: seen"

    before = shop.contents(ORDERS)
    shop.run(ORDERS, partitions=[f"2024-01-{day:02}" for day in range(1, 10)])
    assert shop.contents(ORDERS) == before
    # A table made anew reads all of bronze as its first batch: what was decided is neither judged nor asked again.
    for name in (ORDERS, quarantine_name(ORDERS)):
        shutil.rmtree(shop.lakehouse.location(name))
    shop.run(ORDERS)
    assert shop.contents(ORDERS) == before
    assert accounts(shop) == Accounts(read=23, accepted=10, rejected=12, filtered=1)
    assert quarantined(shop) == ["batch_rejected"] * 6 + ["not_negative"] * 6


def test_a_released_batch_is_not_asked_about_again_when_the_table_is_made_anew(shop: World) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 2, 30))
    rule_on(shop, blocked(shop), State.RELEASED)
    ingest(shop, "orders/2.jsonl", lines(40, 12, 0))
    for name in (ORDERS, quarantine_name(ORDERS)):
        shutil.rmtree(shop.lakehouse.location(name))
    shop.run(ORDERS)
    assert accounts(shop) == Accounts(read=44, accepted=14, rejected=30)


@pytest.mark.parametrize(("changed", "passes"), [
    (project(rule="amount < -5"), True), (project(rule="amount < 1"), False), (project("off"), True), (project({"minimum_rows": 11}), False),
])  # fmt: skip
def test_another_contract_or_gate_judges_the_same_rows_again(shop: World, changed: Project, passes: bool) -> None:
    ingest(shop, "orders/1.jsonl", lines(1, 6, 6))
    old = blocked(shop)
    ingest(shop, "orders/2.jsonl", lines(20, 20, 0))
    other = with_project(shop, changed)
    with pytest.raises(LakehouseError, match="has changed since"):
        rule_on(other, old, State.RELEASED)
    if passes:
        other.run(ORDERS)
        assert accounts(other).read == 32
        assert states(other) == [State.SUPERSEDED]
        assert sum(all_held(other).values()) == accounts(other).rejected
        return
    new = blocked(other)
    assert (new.decision.from_version, new.decision.to_version) == (old.decision.from_version, old.decision.to_version)
    assert new.since == old.since
    assert new.decision.batch_id != old.decision.batch_id
    assert {row.batch_id: row.state for row in decisions(other)} == {old.decision.batch_id: State.SUPERSEDED, new.decision.batch_id: State.OPEN}
    other_again = blocked(other)
    assert other_again == new
    assert all_held(other) == {new.decision.batch_id: 6}
    with pytest.raises(LakehouseError, match="was superseded"):
        rule_on(other, old, State.RELEASED)
    # Changed back, it is what it was.
    assert blocked(shop).decision.batch_id == old.decision.batch_id
    rule_on(shop, old, State.RELEASED)
    assert states(shop) == [State.SUPERSEDED, State.RELEASED]
    assert all_held(shop) == {Ruling(batch_id=old.decision.batch_id, state="released", reason="").committed_id: 6}


def test_a_block_of_a_bronze_table_that_was_made_anew_is_void(shop: World) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
    block = blocked(shop)
    shutil.rmtree(shop.lakehouse.location("bronze/orders"))
    (shop.lakehouse.settings.landing / "orders" / "1.jsonl").unlink()
    ingest(shop, "orders/2.jsonl", lines(0, 12, 0))
    with pytest.raises(LakehouseError, match="was superseded"):
        rule_on(shop, block, State.RELEASED)
    shop.run(ORDERS)
    assert states(shop) == [State.SUPERSEDED]
    assert accounts(shop) == Accounts(read=12, accepted=12)
    assert all_held(shop) == {}


def test_records_replaced_after_a_block_wait_for_it() -> None:
    with world(project(on_change="replace")) as shop:
        ingest(shop, "orders/1.jsonl", lines(0, 12, 0))
        shop.run(ORDERS)
        ingest(shop, "orders/2.jsonl", lines(20, 6, 6))
        block = blocked(shop)
        ingest(shop, "orders/2.jsonl", lines(20, 12, 0))
        assert blocked(shop) == block
        rule_on(shop, block, State.REJECTED)
        shop.run(ORDERS)
        assert len(shop.rows(ORDERS)) == 24
        assert accounts(shop) == Accounts(read=24, accepted=24)
        assert quarantined(shop) == []


def test_partitions_before_any_increment_do_not_go_round_the_gate(shop: World) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
    blocked(shop)
    with pytest.raises(BatchBlocked):
        shop.run(ORDERS, partitions=["2024-01-02"])
    assert shop.rows(ORDERS) == []


@pytest.mark.parametrize("state", RULINGS)
def test_change_events_are_held_too(shop: World, state: State) -> None:
    ingest(shop, "changes/1.jsonl", events(0, 10, 0), "bronze/changes")
    shop.run(STATES)
    ingest(shop, "changes/2.jsonl", events(5, 6, 6), "bronze/changes")
    block = blocked(shop, STATES)
    assert len(shop.rows(f"{STATES}__changes")) == 10
    rule_on(shop, block, state)
    ingest(shop, "changes/3.jsonl", events(40, 10, 0), "bronze/changes")
    shop.run(STATES)
    is_taken = state is State.RELEASED
    assert len(shop.rows(f"{STATES}__changes")) == (26 if is_taken else 20)
    assert len(shop.rows(STATES)) == (21 if is_taken else 20)
    assert accounts(shop, STATES) == Accounts(read=32, accepted=26 if is_taken else 20, rejected=6 if is_taken else 12)
    assert len(quarantined(shop, STATES)) == accounts(shop, STATES).rejected


def test_events_that_a_killed_release_left_go_when_the_batch_is_rejected(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(shop, "changes/1.jsonl", events(0, 10, 0), "bronze/changes")
    shop.run(STATES)
    ingest(shop, "changes/2.jsonl", events(5, 6, 6), "bronze/changes")
    block = blocked(shop, STATES)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(silver_changes, "commit_keyed", killed)
        rule_on(shop, block, State.RELEASED)
    assert len(shop.rows(f"{STATES}__changes")) == 16
    rule_on(shop, block, State.REJECTED)
    ingest(shop, "changes/3.jsonl", events(5, 10, 0), "bronze/changes")
    shop.run(STATES)
    assert len(shop.rows(f"{STATES}__changes")) == 20
    assert accounts(shop, STATES) == Accounts(read=32, accepted=20, rejected=12)


def killed(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, tuple[Any, ...]]:
    """The end of the batch by each ruling, when nothing went wrong."""
    ends: dict[str, tuple[Any, ...]] = {}
    for state in RULINGS:
        with world(PROJECT) as shop:
            ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
            rule_on(shop, blocked(shop), state)
            ends[state] = end(shop)
    return ends


@pytest.mark.parametrize("state", RULINGS)
@pytest.mark.parametrize(
    ("module", "step", "is_before"),
    [(planned, "commit", True), (planned, "commit", False), (blocks, "drop_batches", False), (blocks, "append", False)],
    ids=["before the table's commit", "before the held rows go", "before the decision is closed", "at the end"],
)
def test_a_ruling_that_is_killed_ends_alike_when_it_is_given_again(  # noqa: PLR0917 -- pytest names them
    shop: World, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any], state: State, module: Any, step: str, is_before: bool
) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
    block = blocked(shop)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, step, dies(getattr(module, step), is_before=is_before))
        rule_on(shop, block, state)
    rule_on(shop, block, state)
    assert end(shop) == undisturbed[state]


@pytest.mark.parametrize("state", RULINGS)
def test_a_ruling_that_was_killed_after_the_tables_commit_is_closed_by_the_next_run(
    shop: World, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any], state: State
) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
    block = blocked(shop)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(planned, "commit", dies(commit, is_before=False))
        rule_on(shop, block, state)
    assert states(shop) == [State.OPEN]
    with shop.lakehouse.session() as session:
        assert blocks.waiting(shop.lakehouse, session, ORDERS, shop.lakehouse.snapshot(ORDERS)) is None
    shop.run(ORDERS)
    assert end(shop) == undisturbed[state]


@pytest.mark.parametrize("step", ["replace_batch", "open_block"])
def test_a_run_that_is_killed_while_it_blocks_blocks_alike_the_next_time(
    shop: World, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any], step: str
) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(silver_gate, step, dies(getattr(silver_gate, step), is_before=False))
        shop.run(ORDERS)
    block = blocked(shop)
    assert states(shop) == [State.OPEN]
    assert all_held(shop) == {block.decision.batch_id: 6}
    rule_on(shop, block, State.RELEASED)
    assert end(shop) == undisturbed[State.RELEASED]


def dies(step: Callable[..., Any], *, is_before: bool) -> Callable[..., Any]:
    """The step of a process that is killed just before or just after it."""

    def dying(*arguments: Any, **options: Any) -> Any:
        if not is_before:
            step(*arguments, **options)
        raise KeyboardInterrupt

    return dying


@pytest.mark.parametrize(
    ("mine", "theirs", "moment"),
    [
        (State.RELEASED, State.RELEASED, "commit_planned"),
        (State.RELEASED, State.REJECTED, "commit_planned"),
        (State.REJECTED, State.RELEASED, "commit_planned"),
        (State.RELEASED, State.REJECTED, "replace_batch"),
    ],
)
def test_of_two_rulings_at_once_one_counts(  # noqa: PLR0917 -- pytest names them
    shop: World, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any], mine: State, theirs: State, moment: str
) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
    block = blocked(shop)
    step = getattr(silver, moment)

    def overtaken(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(silver, moment, step)
        rule_on(shop, block, theirs)
        return step(*arguments, **options)

    monkeypatch.setattr(silver, moment, overtaken)
    with pytest.raises(LakehouseError, match="does not wait for a decision any more"):
        rule_on(shop, block, mine)
    assert end(shop) == undisturbed[theirs]


def test_a_worker_that_another_overtook_blocks_nothing(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))

    def overtaken(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(silver_gate, "open_block", open_block)
        with_project(shop, project("off")).run(ORDERS)
        return open_block(*arguments, **options)

    monkeypatch.setattr(silver_gate, "open_block", overtaken)
    shop.run(ORDERS)
    assert states(shop) == []
    assert accounts(shop) == Accounts(read=12, accepted=6, rejected=6)


def test_a_conflict_over_the_log_with_another_table_is_tried_again(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
    tries = []

    def loses_once(*arguments: Any, **options: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise CommitConflict("another table's")
        append(*arguments, **options)

    monkeypatch.setattr(blocks, "append", loses_once)
    blocked(shop)
    assert (len(tries), states(shop)) == (2, [State.OPEN])


LOOKING_UP = load(
    source("bronze/shops", "shops/*.jsonl"),
    table("silver/shops", "SELECT shop, region FROM bronze.shops", [column("shop", "STRING", required=True, key=1), column("region", "STRING")],
          refresh="append"),
    source("bronze/sales", "sales/*.jsonl"),
    table(
        "silver/sales",
        "SELECT sale, place.region AS region FROM bronze.sales AS sale LEFT JOIN silver.shops AS place ON place.shop = sale.shop",
        [column("sale", "STRING", required=True, key=1), column("region", "STRING", required=True)],
        refresh="upsert",
        lookup_changes="rebuild",
        gate=GATE,
    ),
)  # fmt: skip


def test_a_changed_lookup_takes_no_batch_past_the_gate() -> None:
    sales = [{"sale": f"s{number}", "shop": "a"} for number in range(10)]
    with world(LOOKING_UP) as shop:
        ingest(shop, "shops/1.jsonl", [{"shop": "a", "region": "north"}], "bronze/shops")
        ingest(shop, "sales/1.jsonl", sales, "bronze/sales")
        shop.run("silver/shops", "silver/sales")
        ingest(shop, "sales/2.jsonl", [{"sale": f"t{number}", "shop": "b" if number < 6 else "c"} for number in range(12)], "bronze/sales")
        first = blocked(shop, "silver/sales")
        # The shop of half of them is known now: 6 of 12 are valid, which is still too few.
        ingest(shop, "shops/2.jsonl", [{"shop": "b", "region": "south"}], "bronze/shops")
        shop.run("silver/shops")
        second = blocked(shop, "silver/sales")
        assert (first.decision.rejected, second.decision.rejected) == (12, 6)
        assert len(shop.rows("silver/sales")) == 10
        ingest(shop, "shops/3.jsonl", [{"shop": "c", "region": "west"}], "bronze/shops")
        shop.run("silver/shops")
        record = shop.run("silver/sales").record
        assert record is not None
        assert record.rebuilt is not None
        assert {row["region"] for row in shop.rows("silver/sales")} == {"north", "south", "west"}
        assert accounts(shop, "silver/sales") == Accounts(read=22, accepted=22)
        assert set(states(shop, "silver/sales")) == {State.SUPERSEDED}


def test_a_table_that_is_put_back_reads_on_from_there(shop: World) -> None:
    for number in range(3):
        ingest(shop, f"orders/{number}.jsonl", lines(number * 20, 10, 0))
        shop.run(ORDERS)
    ingest(shop, "orders/9.jsonl", lines(80, 2, 40))
    old = blocked(shop)
    restore(shop.lakehouse, ORDERS, shop.delta(ORDERS).version() - 1, run_id="back")
    # The batch begins earlier now, so it is another one.
    new = blocked(shop)
    assert (old.decision.read, new.decision.read) == (42, 52)
    assert set(states(shop)) == {State.SUPERSEDED, State.OPEN}
    before = shop.delta(ORDERS).version()
    rule_on(shop, new, State.REJECTED)
    assert accounts(shop) == Accounts(read=72, accepted=20, rejected=52)
    # What was decided stays decided, however often it is read.
    restore(shop.lakehouse, ORDERS, before, run_id="back")
    assert accounts(shop) == Accounts(read=20, accepted=20)
    shop.run(ORDERS)
    assert accounts(shop) == Accounts(read=72, accepted=20, rejected=52)
    assert len(quarantined(shop)) == 52


@pytest.mark.parametrize("state", RULINGS)
def test_rebuilds_and_replays_stand_on_what_was_decided(shop: World, state: State) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 6, 6))
    rule_on(shop, blocked(shop), state)
    before, booked = end(shop), total(shop)
    rebuild(shop.lakehouse, ORDERS, run_id="rebuild")
    assert (end(shop)[0], total(shop), quarantined(shop), states(shop)) == (before[0], booked, before[2], before[3])
    replayed = replay(shop.lakehouse, ORDERS, run_id="replay").record
    assert replayed is not None
    assert replayed.accounts == Accounts()
    assert (end(shop)[0], quarantined(shop), states(shop)) == (before[0], before[2], before[3])


def test_a_rebuild_does_not_go_round_the_gate(shop: World) -> None:
    ingest(shop, "orders/1.jsonl", lines(0, 10, 0))
    shop.run(ORDERS)
    ingest(shop, "orders/2.jsonl", lines(10, 6, 6))
    first = blocked(shop)
    before = shop.contents(ORDERS)
    rebuild(shop.lakehouse, ORDERS, run_id="rebuild")
    assert shop.contents(ORDERS) == before
    assert blocked(shop) == first


def total(shop: World) -> Accounts:
    with shop.lakehouse.session() as session:
        return books.total(books.entries(shop.lakehouse, session, ORDERS))

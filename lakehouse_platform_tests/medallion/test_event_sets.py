"""The set of events beside a table: it holds the events of the rows that the table took, and no others, whatever was killed, put back or changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse_platform.medallion import planned, replayed_events, silver_changes, silver_rebuild
from lakehouse_platform.medallion.rebuild import rebuild
from lakehouse_platform.medallion.replay import replay
from lakehouse_platform.medallion.restore import restore
from lakehouse_platform.medallion.stale import is_stale
from lakehouse_platform.tables.project import Project
from lakehouse_platform_tests.medallion.shop import PROJECT, bring, change, changed, under
from lakehouse_platform_tests.properties.worlds import World, world

PRODUCTS = "silver/products"
_TITLE = "  - name: title\n"
_RULE = "{id: titled, type: sql, severity: error, mustBe: 0, query: 'SELECT count(*) FROM ${table} WHERE length(title) = 0'}"
# Under it an event without a title is rejected.
STRICT = changed(PRODUCTS, ("contract.yaml", _TITLE, f"{_TITLE}    quality: [{_RULE}]\n"))


@pytest.fixture
def shop() -> Iterator[World]:
    with world(STRICT) as lakehouse:
        yield lakehouse


def titles(shop: World) -> dict[str, str]:
    return {row["product"]: row["title"] for row in shop.rows(PRODUCTS)}


def events(shop: World) -> list[str]:
    return sorted(row["title"] for row in shop.rows(f"{PRODUCTS}__changes"))


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_a_restore_behind_a_replay_takes_its_events_back(shop: World) -> None:
    bring(shop, "products", "a", [change(1, "c", "one"), change(3, "u", "")])
    before = shop.delta(PRODUCTS).version()
    replay(under(shop, PROJECT).lakehouse, PRODUCTS, run_id="replay")
    assert events(shop) == ["", "one"]
    restore(shop.lakehouse, PRODUCTS, before, run_id="back")
    assert events(shop) == ["one"]
    bring(shop, "products", "b", [change(2, "u", "two")])
    assert titles(shop) == {"p": "two"}
    restore(under(shop, PROJECT).lakehouse, PRODUCTS, before + 1, run_id="forth")
    assert (titles(under(shop, PROJECT)), events(shop)) == ({"p": ""}, ["", "one", "two"])


def test_a_restore_behind_a_rebuild_brings_its_events_back(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    loose = under(shop, PROJECT)
    bring(loose, "products", "a", [change(1, "c", "one"), change(3, "u", "")])
    before = shop.delta(PRODUCTS).version()
    rebuild(shop.lakehouse, PRODUCTS, run_id="rebuild")
    assert events(shop) == ["one"]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(replayed_events, "append_events", killed)
        restore(loose.lakehouse, PRODUCTS, before, run_id="back")
    bring(loose, "products", "b", [change(2, "u", "two")])
    assert (titles(shop), events(shop)) == ({"p": ""}, ["", "one", "two"])


def test_events_that_a_killed_run_left_go_where_the_contract_rejects_them_now(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(shop, "products", "a", [change(1, "c", "one")])
    shop.land("products/b.jsonl", [change(3, "u", ""), change(3, "c", "new", product="q")])
    shop.run("bronze/product_changes")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(silver_changes, "commit_keyed", killed)
        under(shop, PROJECT).run(PRODUCTS)
    shop.run(PRODUCTS)
    assert (titles(shop), events(shop)) == ({"p": "one", "q": "new"}, ["new", "one"])
    bring(shop, "products", "c", [change(2, "u", "two")])
    assert titles(shop)["p"] == "two"


def test_the_events_of_a_killed_replay_come_with_the_next_run_though_nothing_is_new(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(shop, "products", "a", [change(1, "c", "one"), change(3, "u", "")])
    loose = under(shop, PROJECT)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(replayed_events, "append_events", killed)
        replay(loose.lakehouse, PRODUCTS, run_id="replay")
    assert (loose.run(PRODUCTS).record, events(shop)) == (None, ["", "one"])


def test_a_rebuild_that_an_increment_overtook_and_that_was_killed_loses_no_event(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(shop, "products", "a", [change(1, "c", "one"), change(1, "c", "", product="q")])
    replace_events, tries = silver_rebuild._replace_events, []

    def overtaken(*arguments: Any) -> None:
        tries.append(arguments)
        if len(tries) > 1:
            raise KeyboardInterrupt
        bring(shop, "products", "b", [change(2, "u", "two")])
        replace_events(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(silver_rebuild, "_replace_events", overtaken)
        rebuild(under(shop, PROJECT).lakehouse, PRODUCTS, run_id="rebuild")
    assert events(shop) == ["one", "two"]


def test_a_killed_rebuild_leaves_no_event_where_its_contract_is_put_back(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    loose = under(shop, PROJECT)
    bring(loose, "products", "a", [change(1, "c", "one"), change(3, "u", "")])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(planned, "commit", killed)
        rebuild(shop.lakehouse, PRODUCTS, run_id="rebuild")
    assert events(shop) == ["one"]
    bring(loose, "products", "b", [change(2, "u", "two")])
    assert (titles(shop), events(shop)) == ({"p": ""}, ["", "one", "two"])


def test_rows_that_were_replayed_under_another_contract_make_a_table_stale(shop: World) -> None:
    bring(shop, "products", "a", [change(1, "c", "one"), change(3, "u", "")])
    replay(under(shop, PROJECT).lakehouse, PRODUCTS, run_id="replay")
    table: Project = shop.lakehouse.project
    assert is_stale(shop.lakehouse, table.tables[PRODUCTS])

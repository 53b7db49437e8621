"""Tables with a past: commits are moved in time as if they had been made then, and versions are read by SQL. Not here: what they should be."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lakehouse_platform.contracts.types import BIGINT, STRING
from lakehouse_platform.delta.active_files import uri_of
from lakehouse_platform.delta.commit import create_table
from lakehouse_platform.delta.files import Field, Snapshot
from lakehouse_platform.delta.restore import restore
from lakehouse_platform.delta.snapshot import open_snapshot
from lakehouse_platform.delta.upkeep import checkpoint
from lakehouse_platform.engine.duckdb import Session
from lakehouse_platform.medallion.lakehouse import Lakehouse
from lakehouse_platform.medallion.selecting import selected
from lakehouse_platform.settings import Settings
from lakehouse_platform.writes import tables
from lakehouse_platform.writes.optimize import optimize
from lakehouse_platform_tests.properties.projects import load, source

PROJECT = load(source("bronze/any", "any/*.jsonl"))
COLUMNS = (Field("key", BIGINT), Field("value", BIGINT), Field("day", STRING))
DAYS = ("monday", "tuesday")
NAME = "silver/kept"
# Rows of key, value and day, and how often each is there.
Rows = Counter[tuple[int, int, str]]
# What is done to a table, and with which numbers: of rows, or of a version.
Step = tuple[str, list[tuple[int, int, str]], int]


@dataclass(frozen=True)
class Past:
    """A table, and a dict that remembers what each of its versions held."""

    lakehouse: Lakehouse
    session: Session
    states: dict[int, Rows]

    @property
    def location(self) -> str:
        return self.lakehouse.location(NAME)

    @property
    def newest(self) -> int:
        return max(self.states)

    def now(self, version: int | None = None) -> Snapshot:
        snapshot = open_snapshot(self.location, version)
        assert snapshot is not None
        return snapshot

    def take(self, step: Step) -> None:
        """Do something to the table, and the same to the model; every version that it makes is remembered."""
        kind, rows, number = step
        held, day = self.states[self.newest], rows[0][2] if rows else DAYS[0]
        match kind:
            case "append":
                tables.append(self.session, self.location, _sql(rows))
                held = held + Counter(rows)
            case "replace":
                own = [row for row in rows if row[2] == day]
                tables.replace_partitions(self.session, self.location, _sql(own), [{"day": day}])
                held = Counter({row: count for row, count in held.items() if row[2] != day}) + Counter(own)
            case "upsert":
                latest = list({row[0]: row for row in rows}.values())
                tables.upsert(self.session, self.location, _sql(latest), ("key",))
                keys = {row[0] for row in latest}
                held = Counter({row: count for row, count in held.items() if row[0] not in keys}) + Counter(latest)
            case "delete":
                tables.delete(self.session, self.location, f"value = {rows[0][1]} AND day = '{day}'")
                held = Counter({row: count for row, count in held.items() if row[1:] != (rows[0][1], day)})
            case "restore" if self.newest:
                back = number % self.newest
                restore(self.now(), back)
                held = self.states[back]
            case "optimize":
                optimize(self.session, self.location)
            case _:
                checkpoint(self.location)
        self.remember(held)

    def remember(self, held: Rows | None = None) -> None:
        """Note what the versions hold that are there since; None: what the newest held, as after maintenance."""
        held = self.states[self.newest] if held is None else held
        for version in range(self.newest + 1, self.now().version + 1):
            self.states[version] = held

    def read(self, places: Mapping[int, str]) -> dict[int, Rows]:
        """What the table held at each of some places (`VERSION AS OF 3`), in one query."""
        parts = [f"SELECT {number} AS place, key, value, day FROM silver.kept {as_of}" for number, as_of in places.items()]
        found: dict[int, Rows] = {number: Counter() for number in places}
        for number, *row in selected(self.lakehouse, self.session, " UNION ALL ".join(parts), None)[1]:
            found[number][tuple(row)] += 1
        return found

    def move(self, committed: Iterable[datetime]) -> None:
        """Let the versions have been committed at these times, by the writer's clock and by storage's."""
        for version, instant in enumerate(committed):
            path = Path(self.location, "_delta_log", f"{version:020}.json")
            actions = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
            for action in actions:
                if "commitInfo" in action:
                    action["commitInfo"]["timestamp"] = round(instant.timestamp() * 1000)
            path.write_text("".join(json.dumps(action) + "\n" for action in actions), encoding="utf-8")
            os.utime(path, (instant.timestamp(), instant.timestamp()))
            for action in actions:
                if "add" in action:
                    os.utime(uri_of(self.location, action["add"]["path"]), (instant.timestamp(), instant.timestamp()))


def empty_past(folder: str, session: Session) -> Past:
    """A table without rows, at version 0."""
    lakehouse = Lakehouse(Settings(home=Path(folder)), PROJECT)
    create_table(lakehouse.location(NAME), COLUMNS, ["day"])
    return Past(lakehouse, session, {0: Counter()})


def at(instant: datetime) -> str:
    """The words of SQL for an instant."""
    return f"TIMESTAMP AS OF '{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"


def _sql(rows: Iterable[tuple[int, int, str]]) -> str:
    values = ", ".join(f"({key}::BIGINT, {value}::BIGINT, '{day}')" for key, value, day in rows)
    return f"SELECT * FROM (VALUES {values}) AS t(key, value, day)"

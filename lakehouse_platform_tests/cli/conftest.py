"""A small lakehouse of the shipped products, filled once by the command line itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from lakehouse_platform.cli.app import app
from lakehouse_platform.orchestration import runs

LINES = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850.0,United Kingdom
536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850.0,United Kingdom
C536379,D,Discount,-1,2010-12-01 09:41:00,27.50,14527.0,United Kingdom
536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom
A563186,B,Adjust bad debt,1,2011-08-12 14:51:00,-11062.06,,United Kingdom
536370,22728,ALARM CLOCK BAKELIKE PINK,two,2010-12-01 08:45:00,3.75,12583.0,France
"""
EVENTS = [
    {"event_id": "e1", "author": "u1", "event_ts": "2014-10-31T10:25:02-07:00", "op": "c", "path": ".gitignore"},
    {"event_id": "e2", "author": "u1", "event_ts": "2014-10-31T18:00:00+00:00", "op": "u", "path": "LICENSE"},
    {"event_id": "e2", "author": "u1", "event_ts": "2014-10-31T18:00:00+00:00", "op": "u", "path": "LICENSE"},
]
AIRPORT = {"icao": "CZBF", "iata": "ZBF", "name": "Bathurst Airport", "city": "Bathurst", "subd": "New-Brunswick", "country": "CA"} | {
    "elevation": "193.0", "lat": "47.629699707", "lon": "-65.738899231", "tz": "America/Halifax",
}  # fmt: skip
CHANGES = [
    {"op": "r", "ts_ms": 1604620800000, "key": "CZBF", "before": None, "after": AIRPORT},
    {"op": "u", "ts_ms": 1604707200000, "key": "CZBF", "before": AIRPORT, "after": AIRPORT | {"subd": "New Brunswick", "elevation": "193"}},
]
READINGS = "timestamp,value\n2015-02-26 21:42:53,104\n2015-02-26 21:47:53,100\n2015-02-26 21:47:53,101\n"


def fill_landing(landing: Path) -> None:
    """A few records of each source, with the dirt of the real ones."""
    texts = {
        "retail/2010-12-01.csv": LINES,
        "activity/events.jsonl": "".join(json.dumps(event) + "\n" for event in EVENTS),
        "airports/changes.jsonl": "".join(json.dumps(change) + "\n" for change in CHANGES),
        "sensors/realTweets/twitter.csv": READINGS,
    }
    for name, text in texts.items():
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).write_text(text, encoding="utf-8")


Run = Callable[..., Result]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a command over one lakehouse, filled before."""
    home = tmp_path_factory.mktemp("home")
    fill_landing(home / "landing")
    runner = CliRunner(env={"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_SETTLE_SECONDS": "0", "TERMINAL_WIDTH": "200"})

    def run_command(*arguments: str) -> Result:
        return runner.invoke(app, list(arguments))

    filled = run_command("materialize", "*", "--format", "json")
    assert filled.exit_code == 0, filled.output
    return run_command


@pytest.fixture(scope="session")
def run_json(run: Run) -> Callable[..., Any]:
    """Runs a command that must succeed and gives what it shows as values."""

    def run_command(*arguments: str) -> Any:
        done = run(*arguments, "--format", "json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run_command


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs of commands in this process are kept in memory: SQLite's commits would take most of their time."""
    with dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setattr(runs, "open_instance", lambda _: nullcontext(instance))
        yield

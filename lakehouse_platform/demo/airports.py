"""Generated change events of a list of airports: a first snapshot, then creations, updates, deletes and returns. Not here: writing the files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

_FIRST_DAY = datetime(2020, 11, 6, tzinfo=UTC)
_AIRPORTS = 400
_EVENTS = 2_500
_CITIES = ("Anchor Point", "Harvest", "Bathurst", "Şırnak", "Malmö", "Aasiaat", "Pago Pago")
_ZONES = ("America/Anchorage", "Europe/Stockholm", "Asia/Jakarta", "")
_BROKEN_LINES = (
    b'{"op": "x", "ts_ms": 1610000000000, "key": "AAAA", "before": null, "after": {"icao": "AAAA"}}',
    b'{"op": "u", "ts_ms": "soon", "key": "AAAA", "before": null, "after": {"icao": "AAAA"}}',
    b'{"op": "u", "ts_ms": 1610000000000, "key": "AAAA", "before": null, "after": null}',
    b'{"op": "u", "ts_ms": 1610000000000, "key": "AAAA", "before": null, "after": {"icao": "AAAA", "name": "One", "elevation": "high"}}',
)
_Row = dict[str, str]


def generated(seed: int) -> Iterator[tuple[str, bytes]]:
    """Path below the landing folder and bytes of each file; the snapshot's name sorts first."""
    random = Random(f"airports {seed}")  # noqa: S311 -- data, not secrets
    present = {row["icao"]: row for row in (_airport(random, number) for number in range(_AIRPORTS))}
    snapshot = [_event("r", _FIRST_DAY, None, row) for row in present.values()]
    yield "airports/generated-1-snapshot.jsonl", b"\n".join(snapshot) + b"\n"
    changes = list(_changes(random, present))
    # Some arrive a few places late, and some twice.
    for place in random.sample(range(len(changes) - 10), 40):
        changes.insert(place + random.randint(1, 9), changes.pop(place))
    changes += random.sample(changes, 25)
    yield "airports/generated-2-changes.jsonl.gz", gzip.compress(b"\n".join([*changes, *_BROKEN_LINES]) + b"\n", mtime=0)


def _changes(random: Random, present: dict[str, _Row]) -> Iterator[bytes]:
    moment, gone, number = _FIRST_DAY, {}, _AIRPORTS
    for _ in range(_EVENTS):
        moment += timedelta(minutes=random.randint(1, 1_200))
        choice = random.random()
        if choice < 0.04:
            key = random.choice(sorted(present))
            gone[key] = present.pop(key)
            yield _event("d", moment, gone[key], None)
        elif choice < 0.08:
            # Half of the new ones are old ones that come back.
            returning = bool(gone) and random.random() < 0.5
            row = gone.pop(random.choice(sorted(gone))) if returning else _airport(random, number)
            number += 1
            present[row["icao"]] = row
            yield _event("c", moment, None, row)
        else:
            key = random.choice(sorted(present))
            before, present[key] = present[key], _changed(random, present[key])
            yield _event("u", moment, before, present[key])


def _airport(random: Random, number: int) -> _Row:
    return {
        "icao": f"{number:04X}",
        "iata": "" if random.random() < 0.6 else f"{number:03X}"[-3:],
        "name": f"Field No. {number}",
        "city": random.choice(_CITIES),
        "subd": "",
        "country": random.choice(("US", "CA", "SE", "TR", "ID")),
        "elevation": f"{random.randint(0, 3000)}.0",
        "lat": f"{random.uniform(-70, 70):.6f}",
        "lon": f"{random.uniform(-180, 180):.6f}",
        "tz": random.choice(_ZONES),
    }


def _changed(random: Random, row: _Row) -> _Row:
    """A row after a change, which for a third of them is one of formatting alone."""
    if random.random() < 0.33:
        elevation = row["elevation"]
        return row | {"elevation": elevation.removesuffix(".0") if elevation.endswith(".0") else f"{elevation}.0"}
    return row | random.choice(({"name": f"{row['name']} International"[:60]}, {"city": random.choice(_CITIES)}, {"tz": random.choice(_ZONES)}))


def _event(operation: str, moment: datetime, before: _Row | None, after: _Row | None) -> bytes:
    key = (after or before or {})["icao"]
    milliseconds = int(moment.timestamp() * 1000)
    event = {"op": operation, "ts_ms": milliseconds, "version": f"{moment:%Y%m%d}", "key": key, "before": before, "after": after}
    return json.dumps(event, ensure_ascii=False).encode()

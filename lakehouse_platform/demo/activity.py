"""Generated events of users as JSON lines in order of arrival, some late, some twice, some broken. Not here: writing the files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from random import Random

_FIRST_MOMENT = datetime(2025, 1, 1, tzinfo=UTC)
_EVENTS = 8_000
_REPOSITORIES = ("lake/house", "lake/shore", "stream/bed")
_FOLDERS = ("src", "docs", "tests", "benchmarks")
_BROKEN_LINES = (
    b'{"event_id": "broken:0", "author": "cut of',
    b'{"event_id": "broken:1", "author": null, "event_ts": "2025-01-20T10:00:00+00:00", "op": "u"}',
    b'{"author": "0123456789abcdef", "event_ts": "2025-01-20T10:00:00+00:00", "op": "u"}',
    b'{"event_id": "broken:3", "author": "0123456789abcdef", "event_ts": "yesterday", "op": "u"}',
    b'{"event_id": "broken:4", "author": "a", "author": "b", "event_ts": "2025-01-20T10:00:00+00:00", "op": "u"}',
    b'["an", "array"]',
    b"\xff\xfe not text",
)


def generated(seed: int) -> Iterator[tuple[str, bytes]]:
    """Path below the landing folder and bytes of each file."""
    random = Random(f"activity {seed}")  # noqa: S311 -- data, not secrets
    lines = [line for _, line in sorted(_arrivals(random))]
    half = len(lines) // 2
    yield "activity/generated-1.jsonl", b"\n".join([*lines[:half], *_BROKEN_LINES]) + b"\n"
    yield "activity/generated-2.jsonl.gz", gzip.compress(b"\n".join(lines[half:]) + b"\n", mtime=0)


def _arrivals(random: Random) -> Iterator[tuple[datetime, bytes]]:
    """Events with the moment of their arrival."""
    authors = [(f"{random.getrandbits(64):016x}", timezone(timedelta(minutes=random.choice((-480, -300, 0, 60, 120, 330, 480))))) for _ in range(120)]
    happened = _FIRST_MOMENT
    for number in range(_EVENTS):
        happened += timedelta(seconds=random.expovariate(1 / 1_000))
        (author, zone), commit = random.choice(authors), f"{number // 4:012x}"
        arrived = happened + (timedelta(days=random.uniform(1, 40)) if random.random() < 0.15 else timedelta())
        event = {
            "event_id": f"{commit}:{number % 4}",
            "sha": f"{commit:0>40}",
            "repo": random.choice(_REPOSITORIES),
            "author": author,
            "event_ts": happened.astimezone(zone).isoformat(timespec="seconds"),
            "ingest_ts": arrived.astimezone(zone).isoformat(timespec="seconds"),
            "op": random.choices("cud", (30, 60, 10))[0],
            "path": f"{random.choice(_FOLDERS)}/{random.choice(('naïve', 'module', 'notes'))}_{random.randint(1, 80)}.py",
        }
        if random.random() < 0.1:
            event |= _profile(random, author)
        line = json.dumps(event, ensure_ascii=False).encode()
        for _ in range(2 if random.random() < 0.01 else 1):
            yield arrived, line


def _profile(random: Random, author: str) -> dict[str, str]:
    """What the event says of its user; names and addresses change now and then."""
    name = f"User {author[:4]}"
    mailbox = author[:6] if random.random() < 0.8 else f"{author[:6]}.new"
    return {"user_name": name, "user_email": f"{mailbox}@example.org", "user_status": random.choices(("active", "suspended"), (95, 5))[0]}

"""Generated series of sensors, one CSV file each, with repeated instants, gaps and readings that are none. Not here: writing the files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

_FIRST_MOMENT = datetime(2014, 2, 14, 14, 30)  # noqa: DTZ001 -- the series have no zone
_READINGS = 2_000
_SERIES = {"machines": ("press_temperature", "pump_vibration", "belt_speed"), "servers": ("cpu_utilization_24ae8d", "network_in_257a54")}


def generated(seed: int) -> Iterator[tuple[str, bytes]]:
    """Path below the landing folder and bytes of each file."""
    for group, names in _SERIES.items():
        for name in names:
            random = Random(f"{name} {seed}")  # noqa: S311 -- data, not secrets
            yield f"sensors/{group}/{name}.csv", ("timestamp,value\n" + "".join(_lines(random))).encode()


def _lines(random: Random) -> Iterator[str]:
    level, swing = random.uniform(10, 90), random.uniform(1, 8)
    moment = _FIRST_MOMENT
    for number in range(_READINGS):
        moment += timedelta(minutes=5 * (12 if random.random() < 0.002 else 1))
        is_anomaly = 1_200 <= number < 1_230
        value = level + swing * math.sin(number / 288 * 2 * math.pi) + random.gauss(0, swing / 10) + (swing * 5 if is_anomaly else 0)
        text = "n/a" if random.random() < 0.001 else f"{value:.4f}"
        yield f"{moment},{text}\n"
        if random.random() < 0.003:
            yield f"{moment},{text if random.random() < 0.5 else f'{value + 1:.4f}'}\n"
